"""Plans as demonstrations: the same queries for every planner, each plan checked as it is stored."""

import functools
from collections.abc import Iterable
from typing import Literal

import numpy as np

from align.domain import Domain
from align.errors import InputError
from align.seeding import numpy_rng
from align.worlds.planning.gcs import GcsPlanner
from align.worlds.planning.maze import Maze, MazeSpec
from align.worlds.planning.rrt import RrtPlanner
from align.worlds.planning.task import PADDING, RATE, SPEED, sample_query, waypoints
from align.worlds.planning.trials import query_rng
from align.worlds.recording import Recording

PAUSE = 10
"""Control steps at the goal at the end of an episode, from which a policy learns to stay there."""

PlannerName = Literal["gcs", "rrt", "rrt-connect"]
TITLES = {"gcs": "GCS", "rrt": "RRT", "rrt-connect": "RRT-Connect"}
"""The planners' names as they are written."""
DOMAIN = {"gcs": Domain.REAL, "rrt": Domain.SIM, "rrt-connect": Domain.SIM}
"""What plans stand for: smooth ones are few and clean, jagged ones many and corrupt."""


def record(
    maze: MazeSpec,
    planner: PlannerName,
    n: int,
    seed: int = 0,
    repeats: int = 1,
    jobs: int = 1,
    first_trial: int | None = None,
) -> Recording:
    """Plans in a maze as demonstrations, the same ones in the same order whatever `jobs` is.

    Attempt i is a function of (seed, i); its query, i // repeats, is the same for every planner, or that of a
    trial of rollouts. A plan is kept if the polyline of its waypoints, resampled and rounded as they are
    stored, is off the walls; others are replaced by the next attempts.

    Args:
        maze: The maze.
        planner: "gcs" (smooth), "rrt" or "rrt-connect" (jagged).
        n: How many plans.
        seed: Of queries and planners.
        repeats: How often each query is planned for, e.g. to see how much the plans of one query differ.
        jobs: Processes.
        first_trial: Seed of a trial of rollouts: then query k is that of the k-th trial from this one on,
            whatever `seed` is (in worlds that repeat queries: that of seed first_trial · repeats).

    Returns:
        An iterator of episodes (see `episode`), with an attribute `reasons`: how many were rejected, and why.

    Raises:
        InputError: An argument is out of range, or the planner is not installed.
    """
    check_record(planner, seed, repeats, first_trial, DOMAIN)
    scene(maze), _planner(maze, planner)  # what is wrong with them is said here, not by another process
    attempt = functools.partial(_attempt, maze, planner, seed, repeats, first_trial)
    return Recording(attempt, n, jobs, f"a maze in which {planner} finds its way")


def check_record(
    planner: str, seed: int, repeats: int, first_trial: int | None, planners: Iterable[str]
) -> None:
    """Raise an `InputError` if an argument of `record` is out of range."""
    if planner not in planners:
        raise InputError(f"planner={planner!r}: expected one of {', '.join(planners)}")
    if not isinstance(seed, int) or seed < 0:
        raise InputError(f"seed={seed!r}: expected a non-negative integer")
    if not isinstance(repeats, int) or repeats < 1:
        raise InputError(f"repeats={repeats!r}: expected a positive integer")
    if first_trial is not None and (not isinstance(first_trial, int) or first_trial < 0):
        raise InputError(f"first_trial={first_trial!r}: expected the seed of a trial, 0 or more, or null")


def query_of(name: str, seed: int, query: int, first_trial: int | None) -> np.random.Generator:
    """What query number `query` of a recording is drawn by; `name` tells those of other scenes apart."""
    return numpy_rng(seed, name, query) if first_trial is None else query_rng(first_trial + query)


@functools.lru_cache(maxsize=8)
def scene(spec: MazeSpec) -> tuple[Maze, Maze]:
    """The maze, and the maze as planners see it: with thicker walls.

    Raises:
        InputError: Nothing is left between the thicker walls.
    """
    maze = spec.maze()
    if spec.cell - spec.wall <= 2 * PADDING:
        raise InputError(
            f"wall={spec.wall!r}, cell={spec.cell!r}: expected cell - wall above {2 * PADDING:g} m, "
            f"since planners keep {PADDING:g} m off the walls"
        )
    return maze, maze.padded(PADDING)


def episode(points: np.ndarray) -> dict[str, np.ndarray]:
    """Waypoints, one a control step, as what a policy senses and does along them, and then at rest.

    Args:
        points: (n, D) waypoints; the last is the goal.

    Returns:
        agent_pos (T, 2 D): position and goal, which is all that a policy senses; state (T, 2 D): the same,
        which is all there is; action (T, D): the next waypoint; float32, with T = n - 1 + PAUSE.
    """
    points = np.concatenate([points, np.repeat(points[-1:], PAUSE, axis=0)]).astype(np.float32)
    state = np.concatenate([points[:-1], np.broadcast_to(points[-1], points[:-1].shape)], axis=1)
    return {"agent_pos": state, "state": state, "action": points[1:]}


def path_of(state: np.ndarray) -> np.ndarray:
    """The waypoints (n, D) of an episode from its states (T, 2 D), without the rest at the goal."""
    position, goal = np.split(state, 2, axis=1)
    arrived = int(np.argmax((position == goal).all(1)))
    return np.asarray(position[: arrived + 1], float)


def attributes(recording: Recording, planner: PlannerName, n: int) -> dict:
    """What the store of a finished recording of `n` plans says of them."""
    return {
        "rate_hz": RATE,
        "speed_m_s": SPEED,
        "padding_m": PADDING,
        **rejections(recording, planner, n),
    }


def rejections(recording: Recording, planner: PlannerName, n: int) -> dict:
    """How many attempts a finished recording of `n` plans took, and why others were rejected."""
    return {
        "planner": planner,
        "attempts": n + recording.rejected,
        "rejected": dict(recording.reasons),
        "rejection_rate": round(recording.rejected / (n + recording.rejected), 6),
    }


@functools.lru_cache(maxsize=4)
def _planner(spec: MazeSpec, name: PlannerName) -> GcsPlanner | RrtPlanner:
    padded = scene(spec)[1]
    return GcsPlanner(padded) if name == "gcs" else RrtPlanner(padded, name)


def _attempt(
    spec: MazeSpec, planner: PlannerName, seed: int, repeats: int, first_trial: int | None, i: int
) -> dict | str:
    """Attempt `i` of a recording, or why there is no plan."""
    maze, padded = scene(spec)
    query = sample_query(padded, query_of("query", seed, i // repeats, first_trial))
    luck = int(numpy_rng(seed, planner, i).integers(1, 2**31))
    path = _planner(spec, planner).plan(*query, seed=luck)
    if path is None:
        return "not found"
    arrays = episode(waypoints(path))
    if not maze.path_free(arrays["state"][:, :2]):
        return "in collision"
    return {**arrays, "seed": i, "query": i // repeats}
