"""A batch of trials in one maze stepped together: what rollouts of a planning policy run in."""

import dataclasses
from typing import Any

import numpy as np

from align.worlds.planning.maze import MazeSpec
from align.worlds.planning.plans import scene as maze_scene
from align.worlds.planning.task import RATE, SECONDS, SPEED, TOLERANCE, sample_query
from align.worlds.planning.trials import QueryWorlds

WALL, FLOOR, TRACE, GOAL, AGENT = (64, 64, 64), (255, 255, 255), (150, 190, 225), (0, 158, 115), (213, 94, 0)


class MazeWorlds(QueryWorlds):
    """N queries in a maze, each a trial of its own: reach the goal in time, without touching a wall.

    An action is the next waypoint, m; the point moves straight towards it, at most `SPEED` / `RATE` in a
    control step. A trial ends, and the point stays where it is, when it is within `TOLERANCE` of the goal
    (success), when its step would touch a wall (collision), and after `SECONDS`.

    Args:
        maze: The maze, as in the demonstrations.
        repeats: How many trials of successive seeds have one query.
    """

    def __init__(self, maze: MazeSpec = MazeSpec(), repeats: int = 1):  # noqa: B008 (immutable)
        self.maze = maze
        self._walls, self._padded = maze_scene(maze)
        super().__init__(2, RATE, SPEED / RATE, TOLERANCE, SECONDS, repeats)

    def scene(self) -> dict[str, Any]:
        """Of what the maze is made, as plans say it."""
        return {"maze": dataclasses.asdict(self.maze)}

    def _query(self, rng: np.random.Generator) -> np.ndarray:
        return sample_query(self._padded, rng)

    def _free(self, start: np.ndarray, end: np.ndarray) -> np.ndarray:
        return self._walls.segments_free(start, end)

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
