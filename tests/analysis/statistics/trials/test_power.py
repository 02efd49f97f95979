from statistics import NormalDist

import numpy as np
import pytest

from align.analysis.statistics.trials import crossed, power
from align.errors import InputError

SPREAD = power.Variances(0.03**2, 0.02, 0.04)


def arms(rng, v, trainings, trials, shift, repeats=4000):
    """Two arms of several trainings with these variances, one shifted."""

    def arm(mean, n):
        return (
            mean
            + np.sqrt(v.training) * rng.normal(size=(repeats, n, 1))
            + np.sqrt(v.trial / 2) * rng.normal(size=(repeats, 1, trials))
            + np.sqrt(v.rest) * rng.normal(size=(repeats, n, trials))
        )

    return arm(shift, trainings[0]), arm(0, trainings[1])


@pytest.mark.parametrize("trainings", [(2, 2), (3, 3), (2, 6)])
def test_the_detectable_difference_is_detected_in_four_of_five(trainings):
    shift = power.detectable_difference(SPREAD, trainings[0], 100, trainings[1])
    a, b = arms(np.random.default_rng(0), SPREAD, trainings, 100, shift)
    assert np.mean(crossed.difference(a, b).interval().low > 0) == pytest.approx(0.8, abs=0.03)


def test_many_trials_and_one_training_are_the_textbook_formula():
    z = NormalDist().inv_cdf
    found = power.detectable_difference(power.Variances(0, 0, 0.5), 1, 20_000)
    assert found == pytest.approx((z(0.975) + z(0.8)) / np.sqrt(20_000), rel=1e-3)


def test_what_the_recorded_scatter_allows():
    """SD .033 between trainings, pooled over 17 arms of two: about .1 with two, eleven trainings for .04."""
    v = power.Variances.of_runs(0.033, 0)
    assert 0.09 < power.detectable_difference(v, 2, 150, pooled_df=17) < 0.1
    assert 10 <= power.trainings_needed(0.04, v, 150, pooled_arms=17) <= 12
    assert power.trials_needed(0.04, v, 2, pooled_df=17) is None  # no number of trials helps


def test_the_fewest_are_enough_and_one_fewer_is_not():
    n = power.trials_needed(0.1, SPREAD, 4)
    assert power.power(0.1, SPREAD, 4, n) >= 0.8 > power.power(0.1, SPREAD, 4, n - 1)
    k = power.trainings_needed(0.06, SPREAD, 100)
    assert power.power(0.06, SPREAD, k, 100) >= 0.8 > power.power(0.06, SPREAD, k - 1, 100)
    pooled = [power.trainings_needed(0.08, SPREAD, 100, pooled_arms=arms) for arms in (2, 9)]
    assert pooled[1] < pooled[0], "trainings of nine arms tell more of the scatter than those of two"
    of_nine = [power.power(0.08, SPREAD, n, 100, pooled_df=9 * (n - 1)) for n in (pooled[1], pooled[1] - 1)]
    assert of_nine[0] >= 0.8 > of_nine[1]


def test_more_of_anything_detects_less():
    least = power.detectable_difference
    assert least(SPREAD, 3, 100) > least(SPREAD, 4, 100) > least(SPREAD, 4, 200)
    assert least(SPREAD, 3, 100) > least(SPREAD, 3, 100, reference_trainings=9)
    assert least(SPREAD, 3, 100) > least(SPREAD, 3, 100, pooled_df=30)
    assert least(SPREAD, 3, 100, at_power=0.9) > least(SPREAD, 3, 100)
    assert power.power(0.0, SPREAD, 3, 100) == pytest.approx(0.025, abs=0.006)


def test_variances_are_recovered():
    a, b = arms(np.random.default_rng(0), SPREAD, (3, 2), 200, 0.1, repeats=60)
    found = np.mean([power.variances(x, y) for x, y in zip(a, b, strict=True)], axis=0)
    np.testing.assert_allclose(found[1:], SPREAD[1:], rtol=0.05)
    assert 0.0005 < found[0] < 0.0016
    one = power.variances(a[0][:1], b[0][:1])
    assert one.training == one.trial == 0 and one.rest == pytest.approx(
        SPREAD.rest + SPREAD.trial / 2, rel=0.3
    )


def test_refuses_impossible_plans():
    with pytest.raises(InputError, match="trainings=0"):
        power.power(0.1, SPREAD, 0, 10)
    with pytest.raises(InputError, match="at_power=1"):
        power.detectable_difference(SPREAD, 2, 10, at_power=1)
    with pytest.raises(InputError, match="reference of shape"):
        power.variances(np.ones((2, 4)), np.ones((2, 5)))
