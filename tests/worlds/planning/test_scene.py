"""What planning worlds show of themselves: what is drawn is where it is, and holds what it shows."""

import numpy as np
import pytest

from align.worlds.planning.arm import ArmSpec
from align.worlds.planning.arm_kinematics import fingers
from align.worlds.planning.maze import MazeSpec
from align.worlds.planning.scenes import scene_of

STRAIGHT_UP = np.zeros(7)  # but for the flange, which then points down 0.088 m before the axis
PATHS = [np.linspace(STRAIGHT_UP, np.array([0.5, 0.3, 0, -1, 0, 1, 0]), 20)]


def covered(rectangles: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Which points (n, 2) lie in one of the rectangles (R, 2, 2)."""
    low, high = rectangles[:, 0], rectangles[:, 1]
    return ((points[:, None] >= low) & (points[:, None] <= high)).all(-1).any(-1)


def test_fingers_of_an_upright_arm():
    np.testing.assert_allclose(
        fingers(STRAIGHT_UP), [0.088, 0, 0.333 + 0.316 + 0.384 - 0.107 - 0.05], atol=1e-12
    )
    turned = fingers(np.array([np.pi / 2, 0, 0, 0, 0, 0, 0]))
    np.testing.assert_allclose(turned, fingers(STRAIGHT_UP)[[1, 0, 2]], atol=1e-12)


def test_views_of_an_arm_hold_what_they_show():
    spec = ArmSpec(shelf=0.6)
    for view, axes, names in zip(spec.views(PATHS), ([0, 2], [0, 1]), ("xz", "xy"), strict=True):
        seen = view.project(PATHS[0])
        np.testing.assert_array_equal(seen, fingers(PATHS[0])[:, axes])
        for points in (seen, view.marks, spec.boxes[:-1, 0][:, axes]):
            assert (points > view.low).all() and (points < view.high).all()
        assert view.axes == tuple(f"{name} (m)" for name in names)
        assert view.aspect == pytest.approx((view.high - view.low)[1] / (view.high - view.low)[0])


def test_boards_are_seen_from_the_side_and_walls_from_above():
    for view, at in zip(ArmSpec().views([]), ([0, 0.4, 0.8], [-0.4, 0, 0.4]), strict=True):
        np.testing.assert_allclose(np.ptp(view.solid[:, :, 1], axis=1), 0.02)
        np.testing.assert_allclose(sorted(view.solid[:, :, 1].mean(1)), at, atol=1e-12)
        np.testing.assert_allclose(view.solid[:, :, 0], [[0.5, 0.8]] * 3)
        whole = view.behind[0]
        np.testing.assert_allclose(whole[:, 0], [0.5, 0.8])
        assert covered(view.behind, view.solid.reshape(-1, 2)).all(), "the shelf holds its boards"


def test_a_maze_is_seen_from_above():
    maze = MazeSpec(cells=3).maze()
    (view,) = maze.views([])
    points = np.random.default_rng(0).uniform(maze.low, maze.high, (2000, 2))
    np.testing.assert_array_equal(covered(view.solid, points), ~maze.free(points))
    np.testing.assert_array_equal([view.low, view.high], [maze.low, maze.high])
    np.testing.assert_array_equal(view.project(points), points)
    assert view.axes is None and len(view.marks) == len(view.behind) == 0


def test_stores_name_their_scene():
    maze = scene_of({"planner": "rrt", "maze": {"cells": 5, "seed": 1}})
    np.testing.assert_array_equal(maze.islands, MazeSpec(cells=5, seed=1).maze().islands)
    assert len(maze.islands) > 0
    arm = scene_of({"arm": {"shelf": 0.6}})
    assert arm == ArmSpec(shelf=0.6) and arm.islands is None
    assert scene_of({"planner": "rrt"}) is None
