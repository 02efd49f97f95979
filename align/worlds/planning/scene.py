"""What a planning world shows of itself: rectangles to draw it from, and what paths can go round.

Whoever draws or compares paths asks a scene, and need not know which world it is. A new world's scene has
`views` and `islands`, and is named in `SCENES` of `align.worlds.planning.scenes`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np


def _nothing() -> np.ndarray:
    return np.zeros((0, 2, 2))


@dataclass(frozen=True)
class View:
    """A scene in the plane, to scale, as it is drawn.

    Args:
        low, high: (2,) corners of what is shown.
        project: Takes a path (T, D) to where it is seen, (T, 2).
        solid: (R, 2, 2) low and high corners of rectangles that are obstacles, drawn as such.
        behind: (S, 2, 2) those of what is before or behind the paths, drawn fainter and below.
        marks: (K, 2) points of note, such as a robot's base.
        axes: What lies across and up, with units; None where coordinates mean nothing to a reader.
    """

    low: np.ndarray
    high: np.ndarray
    project: Callable[[np.ndarray], np.ndarray]
    solid: np.ndarray = field(default_factory=_nothing)
    behind: np.ndarray = field(default_factory=_nothing)
    marks: np.ndarray = field(default_factory=lambda: np.zeros((0, 2)))
    axes: tuple[str, str] | None = None

    @property
    def aspect(self) -> float:
        """Height over width."""
        width, height = np.subtract(self.high, self.low)
        return float(height / width)


class Scene(Protocol):
    """Where plans are made and policies move."""

    @property
    def islands(self) -> np.ndarray | None:
        """A point in each obstacle that one can go round, (K, 2); None where ways are not told apart so."""

    def views(self, paths: Sequence[np.ndarray]) -> tuple[View, ...]:
        """The scene from one side or several, each large enough for all `paths` (T, D)."""
