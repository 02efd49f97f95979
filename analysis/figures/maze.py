"""Paths in a maze: plans, or rollouts of policies."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import ListedColormap

from align.worlds.planning.maze import Maze

WALL = "#B8B8B8"


def draw_maze(ax: Axes, maze: Maze) -> None:
    """The walls of a maze, to scale, without axes."""
    ax.pcolormesh(
        maze.x,
        maze.y,
        np.where(maze.occupied.T, 1.0, np.nan),
        cmap=ListedColormap([WALL]),
        rasterized=True,
        zorder=0,
    )
    ax.set(xlim=(maze.low[0], maze.high[0]), ylim=(maze.low[1], maze.high[1]), xticks=[], yticks=[])
    ax.set_aspect("equal")
    ax.grid(False)
    ax.spines[:].set_visible(False)


def draw_paths(ax: Axes, paths: Sequence[np.ndarray], colour: str, width: float = 0.8) -> None:
    """Paths (T, 2), m, with a dot where each starts and a cross where it ends."""
    ax.add_collection(LineCollection(paths, colors=colour, linewidths=width, alpha=0.75))
    ends = np.array([[path[0], path[-1]] for path in paths]).reshape(-1, 2, 2)
    ax.scatter(*ends[:, 0].T, s=7, color=colour, linewidths=0, zorder=3)
    ax.scatter(*ends[:, 1].T, s=10, color=colour, marker="x", linewidths=0.8, zorder=3)
