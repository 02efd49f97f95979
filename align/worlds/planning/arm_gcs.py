"""Smooth plans of the arm: a shortest path in a graph of its convex regions, and a smooth curve along it."""

import itertools
from collections.abc import Sequence

import numpy as np

from align.errors import InputError
from align.worlds.planning.arm_regions import Region, contains
from align.worlds.planning.gcs import RegionPlanner

OVERLAP = 0.02
"""Least radius of a ball in the intersection of two regions between which paths may pass, rad."""


class ArmGcs:
    """Bézier paths through regions that are probably nearly free: whoever asks for a plan checks it.

    Which regions a path leads through is decided by a graph of convex sets over polylines, of least length;
    the path is then the smoothest of order 5 through these, a convex restriction. To decide on the regions
    and the curve together, as in the maze, takes ten times as long in seven dimensions.

    Args:
        regions: See `align.worlds.planning.arm_regions`.

    Raises:
        InputError: Drake is not installed.
    """

    def __init__(self, regions: Sequence[Region]):
        try:
            from pydrake.geometry.optimization import HPolyhedron
        except ImportError as error:
            raise InputError(
                "drake is not installed; expected for planner gcs: pip install -e '.[planning]' in a checkout"
            ) from error
        self._shapes = list(regions)
        sets = [HPolyhedron(A, b) for A, b in regions]
        edges = [
            edge
            for i, j in itertools.combinations(range(len(sets)), 2)
            if sets[i].IntersectsWith(sets[j]) and _radius(sets[i].Intersection(sets[j])) > OVERLAP
            for edge in ((i, j), (j, i))
        ]
        self._shortest = RegionPlanner(sets, edges, order=1, paths=3, trials=30)
        self._smooth = RegionPlanner(sets, edges)

    def plan(self, start: np.ndarray, goal: np.ndarray, seed: int) -> np.ndarray | None:
        """A path from `start` to `goal`, (7,) rad each, as a dense polyline (n, 7); None where none is found.

        Args:
            start, goal: Configurations that regions cover.
            seed: Of the rounding.
        """
        sequence = self._shortest.sequence(start, goal, seed)
        return None if sequence is None else self._smooth.along(start, goal, sequence)

    def covers(self, q: np.ndarray) -> np.ndarray:
        """Whether configurations (..., 7), rad, lie in a region, as ends of a plan do; (...) bool."""
        return np.any([contains(region, q) for region in self._shapes], axis=0)


def _radius(region) -> float:
    """Radius of the largest ball in one of Drake's polyhedra."""
    slack = region.b() - region.A() @ region.ChebyshevCenter()
    return float((slack / np.linalg.norm(region.A(), axis=1)).min())
