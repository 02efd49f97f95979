"""The picture of one run's probe: a row a site, from ROC to a map of the embeddings."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from align.analysis.figures import style as figures
from align.analysis.statistics.geometry import principal_components
from align.analysis.statistics.intervals import Interval, minus
from align.analysis.statistics.probing.discrimination import roc
from align.analysis.statistics.probing.probe import SiteProbe
from align.domain import Domain

TITLES = ("ROC", "Out-of-fold scores", "Probe and controls", "Embeddings (PCA)")
CAPTION = (
    "A probe is a classifier that is to tell sim from real by the embeddings of held-out episodes at one "
    "site (a row), each episode scored by a probe that did not see it. Whiskers, brackets and the band of "
    "the ROC: 95 % intervals over episodes. Dashed: chance, or the boundary. shuffled: the same probe with "
    "domains permuted among episodes; real vs real: real episodes told from other real ones"
)
UNTRAINED = "; hollow: the embeddings of the policy before training"
MAP = ". PCA: a dot a window; in brackets the share of variance; MMD²: squared distance of the two domains."


def probe_figure(probes: Sequence[SiteProbe], seed: int = 0, run: str = "", note: str = "") -> Figure:
    """The report of a run's probes, both columns wide.

    Args:
        probes: One a site; a row each.
        seed: Of the ROC's bootstrap band.
        run: Its name, above the figure.
        note: What else is to be known, below it.
    """
    with figures.style():
        figure, axes = figures.canvas(len(probes), 4, figures.DOUBLE, 1.75 * len(probes) + 0.15)
        for row, probe in zip(axes, probes, strict=True):
            _roc(row[0], probe, seed)
            _histogram(row[1], probe)
            _statistics(row[2], probe)
            _map(row[3], probe)
            site = figures.wrap(probe.data.site, 8, 1.4, "bold")
            row[0].annotate(
                site, (-0.5, 0.5), xycoords="axes fraction", rotation=90,
                ha="right", va="center", fontweight="bold", multialignment="center",
            )  # fmt: skip
        for ax, title in zip(axes[0], TITLES, strict=True):
            ax.set_title(title)
        caption = CAPTION + (UNTRAINED if any(p.main.untrained for p in probes) else "") + MAP
        caption += f" {note}." if note else ""
        legend = figures.named([*axes[:, 1], *axes[:, 2]])
        figures.finish(figure, title=run and f"{run}: probes", legend=legend, caption=caption)
        return figure


def _roc(ax: Axes, probe: SiteProbe, seed: int) -> None:
    fpr, tpr, low, high = roc(probe.main.scored, seed)
    figures.diagonal(ax)
    ax.fill_between(fpr, low, high, color=figures.BLACK, alpha=0.15, linewidth=0)
    ax.plot(fpr, tpr, color=figures.BLACK)
    auc = probe.main.statistics["auc"]
    ax.text(
        0.97, 0.04, f"AUC {auc.value:.2f}\n[{auc.low:.2f}, {auc.high:.2f}]",
        ha="right", va="bottom", fontsize=7,
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.8},
    )  # fmt: skip
    ax.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), xticks=(0, 0.5, 1), yticks=(0, 0.5, 1))
    ax.set(xlabel="False-positive rate", ylabel="True-positive rate")


def _histogram(ax: Axes, probe: SiteProbe) -> None:
    scored = probe.main.scored
    low, high = np.quantile(scored.score, [0.002, 0.998])
    pad = max(0.05 * (high - low), 1e-6)
    bins = np.linspace(low - pad, high + pad, 26)
    for domain in Domain:
        score = np.clip(scored.score[scored.label == domain], bins[0], bins[-1])
        look = {"bins": bins, "density": True, "color": figures.DOMAIN_COLOUR[domain]}
        ax.hist(score, alpha=0.35, label=domain.label, **look)
        ax.hist(score, histtype="step", linewidth=1.0, **look)
    figures.reference(ax, x=0)
    score = "Signed distance to boundary" if "linear" in probe.kinds else "Score: real above 0"
    ax.set(xlabel=score, ylabel="Density", yticks=())


def _statistics(ax: Axes, probe: SiteProbe) -> None:
    main, others = probe.main, list(probe.kinds.values())[1:]
    arms = [
        ("sim vs real", main.statistics, figures.BLACK),
        *(("by an MLP", other.statistics, figures.PURPLE) for other in others),
        ("untrained", main.untrained, "white"),
        ("shuffled", main.shuffled, "#C0C0C0"),
        ("real vs real", main.real_vs_real, figures.DOMAIN_COLOUR[Domain.REAL]),
    ]
    arms = [arm for arm in arms if arm[1] is not None]
    width = 0.81 / len(arms)
    for i, (name, statistics, colour) in enumerate(arms):
        bars: list[Interval] = [statistics["accuracy"], statistics["auc"]]
        at = np.arange(2) + (i - (len(arms) - 1) / 2) * width
        ax.bar(
            at, [b.value for b in bars], width=0.85 * width, color=(colour, 0.55), label=name,
            edgecolor=figures.BLACK if colour == "white" else colour, linewidth=0.6,
        )  # fmt: skip
        figures.whiskers(ax, at, bars, ecolor=figures.BLACK, capsize=1.5, elinewidth=0.8)
    figures.reference(ax, y=0.5)
    ax.set(ylim=(0, 1.05), yticks=(0, 0.5, 1), xticks=(0, 1), xticklabels=("Accuracy", "AUC"))
    ax.grid(visible=False, axis="x")


def _map(ax: Axes, probe: SiteProbe) -> None:
    xy, share = principal_components(probe.data.x)
    figures.cloud(ax, xy, probe.data.domain)
    mmd2 = probe.distance
    text = minus(f"MMD$^2$ {mmd2.value:.3f}\n[{mmd2.low:.3f}, {mmd2.high:.3f}]")
    ax.text(0.98, 0.97, text, transform=ax.transAxes, ha="right", va="top", fontsize=7)
    ax.set_ylim(top=ax.get_ylim()[1] + 0.3 * np.ptp(ax.get_ylim()))  # room for the text
    ax.set(xlabel=f"PC 1 ({share[0]:.0%})", ylabel=f"PC 2 ({share[1]:.0%})")
