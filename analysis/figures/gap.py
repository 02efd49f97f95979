"""What gaps between the worlds cost, and what telling the policy its domain mends."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from align.analysis.figures import style as figures
from align.analysis.figures.series import Panel, Series, marks_of

CAPTION = (
    "Gap: a difference between the sim and the real world, 0 none, 1 full. Only panels of visual and physics "
    "gap together have policies that are told which domain they are in. Whiskers: 95 % intervals over "
    "trainings and over trials or held-out episodes"
)


def figure_gap(
    corners: Sequence[Panel], names: Sequence[str], levels: Sequence[Panel], caption: str, title: str = ""
) -> Figure:
    """Success by corner of visual and physics gap, and metrics against the level of each gap alone.

    Args:
        corners: Panels whose points are at the numbers of `names`, with the same names of series.
        names: Of the corners.
        levels: Panels whose series have the same names in the same order.
        caption: Below the figure, before what its marks mean.
        title: Above the figure.
    """
    first = len(corners[0].series)  # looks of the levels go on from there
    rows = -(-(len(corners) + len(levels)) // 2)
    with figures.style():
        figure, axes = figures.canvas(rows, 2, figures.DOUBLE, 2.3 * rows)
        for ax, panel in zip(axes.flat, corners, strict=False):
            for i, series in enumerate(panel.series):
                _points(ax, series, 0.16 * (i - (first - 1) / 2), i)
            ax.set_xticks(range(len(names)), names)
            ax.set(xlabel="Gap", xlim=(-0.5, len(names) - 0.5))
        for ax, panel in zip(axes.flat[len(corners) :], levels, strict=False):
            for i, series in enumerate(panel.series):
                _points(ax, series, 0.012 * (i - 1), first + i, line=True)
            ax.set_xlabel("Level of one gap, the others 0")
        for ax, panel in zip(axes.flat, [*corners, *levels], strict=False):
            ax.set_ylabel(panel.title)
            figures.reference(ax, y=panel.chance)
            figures.reference(ax, y=panel.nothing, dotted=True)
        used = axes.flat[: len(corners) + len(levels)]
        for ax in axes.flat[len(used) :]:
            ax.set_visible(False)
        figures.letter(used)
        notes = CAPTION + marks_of([*corners, *levels])
        text = f"{caption}. {notes}." if caption else f"{notes}."
        figures.finish(figure, title=title, legend=figures.named(used), caption=text)
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
