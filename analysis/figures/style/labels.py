"""Letters of panels, and names of points where there is room for them."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.lines import AxLine, Line2D
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from align.analysis.figures.style.looks import GREY

SIZE = 5.5  # of the font of points' names
NEAR, FAR = 5.0, 30.0  # points between a point and its name, tried one after the other


def letter(axes: Sequence[Axes]) -> None:
    """Number panels a, b, c, ... in front of their titles."""
    for i, ax in enumerate(axes):
        title = ax.get_title(loc="left")
        ax.set_title(f"({chr(97 + i)}) {title}".rstrip(), loc="left")


def name_points(ax: Axes, points: Mapping[int, tuple[float, float]], names: Mapping[int, str]) -> None:
    """Write names beside some points of a panel that is laid out, each where it covers nothing.

    A name is nearer to its own point than to any other. One for which there is no room is left out: the
    legend has it.

    Args:
        ax: With all its data, after `finish`.
        points: (x, y) of every point by number.
        names: Of some of them, the most important first.
    """
    figure = ax.get_figure(root=True)
    renderer, scale = figure.canvas.get_renderer(), figure.dpi / 72
    at = {i: ax.transData.transform(point) for i, point in points.items()}
    taken = [(*(xy - 2.5 * scale), *(xy + 2.5 * scale)) for xy in at.values()]
    taken += [text.get_window_extent(renderer).extents for text in ax.texts]
    drawn = [xy for line in ax.lines for xy in _along(line)]
    drawn += [xy for lines in ax.collections if isinstance(lines, LineCollection) for xy in _whiskers(lines)]
    taken += [(*(xy - 1.5 * scale), *(xy + 1.5 * scale)) for xy in drawn]
    inside = ax.get_window_extent(renderer)
    for i, name in names.items():
        text = ax.annotate(
            name, points[i], (0, 0), textcoords="offset points", fontsize=SIZE, ha="center", va="center",
            arrowprops={"arrowstyle": "-", "linewidth": 0.3, "color": GREY, "shrinkA": 0, "shrinkB": 2},
            zorder=4,
        )  # fmt: skip
        text.set_in_layout(False)
        box = Text.get_window_extent(text, renderer)  # an annotation's own has the line to its point
        half, boxes = np.array([box.width, box.height]) / 2, np.array(taken)
        for offset in _around(half / scale):
            middle = at[i] + offset * scale
            box = Bbox.from_extents(*(middle - half), *(middle + half))
            fits = inside.x0 <= box.x0 and box.x1 <= inside.x1 and inside.y0 <= box.y0 and box.y1 <= inside.y1
            away = {k: _distance(box, xy) for k, xy in at.items()}
            fits = fits and away[i] <= min(away.values()) + 0.5 * scale
            if fits and not _overlaps(box, boxes).any():
                text.set_position(tuple(offset))
                taken.append(tuple(box.padded(scale).extents))
                break
        else:
            text.remove()


def _overlaps(box: Bbox, others: np.ndarray) -> np.ndarray:
    """Which of other boxes (n, 4), by their x0, y0, x1 and y1, it overlaps."""
    x0, y0, x1, y1 = others.T
    return (x0 <= box.x1) & (x1 >= box.x0) & (y0 <= box.y1) & (y1 >= box.y0)


def _along(line: Line2D) -> np.ndarray:
    """Positions (n, 2) in pixels along a line of the panel."""
    xy = line.get_xydata()
    if line.get_linestyle() == "None" or isinstance(line, AxLine) or len(xy) < 2:
        return np.empty((0, 2))
    return _between(line.get_transform().transform(xy))


def _whiskers(lines: LineCollection) -> np.ndarray:
    """Positions (n, 2) in pixels along the lines of a collection."""
    found = [_between(lines.get_transform().transform(xy)) for xy in lines.get_segments() if len(xy) > 1]
    return np.concatenate(found) if found else np.empty((0, 2))


def _between(xy: np.ndarray) -> np.ndarray:
    """Positions along the straight parts of a line of corners (n, 2)."""
    at = np.linspace(0, len(xy) - 1, 40 * (len(xy) - 1) + 1)
    return np.column_stack([np.interp(at, np.arange(len(xy)), column) for column in xy.T])


def _distance(box: Bbox, xy: np.ndarray) -> float:
    """How far a point is from a box, in pixels."""
    return float(np.hypot(*np.maximum(np.maximum(box.min - xy, xy - box.max), 0)))


def _around(half: np.ndarray) -> list[np.ndarray]:
    """Where the middle of a name of that half size may be from its point, in points, the nearest first."""
    directions = [(1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1)]
    return [
        np.array(direction) * (half + distance)
        for distance in np.linspace(NEAR, FAR, 6)
        for direction in directions
    ]
