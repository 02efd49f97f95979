"""An arm's motion from the side and from above: what is drawn is where it should be."""

import numpy as np

from align.analysis.figures import style as figures
from align.analysis.figures.arm import arm_views
from align.worlds.planning.arm import ArmSpec
from align.worlds.planning.arm_kinematics import fingers

STRAIGHT_UP = np.zeros(7)  # but for the flange, which then points down 0.088 m before the axis
PATHS = [np.linspace(STRAIGHT_UP, np.array([0.5, 0.3, 0, -1, 0, 1, 0]), 20)]


def test_fingers_of_an_upright_arm():
    np.testing.assert_allclose(
        fingers(STRAIGHT_UP), [0.088, 0, 0.333 + 0.316 + 0.384 - 0.107 - 0.05], atol=1e-12
    )
    turned = fingers(np.array([np.pi / 2, 0, 0, 0, 0, 0, 0]))
    np.testing.assert_allclose(turned, fingers(STRAIGHT_UP)[[1, 0, 2]], atol=1e-12)


def test_views_hold_what_they_show():
    spec = ArmSpec(shelf=0.6)
    side, top = arm_views(spec, PATHS)
    for view, axes in ((side, [0, 2]), (top, [0, 1])):
        (drawn,) = view.project(PATHS)
        np.testing.assert_array_equal(drawn, fingers(PATHS[0])[:, axes])
        for points in (drawn, np.zeros((1, 2)), spec.boxes[:-1, 0][:, axes]):
            assert (points > view.low).all() and (points < view.high).all()


def test_boards_are_seen_from_the_side_and_walls_from_above():
    with figures.style():
        _, axes = figures.canvas(1, 2, 4, 2)
        for ax, view in zip(axes[0], arm_views(ArmSpec(), PATHS), strict=True):
            view.draw(ax)
        thin = [[p.get_height() for p in ax.patches[1:]] for ax in axes[0]]
        np.testing.assert_allclose(thin, 0.02)
        at = [sorted(p.get_y() + p.get_height() / 2 for p in ax.patches[1:]) for ax in axes[0]]
        np.testing.assert_allclose(at, [[0, 0.4, 0.8], [-0.4, 0, 0.4]], atol=1e-12)
        assert all(p.get_x() == 0.5 and p.get_width() == 0.3 for ax in axes[0] for p in ax.patches[1:])
