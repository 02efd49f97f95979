"""The numbers that figures of arms are drawn from."""

from collections.abc import Sequence
from dataclasses import dataclass

from align.analysis.statistics.intervals import Interval


@dataclass(frozen=True)
class Point:
    """What was measured of an arm: the estimate with its interval, and that of each training."""

    interval: Interval
    trainings: Sequence[float] = ()


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
    """

    title: str
    series: Sequence[Series]
    chance: float | None = None
