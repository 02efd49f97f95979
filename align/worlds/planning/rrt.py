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


class RrtPlanner:
    """Paths as the tree has them: not shortened and not smoothed, which would take their jaggedness away.

    Args:
        maze: The maze, its walls padded; branches are checked at points, so a corner may be cut by less than
            half `RESOLUTION`.
        kind: One tree, or one from each end.

    Raises:
        InputError: OMPL is not installed.
    """

    def __init__(self, maze: Maze, kind: Kind = "rrt"):
        try:
            from ompl import base, geometric, util
        except ImportError as error:
            raise InputError(
                f"ompl is not installed; expected for planner {kind}: pip install 'align-robotics[planning]'"
            ) from error
        self._base, self._geometric, self._rng = base, geometric, util.RNG
        self._kind, self._maze, self._valid = kind, maze, _validity(maze)
        # OMPL calls it an error to seed again; see `plan` for why that is right here.
        util.setLogLevel(util.LogLevel.LOG_NONE)

    def plan(self, start: np.ndarray, goal: np.ndarray, seed: int) -> np.ndarray | None:
        """A path from `start` to `goal`, (2,) m each, as a polyline (n, 2); None where none was found.

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
            state[0], state[1] = map(float, point)
            ends.append(state)
        setup.setStartAndGoalStates(*ends)
        left = iter(range(MAX_ITERATIONS))
        setup.solve(self._base.PlannerTerminationCondition(lambda: next(left, None) is None))
        if not setup.haveExactSolutionPath():
            return None
        return np.array([[state[0], state[1]] for state in setup.getSolutionPath().getStates()])

    def _setup(self):
        space = self._base.RealVectorStateSpace(2)
        bounds = self._base.RealVectorBounds(2)
        for axis in (0, 1):
            bounds.setLow(axis, float(self._maze.low[axis]))
            bounds.setHigh(axis, float(self._maze.high[axis]))
        space.setBounds(bounds)
        setup = self._geometric.SimpleSetup(space)
        setup.setStateValidityChecker(self._valid)
        information = setup.getSpaceInformation()
        information.setStateValidityCheckingResolution(RESOLUTION / space.getMaximumExtent())
        if self._kind == "rrt":
            planner = self._geometric.RRT(information)
            planner.setGoalBias(GOAL_BIAS)
        else:
            planner = self._geometric.RRTConnect(information)
        planner.setRange(RANGE)
        setup.setPlanner(planner)
        return setup


def _validity(maze: Maze) -> Callable:
    """Whether a state is free, in plain Python: it is called a thousand times a plan, and NumPy is slower."""
    occupied, x, y = maze.occupied.tolist(), maze.x.tolist()[1:-1], maze.y.tolist()[1:-1]

    def valid(state) -> bool:
        return not occupied[bisect_right(x, state[0])][bisect_right(y, state[1])]

    return valid
