"""The numbers that figures of arms are drawn from."""

from collections.abc import Sequence
from dataclasses import dataclass

from align.analysis.statistics.intervals import Interval


@dataclass(frozen=True)
class Point:
    """What was measured of an arm: the estimate with its interval, and that of each training.

    Args:
        interval: The estimate, by itself.
        trainings: Of each of them.
        best: Whether the arm may be the best of those shown, or nothing was asked.
        clear: Whether it differs from the reference, all arms compared at once.
    """

    interval: Interval
    trainings: Sequence[float] = ()
    best: bool = True
    clear: bool = False


@dataclass(frozen=True)
class Series:
    """One metric along an axis.

    Args:
        name: Of the legend; that of a world or a site gives it its look.
        points: Value on the axis, and what was measured there.
    """

    name: str
    points: Sequence[tuple[float, Point]]


@dataclass(frozen=True)
class Panel:
    """Series that share a panel.

    Args:
        title: What is measured.
        series: In the order of the legend.
        chance: What it is where sim and real are alike, if it tells them apart.
        nothing: What it is of a policy that does nothing, if that is known.
    """

    title: str
    series: Sequence[Series]
    chance: float | None = None
    nothing: float | None = None


def marks_of(panels: Sequence[Panel]) -> str:
    """What a caption says of marks that only some figures have."""
    points = [point for panel in panels for series in panel.series for _, point in series.points]
    text = "; small, hollow: single trainings" if any(len(p.trainings) > 1 for p in points) else ""
    text += "; dashed: sim and real cannot be told apart" if any(p.chance is not None for p in panels) else ""
    return text + (
        "; dotted, black, of the score: doing nothing" if any(p.nothing is not None for p in panels) else ""
    )
