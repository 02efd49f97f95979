"""Smoothness on curves whose measures are known, and its invariances; the AUC against brute force."""

import numpy as np
import pytest

from align.analysis.statistics.smoothness import (
    auc,
    length_ratio,
    normalise,
    path_length,
    smoothness,
    spline_energies,
    turning,
    velocity_spectrum,
)
from align.errors import InputError

CIRCLE = np.stack([np.cos(t := np.linspace(0, 2 * np.pi, 400)), np.sin(t)], axis=1)


def jagged(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(30, 2)).cumsum(axis=0)


def test_a_circle():
    """Run through once in unit time at unit speed: |x''| = 2π and |x'''| = (2π)², and it turns by 2π."""
    found = smoothness([3 * CIRCLE])
    assert found.acceleration[0] == pytest.approx((2 * np.pi) ** 2, rel=0.01)
    assert found.jerk[0] == pytest.approx((2 * np.pi) ** 4, rel=0.02)
    assert found.turning[0] == pytest.approx(2 * np.pi, rel=0.03)
    assert found.length[0] == pytest.approx(6 * np.pi, rel=1e-3)


def test_a_straight_line():
    line = np.linspace([1.0, 2.0], [5.0, -1.0], 50)
    found = smoothness([line, line[::7]])
    for measure in found[:3]:
        np.testing.assert_allclose(measure, 0, atol=1e-6)
    np.testing.assert_allclose(found.length, 5.0)
    spectrum = velocity_spectrum([line])
    assert spectrum[0] == pytest.approx(1) and spectrum[1:].max() < 1e-12


def test_a_sine():
    """x = a sin(2πk t) on a line: the mean squares of its derivatives are those of a sine."""
    t, k = np.linspace(0, 1, 513)[:, None], 3
    for energy, order in zip(spline_energies(0.1 * np.sin(2 * np.pi * k * t)), (2, 3), strict=True):
        assert energy == pytest.approx(0.1**2 / 2 * (2 * np.pi * k) ** (2 * order), rel=0.02)


def test_a_wave_has_its_power_at_its_frequency():
    t, k = np.linspace(0, 1, 2001)[:, None], 5
    spectrum = velocity_spectrum([np.hstack([t, 0.02 * np.sin(2 * np.pi * k * t)])])
    assert spectrum[1:].argmax() + 1 == k and spectrum[k] > 0.8 * spectrum[1:].sum()


def test_accelerations_are_those_of_the_spline_by_quadrature():
    from scipy.interpolate import CubicSpline

    points = normalise(jagged())
    spline, fine = CubicSpline(np.linspace(0, 1, 64), points), np.linspace(0, 1, 200_001)
    for energy, order in zip(spline_energies(points), (2, 3), strict=True):
        assert energy == pytest.approx(np.square(spline(fine, order)).sum(1).mean(), rel=1e-3)


def test_invariances():
    path = jagged()
    turn = np.array([[0.6, -0.8], [0.8, 0.6]])
    alike = [path, 7 * path @ turn + [3, -4], path[::-1], path * [1, -1]]
    found = smoothness(alike)
    for measure in found[:3]:
        np.testing.assert_allclose(measure, measure[0], rtol=1e-6)
    np.testing.assert_allclose(found.length / found.length[0], [1, 7, 1, 1])


def test_pace_does_not_count():
    slow = CIRCLE[np.rint(399 * np.linspace(0, 1, 200) ** 2).astype(int)]  # speeds up
    waits = np.concatenate([CIRCLE[:200], np.repeat(CIRCLE[200:201], 100, axis=0), CIRCLE[200:]])
    steady = smoothness([CIRCLE]).acceleration[0]
    for path in (slow, waits):
        assert smoothness([path]).acceleration[0] == pytest.approx(steady, rel=0.02)


def test_a_coarse_record_of_a_smooth_motion_is_smooth():
    dense, coarse = (smoothness([path]) for path in (CIRCLE[::3], CIRCLE[::14]))
    assert len(CIRCLE[::14]) < 64 / 2 < len(CIRCLE[::3])
    assert coarse.acceleration[0] == pytest.approx(dense.acceleration[0], rel=0.1)


def test_turning():
    zigzag = np.array([[0, 0], [1, 0], [1, 0], [1, 1], [0, 1], [2, 1]], float)
    assert turning(zigzag) == pytest.approx(np.pi / 2 + np.pi / 2 + np.pi), "and a pause turns nothing"


def test_spectrum_keeps_the_power():
    paths = [jagged(seed) for seed in range(3)]
    spectrum = velocity_spectrum(paths)
    velocity = np.diff([normalise(path) for path in paths], axis=1) * 63
    both = spectrum[0] + 2 * spectrum[1:].sum()  # 63 steps: no frequency of Nyquist
    assert both == pytest.approx(np.square(velocity).sum(2).mean())


def test_auc_by_counting_pairs():
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 8, 23), rng.integers(2, 9, 31)
    pairs = (x[:, None] > y) + 0.5 * (x[:, None] == y)
    assert auc(x, y) == pytest.approx(pairs.mean())
    assert auc(x, y) + auc(y, x) == pytest.approx(1) and auc([3.0], [1.0, 2.0]) == 1


@pytest.mark.parametrize("path", [np.zeros((5, 2)), np.zeros((1, 2)), np.array([[0.0, 0.0], [1.0, np.nan]])])
def test_mistakes(path):
    with pytest.raises(InputError, match="expected"):
        smoothness([path])


def test_the_rest_of_the_way_counts():
    plan = np.linspace([5.0, 0.0], [5.0, 2.0], 30)
    assert length_ratio(np.linspace([5.0, 0.0], [5.0, 1.5], 9), plan) == pytest.approx(1.0)
    detour = np.array([[5.0, 0.0], [7.0, 0.0], [7.0, 2.0], [5.0, 2.0]])
    assert length_ratio(detour, plan) == pytest.approx(3.0)


def test_lengths_do_not_depend_on_company():
    both = smoothness([CIRCLE, jagged()])
    assert both.length[1] == pytest.approx(path_length(jagged()))
    assert smoothness([jagged()]).jerk[0] == both.jerk[1]
    assert len(smoothness([]).jerk) == 0


def test_paths_of_seven_joints():
    """Measures see angles and lengths alone: a plane path laid into seven dimensions keeps its own."""
    axes, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(7, 2)))
    flat, laid = smoothness([CIRCLE, jagged()]), smoothness([CIRCLE @ axes.T + 1, jagged() @ axes.T + 1])
    for plane, joints in zip(flat, laid, strict=True):
        np.testing.assert_allclose(joints, plane, rtol=1e-6)
    power = [velocity_spectrum([path]) for path in (jagged(), jagged() @ axes.T)]
    np.testing.assert_allclose(*power, rtol=1e-6, atol=1e-12)
