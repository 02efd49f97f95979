"""Held-out denoising loss of arms over that of what they are compared with."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from align.analysis.figures import style as figures
from align.analysis.statistics.intervals import Interval

CAPTION = (
    "Denoising loss on held-out episodes at the end of training, over that of the training of the same seed "
    "that it is compared with (dashed: the same). Small: single trainings; whiskers: 95 % intervals of "
    "their geometric mean"
)
BUDGET = "; tick: the budget, what the loss was allowed to be"
EDGE = 2.0  # what lies beyond it, or its inverse, is drawn there
BEYOND = "; arrows: what lies beyond the edge, of a mean with its number"
TICKS = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.2, 1.4, 1.6, 1.8, 2.0)
LOGARITHMIC = 1.5  # from so many times between the ends the axis is one


@dataclass(frozen=True)
class Loss:
    """An arm.

    Args:
        arm: Its label.
        ratio: Geometric mean of the ratios; its ends may be NaN.
        trainings: The ratio of each.
        allowed: The largest ratio that a budget allows, if there is one.
    """

    arm: str
    ratio: Interval
    trainings: Sequence[float]
    allowed: float | None = None


def figure_held_out_loss(losses: Sequence[Loss], reference: str, title: str = "") -> Figure:
    """A row an arm, the first on top.

    Args:
        losses: Of each arm but the references.
        reference: What each is compared with.
        title: Above the figure.
    """
    rows = np.arange(len(losses))[::-1]
    names = [figures.wrap(loss.arm, 7, 2.4) for loss in losses]
    height = 0.08 + 0.12 * max(name.count("\n") + 1 for name in names)  # inches a row
    with figures.style():
        figure, axes = figures.canvas(1, 1, figures.DOUBLE, 0.8 + height * max(2, len(losses)))
        ax = axes[0, 0]
        for y, loss in zip(rows, losses, strict=True):
            _draw(ax, y, loss)
            if loss.allowed is not None:
                ax.plot([loss.allowed] * 2, [y - 0.35, y + 0.35], color=figures.VERMILION, linewidth=1.2)
        low, high = ax.dataLim.intervalx
        if high / low > LOGARITHMIC:
            ax.set_xscale("log")
            ax.xaxis.set_major_locator(FixedLocator(TICKS))
            ax.xaxis.set_minor_locator(NullLocator())
        else:
            ax.xaxis.set_major_locator(MaxNLocator(8, steps=[1, 2, 5, 10]))
        ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
        figures.reference(ax, x=1)
        ax.set(yticks=rows, ylim=(-0.6, len(losses) - 0.4))
        ax.set_yticklabels(names)
        ax.set_xlabel(figures.wrap(f"held-out denoising loss over that of {reference}", 8, 5.0))
        notes = CAPTION + (BUDGET if any(loss.allowed is not None for loss in losses) else "")
        notes += BEYOND if any(_beyond(loss) for loss in losses) else ""
        figures.finish(figure, title=title, caption=f"{notes}.")
    return figure


def _inside(ratio: float) -> bool:
    return 1 / EDGE <= ratio <= EDGE


def _beyond(loss: Loss) -> bool:
    return any(not _inside(x) for x in (*loss.ratio, *loss.trainings) if np.isfinite(x))


def _draw(ax: Axes, y: float, loss: Loss) -> None:
    """An arm's trainings and their mean; arrows at the edge for what lies beyond."""
    look, mean = figures.look(0), loss.ratio.value
    arrow = {"color": look["color"], "linestyle": "none", "clip_on": False, "markersize": 5}
    for values, face in ((loss.trainings, "white"), (loss.ratio[1:], look["color"])):
        ends = {
            (EDGE, ">") if x > 1 else (1 / EDGE, "<") for x in values if np.isfinite(x) and not _inside(x)
        }
        for at, marker in ends:
            ax.plot([at], [y], marker=marker, markerfacecolor=face, **arrow)
    figures.trainings(ax, y, [x for x in loss.trainings if _inside(x)], look["color"], horizontal=True)
    if _inside(mean):
        value, low, high = np.clip(loss.ratio, 1 / EDGE, EDGE)
        cut = {"capsize": 0} if (low, high) != loss.ratio[1:] else {}
        figures.whiskers(ax, [y], [Interval(value, low, high)], horizontal=True, **look | cut)
        return
    at, marker, side = (EDGE, ">", "right") if mean > 1 else (1 / EDGE, "<", "left")
    ax.plot([at], [y], marker=marker, **arrow)
    offset = (-6 if side == "right" else 6, 0)
    style = {"ha": side, "va": "center", "fontsize": 7, "textcoords": "offset points"}
    ax.annotate(f"{mean:.2g} ×", (at, y), offset, **style)
