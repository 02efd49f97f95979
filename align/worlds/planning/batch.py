"""A batch of trials in one maze stepped together: what rollouts of a planning policy run in."""

from collections.abc import Sequence

import numpy as np

from align.errors import InputError
from align.seeding import numpy_rng
from align.worlds.batch import Worlds
from align.worlds.planning.maze import MazeSpec
from align.worlds.planning.plans import scene
from align.worlds.planning.task import RATE, SECONDS, SPEED, TOLERANCE, sample_query

WALL, FLOOR, TRACE, GOAL, AGENT = (64, 64, 64), (255, 255, 255), (150, 190, 225), (0, 158, 115), (213, 94, 0)


class MazeWorlds(Worlds):
    """N queries in a maze, each a trial of its own: reach the goal in time, without touching a wall.

    An action is the next waypoint, m; the point moves straight towards it, at most `SPEED` / `RATE` in a
    control step. A trial ends, and the point stays where it is, when it is within `TOLERANCE` of the goal
    (success), when its step would touch a wall (collision), and after `SECONDS`.

    Args:
        maze: The maze, as in the demonstrations.
    """

    def __init__(self, maze: MazeSpec = MazeSpec()):  # noqa: B008 (immutable)
        self.maze = maze
        self._walls, self._padded = scene(maze)
        self.reset([])

    def __len__(self) -> int:
        return len(self.goal)

    def reset(self, seeds: Sequence[int]) -> None:
        """Begin the trials `seeds`: start and goal follow from each, as far off the walls as plans are."""
        queries = [sample_query(self._padded, numpy_rng(int(seed), "trial")) for seed in seeds]
        start, self.goal = np.array(queries).reshape(-1, 2, 2).transpose(1, 0, 2)
        n = len(self.goal)
        self._trace = [start]
        self._steps = np.zeros(n, int)
        self.collided, self.succeeded = np.zeros(n, bool), np.zeros(n, bool)

    @property
    def position(self) -> np.ndarray:
        """Where the points are, (N, 2) m."""
        return self._trace[-1]

    @property
    def state(self) -> np.ndarray:
        """Positions and goals, (N, 4) m."""
        return np.concatenate([self.position, self.goal], axis=1)

    @property
    def ended(self) -> np.ndarray:
        """Which trials are over, (N,) bool."""
        return self.succeeded | self.collided | (self._steps >= round(SECONDS * RATE))

    def observe(self) -> dict[str, np.ndarray]:
        """What a policy sees: agent_pos (N, 4) float32, position and goal, m."""
        return {"agent_pos": self.state.astype(np.float32)}

    def step(self, actions: np.ndarray) -> None:
        """One control step towards `actions` (N, 2), m.

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
        reach = SPEED / RATE
        there = self.position + way * np.where(distance > reach, reach / np.maximum(distance, reach), 1.0)
        free = self._walls.segments_free(self.position, there)
        self._trace.append(np.where((active & free)[:, None], there, self.position))
        self._steps += active
        self.collided |= active & ~free
        self.succeeded |= active & free & (self.distance <= TOLERANCE)

    @property
    def distance(self) -> np.ndarray:
        """How far the goals are as the crow flies, (N,) m."""
        return np.linalg.norm(self.goal - self.position, axis=1)

    def paths(self) -> list[np.ndarray]:
        """The executed path of each trial until its end, a point a control step: N arrays (T, 2), m.

        The step of a collision is not part of it.
        """
        trace = np.stack(self._trace, axis=1)  # (N, steps + 1, 2)
        return [path[: n + 1] for path, n in zip(trace, self._steps - self.collided, strict=True)]

    def results(self) -> dict[str, np.ndarray]:
        """How the trials went so far, (N,) each.

        Returns:
            score, success: The goal was reached.
            collided: A wall was touched.
            seconds: Time until the trial ended, or so far.
            length: Of the executed path, m.
            distance: To the goal, m.
        """
        length = np.linalg.norm(np.diff(self._trace, axis=0), axis=-1).sum(0)
        return {
            "score": self.succeeded.astype(float),
            "success": self.succeeded.copy(),
            "collided": self.collided.copy(),
            "seconds": self._steps / RATE,
            "length": length,
            "distance": self.distance,
        }

    def frame(self, i: int, size: int = 192) -> np.ndarray:
        """Trial `i` as a picture (size, size, 3) uint8, y upwards: walls, path, goal and point."""
        low, high = self._walls.low, self._walls.high
        unit = (np.arange(size) + 0.5) / size
        pixels = low + (high - low) * np.stack(np.meshgrid(unit, unit[::-1]), axis=-1)
        picture = np.where(self._walls.free(pixels)[..., None], FLOOR, WALL).astype(np.uint8)
        path = self.paths()[i]
        for points, radius, colour in ((path, 0.04, TRACE), (self.goal[i : i + 1], TOLERANCE, GOAL),
                                       (path[-1:], 0.09, AGENT)):  # fmt: skip
            for point in points:
                picture[np.linalg.norm(pixels - point, axis=-1) < radius] = colour
        return picture
