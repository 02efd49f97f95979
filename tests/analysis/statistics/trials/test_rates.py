import numpy as np
import pytest
from scipy import special

from align.analysis.statistics import intervals
from align.analysis.statistics.trials import crossed, rates
from align.errors import InputError


def successes(rng, rates_, repeats, trainings, trials, training=0.1, trial=0.3):
    """Successes of each arm, on shared trials; `training` and `trial` are shares of a latent variance."""
    shared = rng.normal(size=(repeats, 1, trials))
    arms = []
    for rate in rates_:
        latent = np.sqrt(trial) * shared + np.sqrt(training) * rng.normal(size=(repeats, trainings, 1))
        rest = np.sqrt(1 - training - trial) * rng.normal(size=(repeats, trainings, trials))
        arms.append((latent + rest < special.ndtri(rate)).astype(float))
    return arms


def covered(interval, truth):
    return float(np.mean((interval.low <= truth) & (truth <= interval.high)))


def test_one_training_is_wilsons_interval_with_students_quantile():
    values = np.array([[1.0] * 30 + [0.0] * 170])
    low, high = rates.rate(values)[1:]
    wide, z = intervals.wilson(30, 200), 1.959964
    assert low == pytest.approx(wide.low, abs=0.002) and high == pytest.approx(wide.high, abs=0.002)
    assert low < wide.low and high > wide.high  # Student's quantile, and the sample's variance
    p = np.array([low, high])
    t = crossed.mean(values).critical()
    np.testing.assert_allclose((0.15 - p) ** 2, t**2 * p * (1 - p) / 199, rtol=1e-6)
    assert t > z


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_no_success_or_no_failure_still_has_an_interval(value):
    value_, low, high = rates.rate(np.full((2, 50), value))
    assert value_ == value and 0 <= low <= value <= high <= 1
    assert 0.05 < high - low < 0.1  # the rule of three says .06
    difference = rates.rate_difference(np.full((2, 50), value), np.full((3, 50), value))
    assert difference.value == 0 and difference.low < -0.05 and difference.high > 0.05


def test_success_and_failure_mirror_each_other():
    (a, b) = successes(np.random.default_rng(0), (0.1, 0.3), 20, 2, 40)
    one, other = rates.rate(a), rates.rate(1 - a)
    np.testing.assert_allclose(one, (1 - other.value, 1 - other.high, 1 - other.low), atol=1e-9)
    one, other = rates.rate_difference(a, b), rates.rate_difference(1 - b, 1 - a)
    np.testing.assert_allclose(one, other, atol=1e-9)
    swapped = rates.rate_difference(b, a)
    np.testing.assert_allclose(one, (-swapped.value, -swapped.high, -swapped.low), atol=1e-9)


@pytest.mark.parametrize("rate", [0.02, 0.1, 0.5, 0.98])
@pytest.mark.parametrize("trainings", [2, 5])
def test_rates_cover_near_0_and_1(rate, trainings):
    (values,) = successes(np.random.default_rng(3), (rate,), 3000, trainings, 150)
    assert 0.93 <= covered(rates.rate(values), rate) <= 0.995
    if rate in (0.02, 0.98):  # what Student's interval of a rate does
        assert covered(crossed.mean(values).interval(), rate) < 0.945


@pytest.mark.parametrize("pair", [(0.02, 0.02), (0.1, 0.05), (0.6, 0.5), (0.98, 0.9)])
@pytest.mark.parametrize("pooled", [True, False])
def test_differences_of_rates_cover(pair, pooled):
    arms = successes(np.random.default_rng(4), (*pair, 0.1, 0.3, 0.5, 0.7), 2000, 2, 100, 0.05)
    between = crossed.between_trainings(arms, relative=True) if pooled else None
    found = rates.rate_difference(arms[0], arms[1], between)
    assert 0.93 <= covered(found, pair[0] - pair[1]) <= 0.999
    assert np.all(found.low <= found.value) and np.all(found.value <= found.high)
    assert found.low.min() >= -1 and found.high.max() <= 1


def test_in_the_middle_it_is_the_interval_of_crossed():
    a, b = successes(np.random.default_rng(0), (0.5, 0.45), 1, 3, 2000, training=0)
    np.testing.assert_allclose(
        np.squeeze(rates.rate_difference(a, b)), np.squeeze(crossed.difference(a, b).interval()), atol=2e-3
    )


def test_p_value_and_interval_agree():
    """Also where nothing varies within the arms, which is no certainty."""
    rng = np.random.default_rng(0)
    full = [np.full((i, 12), x) for i in (1, 2) for x in (0.0, 0.25, 1.0)]
    random = [(rng.uniform(size=(i, 12)) < r).astype(float) for i in (1, 2, 3) for r in (0.1, 0.5, 0.9)]
    pool = crossed.between_trainings(random, relative=True)
    shown, borderline = 0, 0
    for a, b in [(a, b) for a in full + random for b in full + random]:
        for between in (None, pool):
            p = rates.difference_p_value(a, b, between)
            alone = rates.rate_difference(a, b, between)
            assert (p < 0.05) == (alone.low > 0 or alone.high < 0)
            if 1e-12 < p < 1:
                just = rates.rate_difference(a, b, between, 1 - p)
                assert min(abs(just.low), abs(just.high)) < 1e-6
            shown += p < 0.05
            borderline += (crossed.difference(a, b, between).p_value() < 0.05) != (p < 0.05)
    assert shown > 50 and borderline, "the p-value of Student's interval disagrees with this one"
    assert rates.difference_p_value(full[0], full[0]) == 1 and rates.difference_p_value(full[0], full[2]) > 0
    many = [np.stack([x] * 3) for x in (random[4], random[3])]
    np.testing.assert_allclose(
        rates.difference_p_value(*many), [rates.difference_p_value(random[4], random[3])] * 3
    )


def test_type_one_errors_of_differences():
    """Where rates are equal, p < 5 % and p < 1 % in no more than so many."""
    arms = successes(np.random.default_rng(5), [0.3] * 6, 3000, 2, 60, 0.02)
    p = rates.difference_p_value(arms[0], arms[1], crossed.between_trainings(arms, relative=True))
    assert 0.01 < np.mean(p < 0.05) < 0.06 and np.mean(p < 0.01) < 0.015


@pytest.mark.parametrize("starts", [2, 3, 5, 8])
@pytest.mark.parametrize("levels", [2, 100])
def test_few_shared_starts_show_no_difference_that_is_none(starts, levels):
    """Partial credit of two policies alike, one training each, some starts harder than others."""
    rng = np.random.default_rng(6)
    hard = rng.normal(size=(1, 3000, 1, starts))
    a, b = np.round(levels / (1 + np.exp(-hard - rng.normal(size=(2, 3000, 1, starts))))) / levels
    found = rates.rate_difference(a, b)
    assert np.mean((found.low > 0) | (found.high < 0)) < 0.06
    assert found.low.min() >= -1 and found.high.max() <= 1
    if starts > 3:
        np.testing.assert_array_equal(
            rates.difference_p_value(a, b) < 0.05, (found.low > 0) | (found.high < 0)
        )


def test_refuses_outcomes_that_are_no_rates():
    with pytest.raises(InputError, match="values from 0 to 2"):
        rates.rate([[0, 2], [1, 1]])
    with pytest.raises(InputError, match="reference from -1"):
        rates.rate_difference([[0, 1]], [[-1, 1]])
