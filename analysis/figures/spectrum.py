"""The spectrum of rollouts' velocity beside that of plans: at which scale a motion is jagged."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from align.analysis.figures import style as figures

PLANS = ((figures.BLACK, 1.0), (figures.GREY, 1.0), (figures.GREY, 0.7))
"""Colour and opacity of plans: those for the same queries first, then those that were learnt from."""


COLUMNS = 3  # panels a row
CAPTION = (
    "Mean power of the velocity of successful rollouts by cycles a path: jagged motion has more of it at "
    "the right. "
    "A panel holds arms of one kind, and the plans, dashed; grey: all other arms."
)


def figure_spectrum(
    plans: Mapping[str, np.ndarray],
    arms: Mapping[str, np.ndarray | None],
    title: str = "",
    families: Sequence[str] | None = None,
) -> Figure:
    """Power against frequency, a panel a family of arms: plans dashed, arms over them.

    Args:
        plans: By name, the power at 0, 1, 2, ... cycles a path (K,), as `velocity_spectrum` returns it; the
            first is what rollouts are compared with.
        arms: The same of each arm of the sweep, in its order; None where no rollout succeeded.
        title: Above the figure.
        families: That of each arm; by default by their names.
    """
    family = dict(zip(arms, families or figures.families(list(arms)), strict=True))
    looks = dict(zip(arms, figures.arm_looks(list(family.values())), strict=True))
    known = {name: power for name, power in arms.items() if power is not None}
    panels = list(dict.fromkeys(family[name] for name in known)) or [""]
    columns = min(COLUMNS, len(panels))
    rows = -(-len(panels) // columns)
    with figures.style():
        figure, axes = figures.canvas(
            rows, columns, figures.DOUBLE, max(2.0 * rows, 2.6), sharex=True, sharey=True
        )
        for ax, shown in zip(axes.flat, panels, strict=False):
            for name, power in known.items():
                if family[name] == shown:
                    _curve(ax, power, label=name, **looks[name], linewidth=1.0, markersize=2.5, markevery=3)
                else:
                    _curve(ax, power, color="#D8D8D8", linewidth=0.6, zorder=1)
            for (name, power), (colour, alpha) in zip(plans.items(), PLANS, strict=False):
                _curve(ax, power, label=name, color=colour, alpha=alpha, linestyle=(0, (4, 2)), linewidth=1.2)
            ax.set(xscale="log", yscale="log")
        for ax in axes.flat[len(panels) :]:
            ax.set_visible(False)
        for ax in axes.flat[max(0, len(panels) - columns) : len(panels)]:
            ax.set_xlabel("Cycles a path")
            ax.tick_params(labelbottom=True)
        for ax in axes[:, 0]:
            ax.set_ylabel("Power of the velocity")
        if len(panels) > 1:
            figures.letter(axes.flat[: len(panels)])
        labels = list(arms)
        legend = figures.by_family(
            figures.named(axes.flat), labels, [family[n] for n in labels], [looks[n] for n in labels]
        )
        figures.finish(figure, title=title, legend=legend, caption=CAPTION)
    return figure


def _curve(ax, power: np.ndarray, **look) -> None:
    """All but the mean velocity, which a log axis has no place for."""
    ax.plot(np.arange(1, len(power)), power[1:], **look)
