"""How well sim and real are told apart in the denoiser, against the diffusion step at which it is read."""

from collections.abc import Mapping

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from align.analysis.figures import style as figures
from align.analysis.statistics.intervals import Interval
from align.analysis.statistics.probing.probe import GIVEN, SiteProbe

TITLES = {"linear": "linear probe", "mlp": "MLP probe", GIVEN: "given classifier"}


def step_figure(layers: Mapping[str, Mapping[int, SiteProbe]], run: str = "") -> Figure:
    """The probe's AUC against the diffusion step, a line a layer and a panel a kind of probe.

    Args:
        layers: As `statistics.probing.probe.by_layer` returns them, one or more.
        run: Its name, above the figure.
    """
    kinds = list(next(iter(next(iter(layers.values())).values())).kinds)
    with figures.style():
        width = figures.COLUMN if len(kinds) == 1 else figures.DOUBLE
        figure, axes = figures.canvas(1, len(kinds), width, 2.2, sharey=True)
        for ax, kind in zip(axes[0], kinds, strict=True):
            _panel(ax, layers, kind)
            ax.set_title(TITLES[kind])
        axes[0, 0].set_ylabel("Probe AUC")
        if len(kinds) > 1:
            figures.letter(axes[0])
        caption = (
            "How well a probe tells sim from real by what a layer of the denoiser holds at a diffusion step. "
        )
        caption += "Dashed: chance. Whiskers: 95 % intervals over held-out episodes"
        if any(c.untrained for steps in layers.values() for p in steps.values() for c in p.kinds.values()):
            caption += "; hollow, dotted: the policy before training"
        title = run and f"{run}: probes by diffusion step"
        figures.finish(figure, title=title, legend=figures.named(axes[0]), caption=f"{caption}.")
        return figure


def _panel(ax: Axes, layers: Mapping[str, Mapping[int, SiteProbe]], kind: str) -> None:
    for i, (layer, steps) in enumerate(layers.items()):
        look = figures.look(i)
        found = {step: probe.kinds[kind] for step, probe in steps.items()}
        _line(ax, {step: c.statistics["auc"] for step, c in found.items()}, label=layer, **look)
        before = {step: c.untrained["auc"] for step, c in found.items() if c.untrained}
        if before:
            _line(ax, before, label=f"{layer}, untrained", markerfacecolor="white", linestyle=":", **look)
    figures.reference(ax, y=0.5)
    ax.set(xlabel="Diffusion step (0: least noise)", ylim=(min(0.4, ax.get_ylim()[0]), 1.03))
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))


def _line(ax: Axes, found: Mapping[int, Interval], linestyle: str = "-", **look) -> None:
    at, intervals = list(found), list(found.values())
    ax.plot(at, [i.value for i in intervals], color=look["color"], linewidth=0.9, linestyle=linestyle)
    figures.whiskers(ax, at, intervals, **look)
