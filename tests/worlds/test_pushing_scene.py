import math

import cv2
import numpy as np
import pytest
import shapely

from align.errors import InputError
from align.worlds.pushing.geometry import BAR, STEM, T_AREA, T_CENTRE, distance_to_t, to_body, to_world
from align.worlds.pushing.scene import (
    DIFFICULTIES,
    GOAL,
    T_VERTICES,
    Physics,
    PushScene,
    coverage,
    pose_error,
    sample_start,
)


def random_poses(n, seed=0):
    return GOAL + np.random.default_rng(seed).normal(size=(n, 3)) * [30, 30, 1]


def test_coverage_agrees_with_a_union_of_rectangles():
    def t_at(pose):
        return shapely.union_all([shapely.Polygon(to_world(part, pose)) for part in (BAR, STEM)])

    poses = random_poses(50)
    expected = [t_at(pose).intersection(t_at(GOAL)).area / T_AREA for pose in poses]
    np.testing.assert_allclose(coverage(poses), expected, atol=1e-6)


def test_coverage_agrees_with_counting_pixels():
    scale = 8

    def mask(pose):
        canvas = np.zeros((512 * scale, 512 * scale), np.uint8)
        points = np.rint(to_world(T_VERTICES, pose) * scale).astype(np.int32)
        return cv2.fillPoly(canvas, [points], 1).astype(bool)

    goal = mask(GOAL)
    for pose in random_poses(3, seed=1):
        assert coverage(pose) == pytest.approx((mask(pose) & goal).sum() / goal.sum(), abs=5e-3)


def test_coverage_of_known_offsets():
    # shifting the T by d along its bar leaves 30 (120 - d) + 90 (30 - d)
    shift = 6.0 * np.array([math.cos(GOAL[2]), math.sin(GOAL[2]), 0.0])
    assert coverage(GOAL + shift) == pytest.approx((30 * 114 + 90 * 24) / 6300)
    assert coverage(GOAL) == pytest.approx(1.0)
    assert coverage(GOAL + np.array([300.0, 0.0, 0.0])) == 0.0
    assert coverage(GOAL + np.array([0.0, 0.0, 2 * math.pi])) == pytest.approx(1.0)


def test_coverage_keeps_leading_shape():
    assert coverage(random_poses(6).reshape(2, 3, 3)).shape == (2, 3)


def test_pose_error_wraps_the_angle():
    millimetres, degrees = pose_error(GOAL + np.array([[3.0, 4.0, 2 * math.pi + math.radians(10)]]))
    assert millimetres[0] == pytest.approx(5.0)
    assert degrees[0] == pytest.approx(10.0)


def test_distance_to_t_agrees_with_shapely():
    polygon = shapely.Polygon(T_VERTICES)
    points = np.random.default_rng(3).uniform(-150, 200, (300, 2))
    distances = distance_to_t(points)
    inside = shapely.contains_xy(polygon, points[:, 0], points[:, 1])
    np.testing.assert_array_equal(distances < 0, inside)
    expected = shapely.distance(shapely.points(points[~inside]), polygon)
    np.testing.assert_allclose(distances[~inside], expected, atol=1e-9)


def test_state_is_what_was_set_whatever_the_centre_of_mass():
    for centre in ((0.0, 45.0), (20.0, 70.0)):
        scene = PushScene(Physics(centre_of_mass=centre))
        state = np.array([100.0, 120.0, 300.0, 280.0, 2.0])
        scene.step([250.0, 250.0])
        scene.set_state(state)
        np.testing.assert_array_equal(scene.state(), state)
        scene.step(state[:2])
        np.testing.assert_allclose(scene.state(), state, atol=1e-9)


def test_setting_a_state_forgets_the_past():
    start = np.array([256.0, 180.0, 256.0, 200.0, 0.1])
    fresh, used = PushScene(), PushScene()
    used.set_state([250.0, 180.0, 256.0, 200.0, 0.0])
    for _ in range(5):
        used.step([256.0, 300.0])
    ends = []
    for scene in (fresh, used):
        scene.set_state(start)
        for _ in range(10):
            scene.step([256.0, 300.0])
        ends.append(scene.state())
    np.testing.assert_array_equal(*ends)
    assert ends[0][3] > start[3] + 20  # it was pushed


def test_pusher_obeys_speed_limit_and_lag():
    start = np.array([100.0, 100.0, 400.0, 400.0, 0.0])
    for physics, target, expected in (
        (Physics(), 110.0, 110.0),
        (Physics(), 200.0, 122.0),
        (Physics(lag=0.4), 110.0, 106.0),
        (Physics(speed_limit=5.0), 110.0, 105.0),
    ):
        scene = PushScene(physics)
        scene.set_state(start)
        scene.step([target, 100.0])
        np.testing.assert_allclose(scene.state()[:2], [expected, 100.0], atol=1e-6)


@pytest.mark.parametrize("difficulty", ["easy", "medium"])
def test_starts_lie_in_their_range(difficulty):
    starts = DIFFICULTIES[difficulty]
    states = np.array([sample_start(np.random.default_rng(i), difficulty) for i in range(100)])
    centres = to_world(T_CENTRE[None], states[:, 2:])[:, 0]
    distance = np.linalg.norm(centres - to_world(T_CENTRE[None], GOAL)[0], axis=-1)
    assert (distance >= starts.min_distance).all() and (distance <= starts.max_distance).all()
    assert (np.abs(states[:, 4] - GOAL[2]) <= starts.max_angle).all()


def test_full_starts_are_everywhere_and_clear_of_the_pusher():
    states = np.array([sample_start(np.random.default_rng(i), "full") for i in range(200)])
    assert np.ptp(states[:, 2:4], axis=0).min() > 300
    assert np.ptp(states[:, 4]) > 5.5
    assert all(distance_to_t(to_body(state[:2], state[2:])) > 15 for state in states)


def test_bad_physics_and_difficulty_are_named():
    with pytest.raises(InputError, match=r"Physics.friction=-1.0: expected a number in \[0, 2\]"):
        Physics(friction=-1.0)
    with pytest.raises(InputError, match="centre_of_mass"):
        Physics(centre_of_mass=(1.0,))
    with pytest.raises(InputError, match=r"Physics.lag=nan"):
        Physics(lag=math.nan)
    with pytest.raises(InputError, match="difficulty is 'hard'; expected one of easy, medium, full"):
        sample_start(np.random.default_rng(0), "hard")
