import numpy as np
import pytest
from scipy import stats

from align.analysis.statistics import intervals
from align.analysis.statistics.intervals import Interval
from align.errors import InputError


@pytest.mark.parametrize(("x", "n"), [(0, 10), (3, 10), (10, 10), (87, 200)])
def test_wilson_agrees_with_scipy(x, n):
    expected = stats.binomtest(x, n).proportion_ci(0.95, method="wilson")
    np.testing.assert_allclose(intervals.wilson(x, n), (x / n, *expected), atol=1e-12)


def test_wilson_of_arrays_and_of_no_trials():
    found = intervals.wilson([0, 2], [0, 4])
    assert np.isnan(found.value[0]) and found.low[0] == 0 and found.high[0] == 1
    np.testing.assert_allclose([x[1] for x in found], intervals.wilson(2, 4))


@pytest.mark.parametrize(("x", "n"), [(-1, 4), (5, 4)])
def test_wilson_refuses_impossible_counts(x, n):
    with pytest.raises(InputError, match="successes"):
        intervals.wilson(x, n)


def test_bootstrap_mean_agrees_with_the_normal_interval_of_many_values(monkeypatch):
    monkeypatch.setattr(intervals, "DRAWS", 20_000)
    values = np.random.default_rng(0).normal(3, 2, size=400)
    found = intervals.bootstrap_mean(values)
    half = 1.96 * values.std(ddof=1) / np.sqrt(400)
    np.testing.assert_allclose(found, (values.mean(), values.mean() - half, values.mean() + half), atol=0.02)


def test_bootstraps_are_deterministic():
    values = np.random.default_rng(0).normal(size=(3, 20))
    assert intervals.hierarchical_mean(values) == intervals.hierarchical_mean(values)
    assert intervals.bootstrap_mean(values[0]) == intervals.bootstrap_mean(values[0])


def test_bootstrap_mean_of_one_value_claims_no_spread():
    value, low, high = intervals.bootstrap_mean([0.4])
    assert value == 0.4 and np.isnan([low, high]).all()


def test_bounds_are_kept():
    found = intervals.hierarchical_mean([[1, 1, 0, 1], [0, 0, 0, 0]], bounds=(0, 1))
    assert 0 <= found.low <= found.value <= found.high <= 1


@pytest.mark.parametrize("values", [[], [[]], [[1, np.nan]], [1, 2]])
def test_hierarchical_mean_refuses_what_is_not_a_finite_table(values):
    with pytest.raises(InputError, match="values"):
        intervals.hierarchical_mean(values)


def _coverage(interval_of, truth, repeats=150):
    found = [interval_of(np.random.default_rng(i)) for i in range(repeats)]
    return np.mean([f.low <= truth <= f.high for f in found])


def test_hierarchical_mean_covers_crossed_seeds_and_trials(monkeypatch):
    """8 trainings on 30 shared trials; treating the 240 outcomes as independent would cover far less."""
    monkeypatch.setattr(intervals, "DRAWS", 400)

    def outcomes(rng):
        return rng.normal(0, 1, (8, 1)) + rng.normal(0, 1, (1, 30)) + rng.normal(0, 1, (8, 30))

    hierarchical = _coverage(lambda r: intervals.hierarchical_mean(outcomes(r)), 0.0)
    naive = _coverage(lambda r: intervals.bootstrap_mean(outcomes(r).ravel()), 0.0)
    assert 0.85 <= hierarchical <= 0.995
    assert naive < 0.6


def test_hierarchical_mean_covers_two_seeds_when_trials_dominate(monkeypatch):
    monkeypatch.setattr(intervals, "DRAWS", 400)
    coverage = _coverage(lambda r: intervals.hierarchical_mean(r.normal(size=(2, 30))), 0.0)
    assert coverage >= 0.93


def test_one_training_seed_leaves_the_bootstrap_over_trials(monkeypatch):
    monkeypatch.setattr(intervals, "DRAWS", 8000)
    trials = np.random.default_rng(0).uniform(size=60)
    a = intervals.hierarchical_mean(trials[None])
    b = intervals.bootstrap_mean(trials)
    np.testing.assert_allclose(a, b, atol=0.005)


def test_hierarchical_rate_is_never_narrower_than_wilson():
    found = intervals.hierarchical_rate(np.zeros((2, 20)))
    assert found.low == 0 and found.high == pytest.approx(intervals.wilson(0, 40).high)


def test_pairing_removes_what_trials_share():
    rng = np.random.default_rng(0)
    hard = rng.normal(0, 5, size=(1, 40))  # dominates everything else
    reference = hard + rng.normal(0, 0.1, size=(3, 40))
    arm = hard + 1 + rng.normal(0, 0.1, size=(2, 40))
    found = intervals.paired_difference(arm, reference)
    assert 0.9 < found.low <= found.value <= found.high < 1.1
    shuffled = intervals.paired_difference(rng.permuted(arm, axis=1), reference)
    assert shuffled.high - shuffled.low > 10 * (found.high - found.low)


def test_paired_difference_needs_the_same_trials():
    with pytest.raises(InputError, match="reference has 3 trials"):
        intervals.paired_difference(np.ones((2, 4)), np.ones((2, 3)))


def test_across_seeds_combines_seed_spread_and_episode_luck():
    run = Interval(0.6, 0.5, 0.65)
    np.testing.assert_allclose(intervals.across_seeds([run]), run)
    np.testing.assert_allclose(intervals.across_seeds([run, run]), run)  # the episodes are shared
    apart = intervals.across_seeds([Interval(0.5, 0.5, 0.5), Interval(0.7, 0.7, 0.7)])
    np.testing.assert_allclose(apart, (0.6, 0.6 - 1.96 * 0.1, 0.6 + 1.96 * 0.1), atol=1e-3)
    with pytest.raises(InputError, match="runs"):
        intervals.across_seeds([])


def test_an_interval_survives_json():
    interval = Interval(0.5, np.nan, 0.75)
    assert interval.as_dict()["low"] is None
    np.testing.assert_equal(Interval.from_dict(interval.as_dict()), interval)
