"""What a figure shows, read from its artists."""

from typing import NamedTuple

from matplotlib.axes import Axes

from align.analysis.figures.style import BLACK
from align.analysis.figures.style.marks import DASHED, DOTTED


class Whisker(NamedTuple):
    """An estimate with its interval, as drawn."""

    label: str
    colour: str
    marker: str
    x: float
    y: float
    low: float  # of the interval, on the axis that it runs along
    high: float


def whiskers(ax: Axes, horizontal: bool = False) -> list[Whisker]:
    """The estimates of a panel whose intervals run along y, or along x."""
    found = []
    for container in ax.containers:
        line, _, bars = container.lines
        if container.has_xerr is horizontal:
            look = container.get_label(), line.get_color(), line.get_marker()
            for at, ends in zip(line.get_xydata(), bars[0].get_segments(), strict=True):
                axis = 0 if horizontal else 1
                found.append(Whisker(*look, *map(float, (*at, ends[0][axis], ends[1][axis]))))
    return found


def references(ax: Axes) -> tuple[list[float], list[float]]:
    """Where black dashed lines cross the panel: their x, and their y."""
    return _across(ax, DASHED)


def dotted(ax: Axes) -> tuple[list[float], list[float]]:
    """Where black dotted lines, of a policy that does nothing, cross the panel: their x, and their y."""
    return _across(ax, DOTTED)


def _across(ax: Axes, dashes: tuple) -> tuple[list[float], list[float]]:
    found = [line for line in ax.lines if (line._unscaled_dash_pattern, line.get_color()) == (dashes, BLACK)]
    x = [float(line.get_xdata()[0]) for line in found if line.get_xdata()[0] == line.get_xdata()[1]]
    y = [float(line.get_ydata()[0]) for line in found if line.get_ydata()[0] == line.get_ydata()[1]]
    return x, y


def curves(ax: Axes) -> dict[str, list[tuple[float, float]]]:
    """Solid lines of a panel by their colour: the points that they join, in order."""
    solid = [line for line in ax.lines if line.get_linestyle() == "-" and len(line.get_xdata()) > 1]
    return {line.get_color(): [tuple(map(float, at)) for at in line.get_xydata()] for line in solid}
