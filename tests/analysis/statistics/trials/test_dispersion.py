"""Statistics with an interval a training: pooled over a sweep's arms, their mean over trainings covers."""

import numpy as np
import pytest
from scipy import stats

from align.analysis.statistics.intervals import Interval
from align.analysis.statistics.trials.dispersion import Dispersion, dispersion, over_trainings


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
        found = [over_trainings(arm, dispersion(made)) for arm in made]
        held += [i.low <= 0 <= i.high for i in found]
    assert 0.935 <= np.mean(held) <= 0.985


def test_the_factor_is_students():
    """Where episodes tell nothing, it is Student's interval of the trainings' values."""
    values = np.array([0.1, 0.3, 0.8])
    runs = [Interval(v, v - 1e-6, v + 1e-6) for v in values]
    found = over_trainings(runs, dispersion([runs]))
    np.testing.assert_allclose(found[1:], stats.ttest_1samp(values, 0).confidence_interval(), rtol=1e-4)


def test_one_training_has_its_own_interval_and_that_of_others_where_they_are_known():
    run = [Interval(0.9, 0.8, 0.95)]
    assert dispersion([run, run]) is None
    assert over_trainings(run) == pytest.approx(run[0])
    wider = over_trainings(run, Dispersion(3.0, 9.0), (0.0, 1.0))
    assert wider.low < 0.8 and 0.95 < wider.high <= 1
    sure = [Interval(1.0, 1.0, 1.0)] * 2  # no width: it tells nothing of the others' scatter
    assert dispersion([sure]) is None and over_trainings(sure, Dispersion(3.0, 9.0)) == (1, 1, 1)
