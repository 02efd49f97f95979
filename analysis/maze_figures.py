"""Paths in a maze, side by side: plans of two planners, later the rollouts of policies beside them."""

import os
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import ListedColormap

from align.errors import InputError
from align.worlds.planning.maze import Maze
from analysis import figures
from analysis.smoothness import velocity_spectrum

WALL = "#B8B8B8"
COLOUR = (figures.VERMILION, figures.BLUE, *figures.CYCLE[2:])


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


def figure_paths(
    maze: Maze, groups: Mapping[str, Sequence[np.ndarray]], path: str | os.PathLike, shown: int = 12
) -> None:
    """A panel a group with its first paths, and one with the velocity spectra of all of them.

    Args:
        maze: Where they go.
        groups: Paths (T, 2), m, by title, the smooth ones first; answers to the same queries in one order
            in each, so that panels can be compared.
        path: Where to, a `.png` or `.pdf`.
        shown: How many paths a panel shows.

    Raises:
        InputError: There are no groups, or one without paths.
    """
    empty = [name for name, paths in groups.items() if not len(paths)]
    if not groups or empty:
        raise InputError(f"groups: {empty or 'none'} without paths; expected at least one path in each")
    with figures.style():
        columns = len(groups) + 1
        figure, axes = figures.canvas(1, columns, figures.DOUBLE, 1.05 * figures.DOUBLE / columns)
        *mazes, spectrum = axes[0]
        for i, (ax, (name, paths)) in enumerate(zip(mazes, groups.items(), strict=True)):
            colour = COLOUR[i % len(COLOUR)]
            draw_maze(ax, maze)
            draw_paths(ax, paths[:shown], colour)
            ax.set_title(name, loc="left")
            power = velocity_spectrum(paths)[1:]
            spectrum.loglog(np.arange(1, len(power) + 1), power, color=colour, label=name)
        spectrum.set(xlabel="Cycles a path", ylabel="Power of the velocity")
        spectrum.set_title("Spectrum", loc="left")
        spectrum.legend()
        figures.letter(axes[0])
        figures.save(figure, path)
