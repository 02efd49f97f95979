"""What gaps between the worlds cost, and what telling the policy its domain mends."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from align.analysis.figures import style as figures
from align.analysis.figures.series import Panel, Series


def figure_gap(corners: Panel, names: Sequence[str], levels: Sequence[Panel], caption: str) -> Figure:
    """Success by corner of visual and physics gap, and metrics against the level of each gap alone.

    Args:
        corners: Points are at the numbers of `names`.
        names: Of the corners.
        levels: Up to three panels, whose series have the same names in the same order.
        caption: Below the figure.
    """
    first = len(corners.series)  # looks of the levels go on from there
    with figures.style():
        figure, axes = figures.canvas(2, 2, figures.DOUBLE, 4.6)
        left, *others = axes.flat
        for i, series in enumerate(corners.series):
            _points(left, series, 0.16 * (i - (first - 1) / 2), i)
        left.set_xticks(range(len(names)), names)
        left.set(xlabel="Gap", ylabel=corners.title, xlim=(-0.5, len(names) - 0.5))
        figures.legend_above(left, columns=1)
        for ax, panel in zip(others, levels, strict=False):
            for i, series in enumerate(panel.series):
                _points(ax, series, 0.012 * (i - 1), first + i, line=True)
            ax.set(xlabel="Level of one gap, the others 0 (not told its domain)", ylabel=panel.title)
            figures.reference(ax, y=panel.chance)
        figures.legend_above(others[0])
        for ax in others[len(levels) :]:
            ax.set_visible(False)
        figures.letter([ax for ax in axes.flat if ax.get_visible()])
        figure.supxlabel(caption, fontsize=7, color=figures.GREY)
    return figure


def _points(ax: Axes, series: Series, shift: float, number: int, line: bool = False) -> None:
    """A series, moved a little to the right, with the look of that number."""
    if series.points:
        look = figures.look(number)
        at = [x + shift for x, _ in series.points]
        figures.whiskers(ax, at, [p.interval for _, p in series.points], label=series.name, **look)
        if line:
            heights = [p.interval.value for _, p in series.points]
            ax.plot(at, heights, color=look["color"], linewidth=0.9)
