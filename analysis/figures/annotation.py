"""The picture of an annotation: at which noise levels sim can be told from real, and how surely."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from align.analysis.figures import style as figures
from align.analysis.statistics.trust import TAUS, Trust, by_checkpoint, calibration
from align.diffusion.thresholds import dataset_threshold
from align.domain import Domain

SIGMA_MIN = r"$\sigma_{min}$"
CAPTION = (
    "A classifier is to tell sim windows, noised to level σ, from real ones (clean). (a) accuracy, and what "
    f"the classifier says of sim windows, on held-out episodes; dashed: chance; grey: {SIGMA_MIN}, the "
    "lowest level from which on sim passes for clean with probability τ or more. (b) that of each window, "
    "how many pass at every level and how many at none; dashed: that of all together. (c) dashed: as often "
    "clean as said. (d) dashed: the τ that was used. (e) a curve a fold of the cross-validation; dot: the "
    "checkpoint of least loss, which was kept"
)
LENGTHS = (
    r"; (f) the same of crops of fewer steps. $\sigma_{max}$: level below which sim is trusted again, "
    r"since a "
    "denoiser then looks no farther than a crop that passes for clean"
)


def annotation_figure(result: Trust, stores: str = "") -> Figure:
    """The report of an annotation, both columns wide.

    Args:
        result: What was found.
        stores: What was annotated, above the figure.
    """
    with figures.style():
        figure, axes = figures.canvas(2, 3, figures.DOUBLE, 3.9)
        _accuracy(axes[0, 0], result)
        _samples(axes[0, 1], result)
        _calibration(axes[0, 2], result)
        _by_tau(axes[1, 0], result)
        _by_checkpoint(axes[1, 1], result)
        if result.lengths:
            _by_length(axes[1, 2], result)
        else:  # not asked for: the last panel has the room of two
            axes[1, 2].remove()
            axes[1, 1].set_subplotspec(axes[0, 0].get_gridspec()[1, 1:])
        figures.letter(figure.axes)
        caption = CAPTION + (LENGTHS if result.lengths else "") + "."
        title = "From which noise level on sim passes for real" + (stores and f": {stores}")
        figures.finish(figure, title=title, caption=caption)
        return figure


def _accuracy(ax: Axes, result: Trust) -> None:
    judgement, sigma = result.judgement, result.dataset_sigma_min
    ax.plot(judgement.sigmas, judgement.accuracy, color=figures.BLACK, label="accuracy")
    clean = judgement.corrupt.double().mean(0)
    ax.plot(judgement.sigmas, clean, color=figures.DOMAIN_COLOUR[Domain.SIM], label="P(clean) of sim")
    figures.reference(ax, y=0.5)
    figures.reference(ax, y=result.tau, colour=figures.GREY)
    ax.vlines(sigma, 0, 1, color=figures.GREY, linewidth=0.7)
    ax.plot([sigma], [result.tau], "o", color=figures.BLACK, clip_on=False)
    side = {"ha": "right", "xytext": (-3, 3)} if sigma > 0.5 else {"ha": "left", "xytext": (3, 3)}
    ax.annotate(f"{SIGMA_MIN} = {sigma:.3f}", (sigma, 0), textcoords="offset points", fontsize=7, **side)
    ax.set(xlabel="Noise level σ", ylabel="Accuracy, P(clean)", xlim=(0, 1), ylim=(0, 1.2))
    ax.set_yticks((0, 0.25, 0.5, 0.75, 1))  # and room for the legend
    ax.set_title("Sim versus real", loc="left")
    ax.legend(loc="upper center", ncols=2, columnspacing=0.8, handlelength=1.2, borderaxespad=0.1)


def _samples(ax: Axes, result: Trust) -> None:
    sim = figures.DOMAIN_COLOUR[Domain.SIM]
    ax.hist(result.sigma_min, bins=np.linspace(0, 1, 41), color=sim, alpha=0.6)
    figures.reference(ax, x=result.dataset_sigma_min)
    ax.set(xlabel=f"{SIGMA_MIN} of a window", ylabel="Sim windows", xlim=(0, 1))
    always, never = np.mean(result.sigma_min <= 0), np.mean(result.sigma_min >= 1)
    ax.set_title(f"{always:.0%} from 0 on, {never:.1%} never", loc="left")


def _calibration(ax: Axes, result: Trust) -> None:
    predicted, observed, error = calibration(result.judgement)
    figures.diagonal(ax)
    ax.plot(predicted, observed, "o-", color=figures.BLACK)
    ax.text(0.97, 0.05, f"mean error {error:.3f}", transform=ax.transAxes, ha="right", fontsize=7)
    ax.set(xlabel="Predicted P(clean)", ylabel="Share of clean", xlim=(0, 1), ylim=(0, 1))
    ax.set_title("Calibration, all levels", loc="left")


def _by_tau(ax: Axes, result: Trust) -> None:
    ax.plot(TAUS, [dataset_threshold(result.judgement, tau) for tau in TAUS], "o-", color=figures.BLACK)
    figures.reference(ax, x=result.tau)
    ax.set(xlabel="Threshold τ", ylabel=SIGMA_MIN, ylim=(0, 1.06))
    ax.set_title("By threshold", loc="left")


def _by_checkpoint(ax: Axes, result: Trust) -> None:
    found = list(by_checkpoint(result))
    for fold, history in enumerate(result.judgement.histories):
        rows = [(seen.step, sigma) for f, seen, sigma in found if f == fold]
        colour = figures.CYCLE[fold % len(figures.CYCLE)]
        ax.plot(*zip(*rows, strict=True), color=colour, label=f"fold {fold + 1}")
        best = min(range(len(history)), key=lambda i: history[i].loss)
        ax.plot(*rows[best], "o", color=colour)
    ax.set(xlabel="Training step", ylabel=SIGMA_MIN, ylim=(0, 1.06))
    ax.set_title("By checkpoint (dot: kept)", loc="left")
    if len(result.judgement.histories) > 1:
        ax.legend()


def _by_length(ax: Axes, result: Trust) -> None:
    lengths = list(result.lengths)
    ax.plot(
        range(len(lengths)), [result.lengths[n] for n in lengths], "o-", color=figures.BLACK, clip_on=False
    )
    every = -(-len(lengths) // 8)
    ax.set_xticks(range(0, len(lengths), every), [str(n) for n in lengths[::every]])
    ax.set(xlabel="Steps of a stretch", ylabel=SIGMA_MIN, ylim=(0, 1.02))
    ax.set_title(f"By length: $\\sigma_{{max}}$ = {result.sigma_max:.3f}", loc="left")
