"""Statistics with an interval a training: pooled over a sweep's arms, their mean over trainings covers."""

import numpy as np
import pytest
from scipy import stats

from align.analysis.statistics.intervals import Interval
from align.analysis.statistics.trials.dispersion import Dispersion, of_each_arm, over_trainings


def arms(rng, number, trainings, factor, deviations):
    """Runs whose own intervals are right of the episodes, which they share, and which differ besides."""
    made = []
    for deviation in deviations[:number]:
        luck = rng.normal(0, deviation)
        values = luck + rng.normal(0, np.sqrt(factor) * deviation, trainings)
        half = 1.96 * deviation
        made.append([Interval(v, v - half, v + half) for v in values])
    return made


@pytest.mark.parametrize("factor", [0.0, 1.0, 8.0])  # image AUCs of the recorded sweeps: 5 to 9
def test_the_mean_over_trainings_covers_on_any_scale(factor):
    """Two normal quantiles of two trainings cover 85 % where trainings differ eight times as much."""
    rng, held, deviations = np.random.default_rng(0), [], np.geomspace(0.001, 0.3, 10)
    for _ in range(300):
        made = arms(rng, 10, 2, factor, deviations)
        found = [*map(over_trainings, made, of_each_arm(made))]
        held += [i.low <= 0 <= i.high for i in found]
    assert 0.935 <= np.mean(held) <= 0.985


def test_the_factor_is_students():
    """Where episodes tell nothing, it is Student's interval of the trainings' values."""
    values = np.array([0.1, 0.3, 0.8])
    runs = [Interval(v, v - 1e-6, v + 1e-6) for v in values]
    found = over_trainings(runs, *of_each_arm([runs]))
    np.testing.assert_allclose(found[1:], stats.ttest_1samp(values, 0).confidence_interval(), rtol=1e-4)


def test_one_training_has_its_own_interval_and_that_of_others_where_they_are_known():
    run = [Interval(0.9, 0.8, 0.95)]
    assert of_each_arm([run, run]) == [None, None]
    assert over_trainings(run) == pytest.approx(run[0])
    wider = over_trainings(run, Dispersion(3.0, 9.0), (0.0, 1.0))
    assert wider.low < 0.8 and 0.95 < wider.high <= 1
    sure = [Interval(1.0, 1.0, 1.0)] * 2  # no width: it tells nothing of the others' scatter
    assert of_each_arm([sure]) == [None] and over_trainings(sure, Dispersion(3.0, 9.0)) == (1, 1, 1)


def test_an_arm_that_scatters_far_more_is_judged_by_itself_and_widens_no_other():
    """As trainings of which some still tell the domains apart and some do not, beside arms that all do."""
    rng, held, others, pooled = np.random.default_rng(1), [], [], []
    for _ in range(400):
        made = arms(rng, 4, 5, 1.0, np.full(4, 0.002)) + arms(rng, 1, 5, 50.0, [0.02])
        *calm, wild = map(over_trainings, made, of_each_arm(made))
        held.append(wild.low <= 0 <= wild.high)
        others += [i.low <= 0 <= i.high for i in calm]
        factors = [
            np.var([run.value for run in arm], ddof=1) / (arm[0].high - arm[0].low) ** 2 for arm in made
        ]
        alike = Dispersion(float(np.mean(factors)) * 3.92**2, 20.0)
        own = over_trainings(made[-1], alike)
        pooled.append(own.low <= 0 <= own.high)
    assert 0.92 <= np.mean(held) <= 0.98 and 0.93 <= np.mean(others) <= 0.98 and np.mean(pooled) < 0.8


def test_arms_at_the_end_of_the_scale_tell_nothing_of_the_others():
    """As recorded over λ: AUCs of 1 in all trainings but one; at λ = 10 two of five are near chance."""
    saturated = [Interval(1.0, 0.9922, 1.0)] * 5
    near = [*saturated[:4], Interval(0.99997, 0.9922, 1.0)]
    wild = [Interval(v, v - 0.06, min(v + 0.06, 1.0)) for v in (0.586, 0.718, 0.988, 0.999, 1.0)]
    *calm, own = of_each_arm([saturated, saturated, saturated, near, wild])
    assert len(set(calm)) == 1 and calm[0].df == own.df == 4 and own.factor > 20 > 1e-3 > calm[0].factor > 0
    found = over_trainings(wild, own)
    alone = stats.ttest_1samp([run.value for run in wild], 0).confidence_interval()
    assert found.low < alone.low and found.high > alone.high
    assert all(over_trainings(arm, calm[0]).low > 0.99 for arm in (saturated, near))


@pytest.mark.parametrize("trainings", [2, 5])
def test_arms_that_scatter_alike_are_seldom_judged_by_themselves(trainings):
    """Also beside arms at the end of the scale, which have no scatter."""
    rng, aside = np.random.default_rng(0), []
    for _ in range(400):
        made = [[Interval(1.0, 0.99, 1.0)] * trainings] * 6 + arms(rng, 4, trainings, 2.0, np.full(4, 0.01))
        aside.append(len(set(of_each_arm(made))) > 1)
    assert np.mean(aside) < 0.03
