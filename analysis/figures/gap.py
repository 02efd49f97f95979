"""What gaps between the worlds cost, and what telling the policy its domain mends."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from align.analysis.figures import style as figures
from align.analysis.figures.series import Panel, Series, marks_of

CAPTION = (
    "Gap: a difference between the sim and the real world, 0 none, 1 full. Only (a) has policies that are "
    "told "
    "which domain they are in. Whiskers: 95 % intervals over trainings and over trials or held-out episodes"
)


def figure_gap(
    corners: Panel, names: Sequence[str], levels: Sequence[Panel], caption: str, title: str = ""
) -> Figure:
    """Success by corner of visual and physics gap, and metrics against the level of each gap alone.

    Args:
        corners: Points are at the numbers of `names`.
        names: Of the corners.
        levels: Up to three panels, whose series have the same names in the same order.
        caption: Below the figure, before what its marks mean.
        title: Above the figure.
    """
    first = len(corners.series)  # looks of the levels go on from there
    with figures.style():
        figure, axes = figures.canvas(2, 2, figures.DOUBLE, 4.6)
        left, *others = axes.flat
        for i, series in enumerate(corners.series):
            _points(left, series, 0.16 * (i - (first - 1) / 2), i)
        figures.reference(left, y=corners.nothing, dotted=True)
        left.set_xticks(range(len(names)), names)
        left.set(xlabel="Gap", ylabel=corners.title, xlim=(-0.5, len(names) - 0.5))
        for ax, panel in zip(others, levels, strict=False):
            for i, series in enumerate(panel.series):
                _points(ax, series, 0.012 * (i - 1), first + i, line=True)
            ax.set(xlabel="Level of one gap, the others 0", ylabel=panel.title)
            figures.reference(ax, y=panel.chance)
            figures.reference(ax, y=panel.nothing, dotted=True)
        for ax in others[len(levels) :]:
            ax.set_visible(False)
        figures.letter([ax for ax in axes.flat if ax.get_visible()])
        notes = CAPTION + marks_of([corners, *levels])
        text = f"{caption}. {notes}." if caption else f"{notes}."
        figures.finish(figure, title=title, legend=figures.named(axes.flat), caption=text)
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
