"""MMD² of windows in episodes, and its bandwidths."""

import numpy as np
import pytest
import torch
from scipy.spatial.distance import pdist

from align.alignment import MMD
from align.analysis.statistics import two_sample
from align.analysis.statistics.two_sample import median_bandwidth, mmd2, pooled_bandwidth


def _windows(sim: int, real: int, gap: float, seed: int = 0, per_episode: int = 5):
    """Episodes of windows about a place of their own; the domains lie `gap` apart in each of 8 dimensions."""
    rng = np.random.default_rng(seed)
    label = np.repeat([0] * sim + [1] * real, per_episode)
    cluster = np.repeat(np.arange(sim + real), per_episode)
    x = rng.normal(0, 0.5, (sim + real, 8))[cluster] + rng.normal(0, 1, (len(label), 8))
    return x + gap * label[:, None], label, cluster


def test_median_bandwidth_is_that_of_training():
    x, label, _ = _windows(6, 3, 2.0)
    objective = MMD()
    objective(*(torch.from_numpy(x[label == k]) for k in (0, 1)))
    assert median_bandwidth(x, label) == pytest.approx(float(objective.sigma2), rel=0.01)


def test_median_bandwidth_of_many_windows_is_that_of_some(monkeypatch):
    x, label, _ = _windows(60, 20, 2.0)
    whole = median_bandwidth(x, label)
    monkeypatch.setattr(two_sample, "MEDIAN_WINDOWS", 150)
    assert median_bandwidth(x, label) == pytest.approx(whole, rel=0.1) and median_bandwidth(x, label) != whole


@pytest.mark.parametrize("gap", [0.5, 2.0, 8.0])
def test_mmd2_of_the_same_distributions_hangs_little_on_the_numbers_of_episodes(gap, monkeypatch):
    monkeypatch.setattr(two_sample, "DRAWS", 1)

    def average(real: int) -> float:
        return np.mean([mmd2(*_windows(40, real, gap, seed))[0] for seed in range(4)])

    equal = average(40)
    for real in (30, 20, 5):
        assert average(real) == pytest.approx(equal, rel=0.03, abs=0.015)


def test_pooled_bandwidth_is_the_mean_squared_distance():
    x, _, _ = _windows(4, 3, 1.0)
    assert pooled_bandwidth(x) == pytest.approx(np.mean(pdist(x) ** 2))
    assert (
        pooled_bandwidth(np.ones((5, 2)))
        == 1.0
        == median_bandwidth(np.ones((5, 2)), np.array([0, 1, 1, 0, 1]))
    )
