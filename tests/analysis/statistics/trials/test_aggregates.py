import numpy as np
import pytest
from scipy import stats

from align.analysis.statistics.trials import aggregates, crossed
from align.errors import InputError

VALUES = [
    [0.8, 0.8, 0.5, 0.3, 0.1, 0.4, 0.4, 0.0, 0.0],
    [1.0, 0.7, 0.2, 0.4, 1.0, 0.9, 0.8, 0.4, 0.5],
    [0.7, 0.1, 0.6, 0.3, 0.9, 0.1, 0.7, 0.9, 0.2],
]
REFERENCE = [
    [0.8, 0.8, 0.0, 0.6, 0.0, 0.5, 0.4, 0.2, 0.3],
    [0.7, 0.3, 0.1, 0.6, 0.4, 0.7, 0.2, 0.3, 0.7],
    [0.5, 0.5, 0.2, 0.0, 0.8, 0.1, 0.8, 0.3, 0.9],
    [0.4, 0.8, 0.5, 0.2, 0.7, 0.6, 0.6, 0.4, 0.2],
]


def test_values_are_those_of_rliable():
    """rliable 1.2: `metrics.aggregate_iqm`, `metrics.probability_of_improvement`, `score_distributions`."""
    assert aggregates.interquartile_mean(VALUES).value == pytest.approx(0.5133333333333333)
    found = aggregates.probability_of_improvement(VALUES, REFERENCE)
    assert found.value == pytest.approx(0.587962962962963)
    profile = [i.value for i in aggregates.performance_profile(VALUES, [0.2, 0.5, 0.8])]
    np.testing.assert_allclose(profile, [20 / 27, 12 / 27, 5 / 27])


def waves(runs, tasks, k):
    a, b = np.arange(runs)[:, None], np.arange(tasks)[None]
    y = np.sin(1.7 * a * k + 0.3) + np.cos(2.3 * b + k) + 0.8 * np.sin(3.1 * a * b + 1.3 * k * b + 0.7 * a)
    y = np.round(y, 3)
    return np.round((y - y.min()) / np.ptp(y), 2)


def test_of_more_runs_and_ties_they_are_rliables_too():
    """rliable 1.2.0: `metrics.aggregate_iqm(x)`, `metrics.probability_of_improvement(x, y)` and, at each τ,
    `library.run_score_deviation(x, τ)`."""
    x, y = waves(5, 24, 4), waves(3, 24, 5)
    assert aggregates.interquartile_mean(x).value == pytest.approx(0.5721666667)
    assert aggregates.probability_of_improvement(x, y).value == pytest.approx(0.5319444444)
    profile = [i.value for i in aggregates.performance_profile(x, np.linspace(0, 1, 6))]
    np.testing.assert_allclose(profile, [0.9916667, 0.875, 0.7416667, 0.4666667, 0.1583333, 0], atol=1e-6)


def test_profiles_of_a_sweep_pool_over_arms_and_thresholds():
    """At two trainings the band of one arm alone is far wider; the pooled one covers."""
    rng, held, width = np.random.default_rng(0), [], []
    for _ in range(100):
        level = rng.normal(0.5, 0.05, (8, 2, 1)) + rng.normal(0, 0.1, (1, 1, 60))
        arms = np.clip(level + rng.normal(0, 0.1, (8, 2, 60)), 0, 1)
        at = [0.4, 0.5, 0.6]
        between = aggregates.profile_scatter(list(arms), at)
        pooled = aggregates.performance_profile(arms[0], at, between=between)
        alone = aggregates.performance_profile(arms[0], at)
        truth = stats.norm.sf((np.array(at) - 0.5) / np.sqrt(0.05**2 + 2 * 0.1**2))
        held += [i.low <= t <= i.high for i, t in zip(pooled, truth, strict=True)]
        width.append(np.mean([[i.high - i.low for i in band] for band in (pooled, alone)], axis=1))
    assert between.df == 8 and 0.92 <= np.mean(held)
    assert np.mean(width, axis=0)[0] < 0.7 * np.mean(width, axis=0)[1]


def covered(make, statistic, truth, repeats=800):
    rng = np.random.default_rng(0)
    found = [statistic(*make(rng)).interval() for _ in range(repeats)]
    return np.mean([i.low <= truth <= i.high for i in found])


def outcomes(rng, trainings=4, trials=60, shared=None):
    shared = rng.normal(size=(1, trials)) if shared is None else shared
    return 0.2 * rng.normal(size=(trainings, 1)) + shared + rng.normal(size=(trainings, trials))


def test_interquartile_mean_covers():
    assert 0.93 <= covered(lambda r: (outcomes(r),), aggregates.interquartile_mean, 0.0) <= 0.985


def test_interquartile_mean_does_not_follow_an_outlier():
    values = outcomes(np.random.default_rng(1))
    far = values.copy()
    far[0, values[0].argmax()] = 1e6
    np.testing.assert_allclose(
        aggregates.interquartile_mean(values).interval(), aggregates.interquartile_mean(far).interval()
    )


def test_probability_of_improvement_covers():
    def pair(rng):
        shared = rng.normal(size=(1, 60))
        return 0.5 + outcomes(rng, shared=shared), outcomes(rng, shared=shared)

    truth = stats.norm.cdf(0.5 / np.sqrt(2 * (1 + 0.04)))
    assert 0.93 <= covered(pair, aggregates.probability_of_improvement, truth) <= 0.985


def test_probability_of_improvement_mirrors_and_counts_ties_half():
    one = aggregates.probability_of_improvement(VALUES, REFERENCE).interval()
    other = aggregates.probability_of_improvement(REFERENCE, VALUES).interval()
    np.testing.assert_allclose(one, (1 - other.value, 1 - other.high, 1 - other.low))
    assert aggregates.probability_of_improvement(VALUES, VALUES).value == pytest.approx(0.5)
    assert aggregates.probability_of_improvement(np.ones((2, 5)), np.ones((3, 5))).value == 0.5


def test_only_the_order_of_outcomes_matters_to_improvement():
    one = aggregates.probability_of_improvement(VALUES, REFERENCE).interval()
    other = aggregates.probability_of_improvement(np.exp(VALUES), np.exp(REFERENCE)).interval()
    np.testing.assert_allclose(one, other)


def test_profile_falls_and_stays_inside():
    profile = aggregates.performance_profile(VALUES, np.linspace(-0.1, 1, 12))
    assert profile[0].value == 1 and profile[-1].value == 0
    assert np.all(np.diff([i.value for i in profile]) <= 0)
    assert all(0 <= i.low <= i.value <= i.high <= 1 for i in profile)


def test_refuses_other_trials():
    with pytest.raises(InputError, match="reference has 3 trials"):
        aggregates.probability_of_improvement(np.ones((2, 4)), np.ones((2, 3)))
    with pytest.raises(InputError, match="values of shape"):
        aggregates.interquartile_mean(np.ones((2, 2, 4)))
    assert crossed.mean(np.ones((2, 2, 4))).value.shape == (2,)
