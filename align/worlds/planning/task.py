"""The planning task: its queries, and the motion along a plan that every planner shares.

The numbers are those of Ambient Diffusion Policy (arXiv 2606.12365): motion at 1 m/s or less, sampled at
10 Hz, walls thickened by 0.1 m for the planners.
"""

import numpy as np

from align.worlds.planning.maze import Maze

RATE = 10.0
"""Control steps a second."""
SPEED = 1.0
"""Largest speed, m/s."""
PADDING = 0.1
"""By how much planners keep off the walls, m."""
FAR = 1.5
"""Least distance between start and goal of a query, m."""
TOLERANCE = 0.15
"""Distance to the goal at which it is reached, m."""
SECONDS = 30.0
"""Time in which it must be reached."""


def sample_query(padded: Maze, rng: np.random.Generator) -> np.ndarray:
    """A start and a goal at least `FAR` apart, uniform in the free space of `padded`; (2, 2) m."""
    while True:
        start, goal = padded.sample(rng), padded.sample(rng)
        if np.linalg.norm(goal - start) >= FAR:
            return np.stack([start, goal])


def waypoints(path: np.ndarray, step: float = SPEED / RATE) -> np.ndarray:
    """Points at equal distances along a path, the ends included: motion along it at constant speed.

    The speed a planner gave its path is dropped. Planners differ in where they go, and paths of a graph of
    convex sets pause at region borders and at either end, which would look like jaggedness.

    Args:
        path: (n, 2) polyline, m.
        step: Largest distance from one point to the next, m.

    Returns:
        (T, 2) with T - 1 the least number of steps no longer than `step` along the path.
    """
    path = np.asarray(path, float)
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))])
    steps = max(int(np.ceil(along[-1] / step - 1e-9)), 1)
    at = np.linspace(0, along[-1], steps + 1)
    return np.stack([np.interp(at, along, values) for values in path.T], axis=1)
