"""Paths in their scene: walls and paths where they are, each in its own panel and colour."""

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.colors import same_color, to_rgb

from align.analysis.figures import style as figures
from align.analysis.figures.paths import SOLID, PlanPaths, RolloutPaths, draw_view, figure_paths
from align.domain import Domain
from align.worlds.planning.arm import ArmSpec
from align.worlds.planning.arm_kinematics import fingers
from align.worlds.planning.maze import MazeSpec


def path(x: float, size: int = 2) -> np.ndarray:
    return np.linspace(np.full(size, 0.1 * x), np.full(size, 0.1 * x + 0.5), 5)


def lines(ax) -> list[tuple[str, list[np.ndarray]]]:
    """Colour and paths of each group that is drawn in a panel, and that its ends are marked."""
    found = [c for c in ax.collections if isinstance(c, LineCollection)]
    marks = [c for c in ax.collections if c not in found][2:]  # after the scene's rectangles
    for group, starts, ends in zip(found, marks[::2], marks[1::2], strict=True):
        paths = [s[np.r_[0, -1]] for s in group.get_segments()]
        np.testing.assert_allclose(starts.get_offsets(), [p[0] for p in paths])
        np.testing.assert_allclose(ends.get_offsets(), [p[-1] for p in paths])
        for mark in (starts, ends):
            assert same_color(mark.get_edgecolor()[0][:3], group.get_color()[0][:3])
    return [(c.get_color()[0][:3], c.get_segments()) for c in found]


def panels(figure) -> list:
    return [ax for ax in figure.axes if ax.get_visible()]


PLANS = [PlanPaths("GCS", Domain.REAL, [path(0)]), PlanPaths("RRT", Domain.SIM, [path(1), path(2)])]
ARMS = [
    RolloutPaths("both", 0.75, [path(3), path(4)], [path(5)]),
    RolloutPaths("real", 0.0, [], [path(6)]),
    RolloutPaths("sim", 1.0, [path(7)], []),
]


def test_each_panel_holds_its_own_paths():
    shown = panels(figure_paths(PLANS, ARMS, MazeSpec(cells=3).maze()))
    titles = [ax.get_title(loc="left") for ax in shown]
    assert titles == ["GCS plans", "RRT plans", "both (75%)", "real (0%)", "sim (100%)"]
    domain, grey, green = figures.DOMAIN_COLOUR, figures.GREY, figures.GREEN
    expected = [
        [(domain[Domain.REAL], [0])],
        [(domain[Domain.SIM], [1, 2])],
        [(grey, [5]), (green, [3, 4])],
        [(grey, [6])],
        [(green, [7])],
    ]
    for ax, groups in zip(shown, expected, strict=True):
        assert len(lines(ax)) == len(groups)
        for (colour, drawn), (right, numbers) in zip(lines(ax), groups, strict=True):
            assert same_color(colour, right)
            np.testing.assert_allclose(drawn, [path(n) for n in numbers])
    rows = [round(ax.get_subplotspec().rowspan.start) for ax in shown]
    columns = [ax.get_subplotspec().colspan.start for ax in shown]
    assert (rows, columns) == ([0, 0, 0, 0, 1], [0, 1, 2, 3, 0]), "read like text"


def test_an_arm_is_seen_from_the_side_and_from_above():
    spec, ways = ArmSpec(), [path(k, 7) for k in range(6)]
    arms = [RolloutPaths(f"arm {k}", 1.0, [ways[k]], []) for k in range(1, 6)]
    figure = figure_paths([PlanPaths("GCS", Domain.REAL, ways[:1])], arms, spec)
    grid = np.array(figure.axes).reshape(4, 4)
    for k, way in enumerate(ways):
        stack = grid[2 * (k // 4) : 2 * (k // 4) + 2, k % 4]
        for ax, axes in zip(stack, ([0, 2], [0, 1]), strict=True):
            ((_, (drawn,)),) = lines(ax)
            np.testing.assert_allclose(drawn, fingers(way)[:, axes])
            assert ax.get_xlim()[0] < drawn[:, 0].min() and ax.get_xlim()[1] > drawn[:, 0].max()
        assert stack[0].get_title(loc="left") == ("GCS plans" if k == 0 else f"arm {k} (100%)")
        assert stack[1].get_title(loc="left") == "" and stack[1].get_xlabel() == "x (m)"
    assert [ax.get_ylabel() for ax in grid[:, 0]] == ["z (m)", "y (m)"] * 2
    assert not any(ax.get_visible() for ax in grid[2:, 2:].flat)


@pytest.mark.parametrize("cells", [3, 5])
def test_walls_are_in_place(cells):
    maze = MazeSpec(cells=cells).maze()
    with figures.style():
        figure, axes = figures.canvas(1, 1, 3, 3)
    ax = axes[0, 0]
    ax.set_position([0, 0, 1, 1])
    figure.set_layout_engine("none")
    draw_view(ax, maze.views([])[0])
    figure.set_dpi(100)
    drawn = FigureCanvasAgg(figure)
    drawn.draw()
    pixels = np.asarray(drawn.buffer_rgba())[::-1, :, :3]  # y upwards
    centres = np.stack(np.meshgrid((np.arange(300) + 0.5), (np.arange(300) + 0.5)), -1) / 300 * maze.high
    wall = (np.abs(pixels / 255 - to_rgb(SOLID)) < 0.02).all(-1)
    assert (wall != maze.free(centres)).mean() > 0.97
