"""Jagged plans: rapidly-exploring random trees, of one root (RRT) or two (RRT-Connect), computed by OMPL."""

from bisect import bisect_right
from collections.abc import Callable
from typing import Literal

import numpy as np

from align.errors import InputError
from align.worlds.planning.maze import Maze

RANGE = 0.3
"""Longest branch of a tree, m."""
RESOLUTION = 0.01
"""Distance between the points of a branch that are checked, m."""
GOAL_BIAS = 0.05
MAX_ITERATIONS = 100_000

Kind = Literal["rrt", "rrt-connect"]


class TreePlanner:
    """Paths as the tree has them: not shortened and not smoothed, which would take their jaggedness away.

    Args:
        low, high: Corners of the space, (D,) each.
        valid: Whether a state, indexed from 0 to D - 1, is free.
        kind: One tree, or one from each end.
        reach: Longest branch of a tree.
        resolution: Distance between the states of a branch that are checked.

    Raises:
        InputError: OMPL is not installed.
    """

    def __init__(
        self, low: np.ndarray, high: np.ndarray, valid: Callable, kind: Kind, reach: float, resolution: float
    ):
        try:
            from ompl import base, geometric, util
        except ImportError as error:
            raise InputError(
                f"ompl is not installed; expected for planner {kind}: "
                "pip install -e '.[planning]' in a checkout"
            ) from error
        self._base, self._geometric, self._rng = base, geometric, util.RNG
        self._low, self._high, self._valid = low, high, valid
        self._kind, self._reach, self._resolution = kind, reach, resolution
        # OMPL calls it an error to seed again; see `plan` for why that is right here.
        util.setLogLevel(util.LogLevel.LOG_NONE)

    def plan(self, start: np.ndarray, goal: np.ndarray, seed: int) -> np.ndarray | None:
        """A path from `start` to `goal`, (D,) each, as a polyline (n, D); None where none was found.

        The same for the same query and seed: OMPL's one global seed numbers the generators made after it is
        set, so it is set before every plan and all that draws is made anew. The search stops after a number
        of iterations, not after a time.

        Args:
            start, goal: Points of the free space.
            seed: A positive integer below 2^32.
        """
        self._rng.setSeed(seed)
        setup = self._setup()
        ends = []
        for point in (start, goal):
            state = setup.getStateSpace().allocState()
            for axis, value in enumerate(point):
                state[axis] = float(value)
            ends.append(state)
        setup.setStartAndGoalStates(*ends)
        left = iter(range(MAX_ITERATIONS))
        setup.solve(self._base.PlannerTerminationCondition(lambda: next(left, None) is None))
        if not setup.haveExactSolutionPath():
            return None
        axes = range(len(self._low))
        return np.array([[state[k] for k in axes] for state in setup.getSolutionPath().getStates()])

    def _setup(self):
        space = self._base.RealVectorStateSpace(len(self._low))
        bounds = self._base.RealVectorBounds(len(self._low))
        for axis, (low, high) in enumerate(zip(self._low, self._high, strict=True)):
            bounds.setLow(axis, float(low))
            bounds.setHigh(axis, float(high))
        space.setBounds(bounds)
        setup = self._geometric.SimpleSetup(space)
        setup.setStateValidityChecker(self._valid)
        information = setup.getSpaceInformation()
        information.setStateValidityCheckingResolution(self._resolution / space.getMaximumExtent())
        if self._kind == "rrt":
            planner = self._geometric.RRT(information)
            planner.setGoalBias(GOAL_BIAS)
        else:
            planner = self._geometric.RRTConnect(information)
        planner.setRange(self._reach)
        setup.setPlanner(planner)
        return setup


class RrtPlanner(TreePlanner):
    """Jagged plans in a maze.

    Args:
        maze: The maze, its walls padded; branches are checked at points, so a corner may be cut by less than
            half `RESOLUTION`.
        kind: One tree, or one from each end.

    Raises:
        InputError: OMPL is not installed.
    """

    def __init__(self, maze: Maze, kind: Kind = "rrt"):
        super().__init__(maze.low, maze.high, _validity(maze), kind, RANGE, RESOLUTION)


def _validity(maze: Maze) -> Callable:
    """Whether a state is free, in plain Python: it is called a thousand times a plan, and NumPy is slower."""
    occupied, x, y = maze.occupied.tolist(), maze.x.tolist()[1:-1], maze.y.tolist()[1:-1]

    def valid(state) -> bool:
        return not occupied[bisect_right(x, state[0])][bisect_right(y, state[1])]

    return valid
