"""Warping against recursion over all paths, and on sequences whose path is known."""

from functools import cache
from itertools import pairwise

import numpy as np
import pytest

from align.data import warping
from align.data.warping import warp


def brute_force(x, y) -> float:
    @cache
    def best(i, j):
        before = [best(a, b) for a, b in ((i - 1, j - 1), (i - 1, j), (i, j - 1)) if a >= 0 and b >= 0]
        return float(np.linalg.norm(x[i] - y[j])) + min(before, default=0.0)

    return best(len(x) - 1, len(y) - 1)


def sequences(seed, n=60, longest=9, dimension=3):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(rng.integers(1, longest + 1), dimension)) for _ in range(n)]


def path_of(result, b, n):
    """Cells (i, j) of pair b: between the first and the last step, the path takes all."""
    return [(i, j) for i in range(n) for j in range(result.first[b, i], result.last[b, i] + 1)]


@pytest.mark.parametrize("chunk", [512, 7])
def test_costs_are_those_of_the_recursion(monkeypatch, chunk):
    monkeypatch.setattr(warping, "CHUNK", chunk)
    x, y = sequences(0), sequences(1)
    expected = [brute_force(a, b) for a, b in zip(x, y, strict=True)]
    np.testing.assert_allclose(warp(x, y).cost, expected, rtol=1e-12)


def test_paths_are_admissible_and_cost_what_is_said():
    x, y = sequences(2), sequences(3)
    result = warp(x, y)
    for b, (a, c) in enumerate(zip(x, y, strict=True)):
        path = path_of(result, b, len(a))
        assert path[0] == (0, 0) and path[-1] == (len(a) - 1, len(c) - 1)
        advances = {(i - k, j - m) for (k, m), (i, j) in pairwise(path)}
        assert advances <= {(0, 1), (1, 0), (1, 1)}
        assert len(path) == result.length[b]
        assert sum(np.linalg.norm(a[i] - c[j]) for i, j in path) == pytest.approx(result.cost[b])


def test_the_cost_is_that_of_both_reversed_and_of_both_exchanged():
    x, y = sequences(4), sequences(5)
    cost = warp(x, y).cost
    np.testing.assert_allclose(warp(y, x).cost, cost)
    np.testing.assert_allclose(warp([v[::-1] for v in x], [v[::-1] for v in y]).cost, cost)


def test_a_sequence_is_aligned_with_itself_step_by_step():
    x = sequences(6, longest=30)
    result = warp(x, x)
    assert not result.cost.any()
    for b, values in enumerate(x):
        assert result.first[b, : len(values)].tolist() == result.last[b, : len(values)].tolist()
        assert result.first[b, : len(values)].tolist() == list(range(len(values)))


def test_a_stretched_copy_is_at_distance_zero_and_the_path_finds_the_copies():
    rng = np.random.default_rng(7)
    x = rng.normal(size=(25, 2))
    repeats = rng.integers(1, 5, 25)
    result = warp([x, x], [np.repeat(x, repeats, axis=0), x])
    assert result.cost.tolist() == [0, 0] and result.length.tolist() == [repeats.sum(), 25]
    ends = np.cumsum(repeats)
    assert result.first[0].tolist() == (ends - repeats).tolist()
    assert result.last[0].tolist() == (ends - 1).tolist()


def test_a_curve_at_another_speed_is_near_and_its_phase_is_found():
    def curve(phase):
        return np.stack([np.cos(3 * phase), np.sin(2 * phase)], axis=1)

    slow, fast = np.linspace(0, 1, 90), np.linspace(0, 1, 40) ** 1.5
    result = warp([curve(slow)] * 2, [curve(fast), curve(1 - fast)])
    mean = result.cost / result.length
    assert mean[0] < 0.03 < 0.3 < mean[1]
    middle = (result.first[0] + result.last[0]) // 2
    assert np.abs(fast[middle] - slow).max() < 0.05
