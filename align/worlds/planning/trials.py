"""A batch of trials stepped together, each a query: the mechanics that planning worlds share."""

from abc import abstractmethod
from collections.abc import Sequence

import numpy as np

from align.errors import COUNT, SIZE, InputError, check_numbers
from align.seeding import numpy_rng
from align.worlds.batch import Worlds


def query_rng(trial: int) -> np.random.Generator:
    """What the query of a trial is drawn by, for worlds and for planners that answer the same query."""
    return numpy_rng(trial, "trial")


class QueryWorlds(Worlds):
    """N queries in one scene, each a trial of its own: reach the goal in time, without touching anything.

    An action is the next waypoint; the position moves straight towards it, by `reach` at most in a control
    step. A trial ends, and the position stays where it is, when it is within `tolerance` of the goal
    (success), when its step would touch something (collision), and after `seconds`.

    Args:
        size: Dimension D of positions.
        rate: Control steps a second.
        reach: Longest control step.
        tolerance: Distance to the goal at which it is reached.
        seconds: Time in which it must be reached.
        repeats: How many trials of successive seeds have one query, e.g. to see how much its answers differ.

    Raises:
        InputError: A number is out of range.
    """

    def __init__(
        self, size: int, rate: float, reach: float, tolerance: float, seconds: float, repeats: int = 1
    ):
        check_numbers(SIZE, whole=True, size=size)
        check_numbers("(0, 1e6]", rate=rate, reach=reach, tolerance=tolerance, seconds=seconds)
        check_numbers(COUNT, whole=True, repeats=repeats)
        self.repeats = repeats
        self._size, self._rate, self._reach = size, rate, reach
        self._tolerance, self._limit = tolerance, round(seconds * rate)
        self.reset([])

    @abstractmethod
    def _query(self, rng: np.random.Generator) -> np.ndarray:
        """A start and a goal, (2, D)."""

    @abstractmethod
    def _free(self, start: np.ndarray, end: np.ndarray) -> np.ndarray:
        """Whether straight motions from `start` to `end`, (n, D) each, touch nothing; (n,) bool."""

    def __len__(self) -> int:
        return len(self.goal)

    def reset(self, seeds: Sequence[int]) -> None:
        """Begin the trials `seeds`: start and goal follow from each, as far from touching as plans are."""
        queries = [self._query(query_rng(int(seed) // self.repeats)) for seed in seeds]
        start, self.goal = np.array(queries).reshape(-1, 2, self._size).transpose(1, 0, 2)
        n = len(self.goal)
        self._trace = [start]
        self._steps = np.zeros(n, int)
        self.collided, self.succeeded = np.zeros(n, bool), np.zeros(n, bool)

    @property
    def position(self) -> np.ndarray:
        """Where the trials are, (N, D)."""
        return self._trace[-1]

    @property
    def state(self) -> np.ndarray:
        """Positions and goals, (N, 2 D)."""
        return np.concatenate([self.position, self.goal], axis=1)

    @property
    def ended(self) -> np.ndarray:
        """Which trials are over, (N,) bool."""
        return self.succeeded | self.collided | (self._steps >= self._limit)

    def observe(self) -> dict[str, np.ndarray]:
        """What a policy sees: agent_pos (N, 2 D) float32, position and goal."""
        return {"agent_pos": self.state.astype(np.float32)}

    def step(self, actions: np.ndarray) -> None:
        """One control step towards `actions` (N, D).

        Raises:
            InputError: `actions` has another shape, or is not finite.
        """
        actions = np.asarray(actions, float)
        if actions.shape != self.position.shape or not np.isfinite(actions).all():
            raise InputError(
                f"actions of shape {actions.shape}: expected {self.position.shape}, finite numbers"
            )
        active = ~self.ended
        way = actions - self.position
        distance = np.linalg.norm(way, axis=1, keepdims=True)
        reach = self._reach
        there = self.position + way * np.where(distance > reach, reach / np.maximum(distance, reach), 1.0)
        free = np.zeros(len(self), bool)
        free[active] = self._free(self.position[active], there[active])
        self._trace.append(np.where(free[:, None], there, self.position))
        self._steps += active
        self.collided |= active & ~free
        self.succeeded |= free & (self.distance <= self._tolerance)

    @property
    def distance(self) -> np.ndarray:
        """How far the goals are as the crow flies, (N,)."""
        return np.linalg.norm(self.goal - self.position, axis=1)

    def paths(self) -> list[np.ndarray]:
        """The executed path of each trial until its end, a point a control step: N arrays (T, D).

        The step of a collision is not part of it.
        """
        trace = np.stack(self._trace, axis=1)  # (N, steps + 1, D)
        return [path[: n + 1] for path, n in zip(trace, self._steps - self.collided, strict=True)]

    def results(self) -> dict[str, np.ndarray]:
        """How the trials went so far, (N,) each.

        Returns:
            score, success: The goal was reached.
            collided: Something was touched.
            seconds: Time until the trial ended, or so far.
            length: Of the executed path, in units of positions.
            distance: To the goal, likewise.
        """
        length = np.linalg.norm(np.diff(self._trace, axis=0), axis=-1).sum(0)
        return {
            "score": self.succeeded.astype(float),
            "success": self.succeeded.copy(),
            "collided": self.collided.copy(),
            "seconds": self._steps / self._rate,
            "length": length,
            "distance": self.distance,
        }
