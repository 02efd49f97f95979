"""Jagged plans of the arm: RRT-Connect in joint space, and paths shortened where they are to be spanned."""

import numpy as np

from align.worlds.planning.arm import JOINTS, Arm
from align.worlds.planning.rrt import TreePlanner

RANGE = 0.3
"""Longest branch of a tree, rad."""
RESOLUTION = 0.02
"""Distance between the configurations of a branch that are checked, rad."""


class ArmRrt(TreePlanner):
    """Paths of RRT-Connect as the trees have them: not shortened, not smoothed.

    Args:
        robot: The arm, padded; branches are checked at configurations `RESOLUTION` apart.

    Raises:
        InputError: OMPL is not installed.
    """

    def __init__(self, robot: Arm):
        def valid(state) -> bool:
            return robot.checker.CheckConfigCollisionFree([state[k] for k in range(JOINTS)])

        super().__init__(robot.low, robot.high, valid, "rrt-connect", RANGE, RESOLUTION)


PAIRS = 100  # of corners that `shortened` tries


def shortened(robot: Arm, path: np.ndarray, rng: np.random.Generator, resolution: float) -> np.ndarray:
    """A path of fewer pieces: random pairs of its corners are joined by a straight motion where it is free.

    Args:
        robot: What must be free.
        path: (n, 7) corners, rad.
        rng: Draws the pairs.
        resolution: Of the check; see `Arm.segments_free`.

    Returns:
        (m, 7) with m at most n, the ends unchanged.
    """
    for _ in range(PAIRS):
        if len(path) < 3:
            break
        i, j = np.sort(rng.choice(len(path), 2, replace=False))
        if j - i > 1 and robot.segments_free(path[i : i + 1], path[j : j + 1], resolution)[0]:
            path = np.concatenate([path[: i + 1], path[j:]])
    return path
