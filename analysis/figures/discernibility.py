"""Success against how well sim and real can be told apart."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from align.analysis.figures import style as figures
from align.analysis.statistics.intervals import Interval


@dataclass(frozen=True)
class Scatter:
    """Arms in one panel.

    Args:
        title: What tells sim from real, and where.
        chance: What it is where they are alike.
        points: By the arm's number from 0, what tells sim from real, and success.
    """

    title: str
    chance: float
    points: Mapping[int, tuple[Interval, Interval]]


def figure_discernibility(
    arms: Sequence[str],
    panels: Sequence[Sequence[Scatter]],
    success: str,
    reference: int | None,
    caption: str,
) -> Figure:
    """Success upwards, discernibility to the right: an arm a point with 95 % intervals on both axes.

    Args:
        arms: Their labels; numbers beside points are those of the legend.
        panels: (rows, columns), a statistic a row and a site a column.
        success: What success is called.
        reference: Number of the arm whose success is a band, if all are compared with one.
        caption: Above the figure.
    """
    with figures.style():
        height = 0.6 + 2.0 * len(panels) + 0.16 * -(-len(arms) // 4)
        figure, axes = figures.canvas(len(panels), len(panels[0]), figures.DOUBLE, height, sharey=True)
        for line, row in zip(axes, panels, strict=True):
            for ax, panel in zip(line, row, strict=True):
                _scatter(ax, panel, arms, reference)
            line[0].set_ylabel(success)
        low, high = axes[0, 0].get_ylim()
        if high - low < 1e-6:  # no arm ever scored, say
            axes[0, 0].set_ylim(low - 0.05, high + 0.05)
        for line, row in zip(axes, panels, strict=True):  # they share an axis: not before all are drawn
            for ax, panel in zip(line, row, strict=True):
                at = {i + 1: (x.value, y.value) for i, (x, y) in panel.points.items()}
                figures.number_points(ax, at)
        figures.letter(axes.flat)
        handles = {
            label: h for ax in axes[0] for h, label in zip(*ax.get_legend_handles_labels(), strict=True)
        }
        figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=4)
        figure.suptitle(caption, fontsize=7, color=figures.GREY, x=0.99, ha="right")
    return figure


def _scatter(ax: Axes, panel: Scatter, arms: Sequence[str], reference: int | None) -> None:
    for i, (x, y) in panel.points.items():
        look = figures.look(i)
        look |= {"ecolor": (look["color"], 0.35), "elinewidth": 0.7, "capsize": 0}  # many arms lie close
        if i == reference:
            figures.band(ax, y, look["color"])
        figures.whiskers(ax, [x.value], [y], **look, label=f"{i + 1} {arms[i]}")
        figures.whiskers(ax, [y.value], [x], horizontal=True, **look)
    figures.reference(ax, x=panel.chance)
    ax.set_xlabel(panel.title)
