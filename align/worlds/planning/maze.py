"""A maze of axis-aligned walls: its grid, exact collision checks, and its maximal rectangles."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from align.errors import SEED, InputError, check_numbers
from align.seeding import numpy_rng
from align.worlds.planning.scene import View


@dataclass(frozen=True)
class MazeSpec:
    """What a maze is made from; equal specifications make equal mazes.

    Args:
        cells: Rooms along each side.
        seed: Which maze.
        loops: Share of the remaining inner walls that are taken out of the perfect maze, so that queries have
            more than one way.
        cell: Distance between the centres of neighbouring rooms, m.
        wall: Thickness of the walls, m.

    Raises:
        InputError: An argument is out of range.
    """

    cells: int = 5
    seed: int = 1
    loops: float = 0.15
    cell: float = 1.0
    wall: float = 0.3

    def __post_init__(self):
        check_numbers("[2, 1000]", whole=True, cells=self.cells)
        check_numbers(SEED, whole=True, seed=self.seed)
        check_numbers("[0, 1]", loops=self.loops)
        check_numbers("(0, 1e6]", cell=self.cell, wall=self.wall)
        if self.wall >= self.cell:
            raise InputError(f"wall={self.wall!r}, cell={self.cell!r}: expected 0 < wall < cell, in metres")

    def maze(self) -> "Maze":
        """The maze: a random spanning tree of the rooms (depth-first search), and loops."""
        n, rng = self.cells, numpy_rng(self.seed, "maze")
        occupied = np.ones((2 * n + 1, 2 * n + 1), bool)
        occupied[1::2, 1::2] = False  # rooms at odd indices, walls and doors between them
        stack, seen = [(0, 0)], {(0, 0)}
        while stack:
            x, y = stack[-1]
            doors = [
                (x + dx, y + dy, 2 * x + 1 + dx, 2 * y + 1 + dy)
                for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1))
                if 0 <= x + dx < n and 0 <= y + dy < n and (x + dx, y + dy) not in seen
            ]
            if not doors:
                stack.pop()
                continue
            *room, i, j = doors[rng.integers(len(doors))]
            occupied[i, j] = False
            seen.add(tuple(room))
            stack.append(tuple(room))
        i, j = np.indices(occupied.shape)
        inner = (i % 2 != j % 2) & (i > 0) & (i < 2 * n) & (j > 0) & (j < 2 * n)
        occupied &= ~(inner & (rng.random(occupied.shape) < self.loops))
        widths = np.where(np.arange(2 * n + 1) % 2 == 0, self.wall, self.cell - self.wall)
        edges = np.concatenate([[0.0], np.cumsum(widths)])
        return Maze(occupied, edges, edges)


@dataclass(frozen=True, eq=False)
class Maze:
    """Walls on a grid of rectangles. Walls are closed sets: to touch one is to collide, as it is to leave.

    Attributes:
        occupied: (nx, ny) bool, True for wall; cell (i, j) is [x[i], x[i + 1]] x [y[j], y[j + 1]].
        x, y: Edges of the grid, (nx + 1,) and (ny + 1,), increasing, m.
    """

    occupied: np.ndarray
    x: np.ndarray
    y: np.ndarray

    @property
    def low(self) -> np.ndarray:
        """The lower left corner, (2,) m."""
        return np.array([self.x[0], self.y[0]])

    @property
    def high(self) -> np.ndarray:
        """The upper right corner, (2,) m."""
        return np.array([self.x[-1], self.y[-1]])

    def padded(self, padding: float) -> "Maze":
        """The maze whose walls are thicker by `padding` m on every side; corners stay square."""
        x, y = (
            np.unique(np.clip(np.concatenate([e - padding, e, e + padding]), e[0], e[-1]).round(9))
            for e in (self.x, self.y)
        )
        centre = np.stack(np.meshgrid((x[:-1] + x[1:]) / 2, (y[:-1] + y[1:]) / 2, indexing="ij"), axis=-1)
        low, high = self.walls[:, 0] - padding, self.walls[:, 1] + padding
        inside = (centre[:, :, None] >= low) & (centre[:, :, None] <= high)  # (nx, ny, walls, 2)
        return Maze(inside.all(-1).any(-1), x, y)

    @functools.cached_property
    def walls(self) -> np.ndarray:
        """The maximal rectangles of wall, which cover it and overlap; (M, 2, 2) m, low and high corners."""
        return self._corners(maximal_rectangles(self.occupied))

    @functools.cached_property
    def rooms(self) -> np.ndarray:
        """The maximal free rectangles, which cover the free space and overlap; (R, 2, 2) m, low and high."""
        return self._corners(maximal_rectangles(~self.occupied))

    @functools.cached_property
    def islands(self) -> np.ndarray:
        """A point in each piece of wall that one can walk around, (K, 2) m, for words of homotopy."""
        # Walls that meet in a corner leave no way between them, so they count as connected.
        from scipy.ndimage import label  # late, as it takes a while and few commands need it

        pieces, n = label(self.occupied, structure=np.ones((3, 3)))
        rim = {*pieces[0], *pieces[-1], *pieces[:, 0], *pieces[:, -1]}
        cells = [np.argwhere(pieces == k)[0] for k in range(1, n + 1) if k not in rim]
        centres = [((self.x[i] + self.x[i + 1]) / 2, (self.y[j] + self.y[j + 1]) / 2) for i, j in cells]
        return np.array(centres).reshape(-1, 2)

    def views(self, paths: Sequence[np.ndarray]) -> tuple[View]:
        """The maze from above, whole, whatever the paths are."""
        return (View(self.low, self.high, np.asarray, solid=self.walls),)

    def free(self, points: np.ndarray) -> np.ndarray:
        """Whether points (..., 2), m, are in the maze and off its walls; (...) bool."""
        return self.segments_free(points, points)

    def segments_free(self, start: np.ndarray, end: np.ndarray) -> np.ndarray:
        """Whether straight segments from `start` to `end`, (..., 2) m, lie in the maze and off its walls.

        Exact up to rounding, by separating axes of segment and rectangle: nothing is sampled. What is not
        finite is not free.

        Returns:
            (...) bool.
        """
        start, end = np.asarray(start, float), np.asarray(end, float)
        inside = ((np.minimum(start, end) > self.low) & (np.maximum(start, end) < self.high)).all(-1)
        start, end = (np.where(inside[..., None], point, 0.0) for point in (start, end))  # no inf - inf
        half = (end - start)[..., None, :] / 2  # (..., 1, 2)
        size = (self.walls[:, 1] - self.walls[:, 0]) / 2  # (M, 2)
        offset = ((start + end) / 2)[..., None, :] - self.walls.mean(1)  # (..., M, 2)
        normal = half[..., ::-1] * [1, -1]  # to the segment
        apart = (np.abs(offset) > size + np.abs(half)).any(-1)
        apart |= np.abs((offset * normal).sum(-1)) > (size * np.abs(normal)).sum(-1)
        return inside & apart.all(-1)

    def path_free(self, path: np.ndarray) -> bool:
        """Whether the polyline `path` (n, 2), m, lies in the maze and off its walls."""
        path = np.asarray(path, float)
        return bool(self.free(path[:1]).all() and self.segments_free(path[:-1], path[1:]).all())

    def sample(self, rng: np.random.Generator) -> np.ndarray:
        """A uniform point of the free space, (2,) m."""
        while True:
            point = rng.uniform(self.low, self.high)
            if self.free(point):
                return point

    def _corners(self, cells: np.ndarray) -> np.ndarray:
        i0, i1, j0, j1 = cells.T
        low, high = np.stack([self.x[i0], self.y[j0]], -1), np.stack([self.x[i1], self.y[j1]], -1)
        return np.stack([low, high], axis=1)


def maximal_rectangles(mask: np.ndarray) -> np.ndarray:
    """All rectangles of True in `mask` (nx, ny) that no larger one contains, (R, 4) int: i0, i1, j0, j1.

    The ends i1 and j1 are exclusive. For each range of columns the runs of rows that are True in all of them
    are maximal upwards and downwards; those that cannot grow sideways either are kept.
    """
    found = []
    nx, ny = mask.shape
    for i0 in range(nx):
        common = np.ones(ny, bool)
        for i1 in range(i0 + 1, nx + 1):
            common = common & mask[i1 - 1]
            if not common.any():
                break
            steps = np.diff(np.concatenate([[0], common.astype(int), [0]]))
            for j0, j1 in zip(np.flatnonzero(steps == 1), np.flatnonzero(steps == -1), strict=True):
                left = i0 > 0 and mask[i0 - 1, j0:j1].all()
                right = i1 < nx and mask[i1, j0:j1].all()
                if not (left or right):
                    found.append((i0, i1, j0, j1))
    return np.array(found, int).reshape(-1, 4)
