"""Medians, ratios and AUCs over training seeds and trials: they cover, and compare what can be compared."""

import numpy as np
import pytest

from align.analysis.statistics.medians import hierarchical_auc, hierarchical_median, hierarchical_ratio


def test_a_ratio_compares_the_trials_that_both_can_do():
    """An arm that succeeds on easy trials alone looks smooth; on shared ones it is twice as rough."""
    rng = np.random.default_rng(0)
    hard = rng.lognormal(0, 1, 200)
    reference = hard * rng.lognormal(0, 0.1, (2, 200))
    values = np.where(hard < 1, 2 * hard * rng.lognormal(0, 0.1, (3, 200)), np.nan)
    assert np.nanmedian(values) < np.median(reference)
    found = hierarchical_ratio(values, reference)
    assert found.low < 2 < found.high and found.high - found.low < 0.3
    brute = [np.log(v) - np.log(r) for v in values for r in reference]
    assert found.value == pytest.approx(np.exp(np.nanmedian(brute)))
    swapped = hierarchical_ratio(reference, values)
    assert swapped.value == pytest.approx(1 / found.value)
    assert hierarchical_ratio(values, np.where(hard < 1, np.nan, reference)) is None


def test_the_interval_of_a_ratio_covers_where_trainings_differ():
    """Two trainings of either arm: were as many drawn as there are, 80 of these intervals would cover."""
    rng, covered = np.random.default_rng(0), 0
    for _ in range(100):
        hard = rng.normal(0, 1, 60)
        arms = [np.exp(hard + rng.normal(0, 0.12, (2, 1)) + rng.normal(0, 0.3, (2, 60))) for _ in range(2)]
        found = hierarchical_ratio(2 * arms[0], arms[1])
        covered += found.low <= 2 <= found.high
    assert covered >= 85


def test_the_interval_of_a_median_covers():
    """Of 60 trials with a third missing, in 100 repetitions about 95 hold the true median."""
    rng, covered = np.random.default_rng(0), 0
    for _ in range(100):
        values = rng.lognormal(0, 1, (1, 60))
        values[rng.random(values.shape) < 1 / 3] = np.nan
        low, high = hierarchical_median(values)[1:]
        covered += low <= 1 <= high
    assert 87 <= covered <= 100
    assert hierarchical_median(np.full((2, 5), np.nan)) is None


def test_intervals_are_as_wide_as_theory_says():
    """Of one training: 3.92 / (2 f √n) for a median where the density f is 0.5; of the AUC, by ranks."""
    n, found = 40, []
    for seed in range(60):
        x, y = np.random.default_rng(seed).exponential(size=(2, n))
        for interval, truth in (
            (hierarchical_median(x[None]), np.log(2)),
            (hierarchical_auc(x[None], y), 0.5),
        ):
            assert interval.low <= interval.value <= interval.high
            found.append((interval.low <= truth <= interval.high, interval.high - interval.low))
    covered, width = np.array(found).reshape(60, 2, 2).transpose(2, 0, 1)
    assert (covered.mean(0) > 0.85).all()
    theory = [3.92 / np.sqrt(n), 3.92 * np.sqrt((2 * n + 1) / (12 * n * n))]
    np.testing.assert_allclose(width.mean(0), theory, rtol=0.15)


def test_an_auc_leaves_out_what_was_not_measured():
    rng = np.random.default_rng(0)
    values, reference = rng.normal(1, 1, (2, 30)), rng.normal(0, 1, 25)
    values[:, ::3] = np.nan
    found = hierarchical_auc(values, reference)
    measured = values[np.isfinite(values)]
    assert found.value == pytest.approx((measured[:, None] > reference).mean())
    assert found.low < found.value < found.high <= 1
    assert hierarchical_auc(np.full((2, 3), np.nan), reference) is None
