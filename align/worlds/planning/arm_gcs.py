"""Smooth plans of the arm: shortest paths in a graph of its convex regions."""

import itertools
from collections.abc import Sequence

import numpy as np

from align.errors import InputError
from align.worlds.planning.arm_regions import Region, contains
from align.worlds.planning.gcs import RegionPlanner


class ArmGcs(RegionPlanner):
    """Bézier paths through regions that are probably nearly free: whoever asks for a plan checks it.

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
                "drake is not installed; expected for planner gcs: pip install 'align-robotics[planning]'"
            ) from error
        self._shapes = list(regions)
        sets = [HPolyhedron(A, b) for A, b in regions]
        pairs = [
            (i, j) for i, j in itertools.combinations(range(len(sets)), 2) if sets[i].IntersectsWith(sets[j])
        ]
        super().__init__(sets, [*pairs, *((j, i) for i, j in pairs)], paths=3, trials=30)

    def covers(self, q: np.ndarray) -> np.ndarray:
        """Whether configurations (..., 7), rad, lie in a region, as ends of a plan do; (...) bool."""
        return np.any([contains(region, q) for region in self._shapes], axis=0)
