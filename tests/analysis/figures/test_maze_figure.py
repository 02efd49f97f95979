"""Paths in a maze: what is drawn is where it should be."""

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg

from align.analysis.figures import style as figures
from align.analysis.figures.maze import draw_maze, draw_paths
from align.worlds.planning.maze import MazeSpec

PATHS = [np.array([[0.65, 0.65], [0.65, 1.2], [1.2, 1.65]]), np.array([[1.65, 0.6], [1.65, 1.6]])]


def test_walls_and_paths_are_in_place():
    maze = MazeSpec(cells=3).maze()
    with figures.style():
        figure, axes = figures.canvas(1, 1, 3, 3)
        ax = axes[0, 0]
        ax.set_position([0, 0, 1, 1])
        figure.set_layout_engine("none")
        draw_maze(ax, maze)
        figure.set_dpi(100)
        drawn = FigureCanvasAgg(figure)
        drawn.draw()
        pixels = np.asarray(drawn.buffer_rgba())[::-1, :, :3]  # y upwards
        centres = np.stack(np.meshgrid((np.arange(300) + 0.5), (np.arange(300) + 0.5)), -1) / 300 * maze.high
        wall = (np.abs(pixels.astype(int) - 0xB8) < 3).all(-1)
        assert (wall != maze.free(centres)).mean() > 0.97
        draw_paths(ax, PATHS, "red")
        np.testing.assert_array_equal(ax.collections[-2].get_offsets(), [path[0] for path in PATHS])
        np.testing.assert_array_equal(ax.collections[-1].get_offsets(), [path[-1] for path in PATHS])
