import numpy as np
import pytest
from scipy import stats

from align.analysis.statistics.trials import crossed
from align.analysis.statistics.trials.variance_components import of_each_arm, scattered, set_aside, together
from align.errors import InputError


def tables(rng, repeats, trainings, trials, training, trial, rest):
    """Outcomes (repeats, trainings, trials) of mean zero with the given standard deviations."""
    return (
        training * rng.normal(size=(repeats, trainings, 1))
        + trial * rng.normal(size=(repeats, 1, trials))
        + rest * rng.normal(size=(repeats, trainings, trials))
    )


def covered(interval, truth=0.0):
    return float(np.mean((interval.low <= truth) & (truth <= interval.high)))


def test_mean_squares_agree_with_analysis_of_variance():
    """Against statsmodels 0.15: `anova_lm(ols("y ~ C(training) + C(trial)", frame).fit())`, and the standard
    error of the mean of `MixedLM` with both as variance components, by REML."""
    values = [[3.1, 2.0, 4.4, 1.7], [2.2, 2.5, 5.0, 0.9], [4.0, 3.3, 4.1, 2.8]]
    found = crossed.components(values)
    np.testing.assert_allclose(found[3:], (0.93, 3.86, 0.4766667), rtol=1e-6)
    assert np.sqrt(crossed.mean(values).variance) == pytest.approx(0.599535, abs=1e-5)


PEERS = {  # trainings, trials, data: mean, variances of training, trial and rest, standard error
    (2, 12, 1): (0.67558333, 0.09904145, 0.42678090, 0.38333648, 0.31789645),
    (3, 20, 2): (0.12731667, 0.43758826, 0.71559785, 0.25102452, 0.43107585),
    (5, 15, 3): (-0.13432000, 0.54211970, 0.64768001, 0.25681767, 0.39373448),
}


@pytest.mark.parametrize("size", PEERS)
def test_components_and_standard_errors_are_those_of_a_mixed_model(size):
    """statsmodels 0.15.0, by REML, of a frame with a row an outcome and `one` = 1:
    `mixedlm("y ~ 1", frame, groups="one", vc_formula={"training": "0+C(training)", "trial": "0+C(trial)"})
    .fit(reml=True)`, its `fe_params`, `vcomp`, `scale` and `bse_fe`."""
    trainings, trials, k = size
    a, b = np.arange(trainings)[:, None], np.arange(trials)[None]
    waves = (
        np.sin(1.7 * a * k + 0.3) + np.cos(2.3 * b + k) + 0.8 * np.sin(3.1 * a * b + 1.3 * k * b + 0.7 * a)
    )
    values = np.round(waves, 3)
    c, (mean, training, trial, rest, error) = crossed.components(values), PEERS[size]
    found = (c.ms_training - c.ms_rest) / trials, (c.ms_trial - c.ms_rest) / trainings, c.ms_rest
    np.testing.assert_allclose((c.mean, *found), (mean, training, trial, rest), rtol=1e-4)
    assert np.sqrt(crossed.mean(values).variance) == pytest.approx(error, rel=1e-4)


@pytest.mark.parametrize("trainings", [2, 3, 5])
@pytest.mark.parametrize("training", [0.03, 0.15, 2.0])
def test_type_one_errors(trainings, training):
    """Where nothing differs, p < 5 % and p < 1 % in no more than so many."""
    rng = np.random.default_rng(trainings)
    shared = rng.normal(size=(4000, 1, 50))
    arm, other = (shared + tables(rng, 4000, trainings, 50, training, 0.3, 0.7) for _ in range(2))
    for p in (crossed.mean(arm).p_value(), crossed.difference(arm, other).p_value()):
        assert 0.001 <= np.mean(p < 0.05) <= 0.065 and np.mean(p < 0.01) <= 0.016


def test_components_are_recovered():
    values = tables(np.random.default_rng(0), 4000, 3, 20, 0.5, 1.0, 0.8)
    found = crossed.components(values)
    assert np.mean(found.ms_training) == pytest.approx(0.64 + 20 * 0.25, rel=0.05)
    assert np.mean(found.ms_trial) == pytest.approx(0.64 + 3, rel=0.05)
    assert np.mean(found.ms_rest) == pytest.approx(0.64, rel=0.05)


def test_one_training_is_students_interval_over_trials_and_says_so():
    values = np.random.default_rng(0).normal(size=(1, 20))
    found = crossed.mean(values)
    expected = stats.ttest_1samp(values[0], 0).confidence_interval(0.9)
    np.testing.assert_allclose(found.interval(0.9)[1:], expected)
    assert found.lone and np.isnan(found.df_trainings)
    assert not crossed.mean(np.vstack([values, values + 1])).lone


def test_one_training_a_side_is_the_paired_t_test():
    a, b = np.random.default_rng(0).normal(size=(2, 1, 30))
    found = crossed.difference(a, b)
    test = stats.ttest_rel(a[0], b[0])
    assert found.p_value() == pytest.approx(test.pvalue, rel=1e-6)
    np.testing.assert_allclose(found.interval()[1:], test.confidence_interval())


def test_trainings_that_dominate_leave_students_interval_of_their_means():
    rng = np.random.default_rng(0)
    values = 100 * rng.normal(size=(3, 1)) + rng.normal(size=(3, 50))
    reference = 100 * rng.normal(size=(4, 1)) + rng.normal(size=(4, 50))
    means = values.mean(1), reference.mean(1)
    expected = stats.ttest_1samp(means[0], 0).confidence_interval()
    np.testing.assert_allclose(crossed.mean(values).interval()[1:], expected, rtol=1e-3)
    unpaired = stats.ttest_ind(*means)
    found = crossed.difference(values, reference)
    np.testing.assert_allclose(found.interval()[1:], unpaired.confidence_interval(), rtol=1e-3)
    assert found.p_value() == pytest.approx(unpaired.pvalue, rel=1e-3)


def test_p_value_and_interval_agree():
    values = tables(np.random.default_rng(0), 5, 3, 12, 1, 1, 1) + 1
    found = crossed.mean(values)
    for i, p in enumerate(found.p_value(0.3)):
        one = crossed.mean(values[i])
        ends = one.interval(1 - p)
        assert min(abs(ends.low - 0.3), abs(ends.high - 0.3)) < 1e-6
    assert found.p_value(found.value) == pytest.approx(1)


def test_nothing_varies():
    found = crossed.mean(np.full((2, 5), 0.5))
    assert found.interval() == (0.5, 0.5, 0.5)
    assert found.p_value(0.5) == 1 and found.p_value(0.4) == 0


def test_order_of_trainings_and_trials_does_not_matter():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(3, 15)), rng.normal(size=(2, 15))
    expected = crossed.difference(a, b).interval()
    order = rng.permutation(15)
    found = crossed.difference(a[::-1][:, order], b[::-1][:, order]).interval()
    np.testing.assert_allclose(found, expected)
    np.testing.assert_allclose(crossed.difference(b, a).interval(), -np.array(expected)[[0, 2, 1]])


def test_pairing_removes_what_trials_share():
    rng = np.random.default_rng(0)
    hard = rng.normal(0, 5, size=(1, 40))
    arm, reference = 1 + hard + rng.normal(size=(3, 40)) / 10, hard + rng.normal(size=(2, 40)) / 10
    found = crossed.difference(arm, reference).interval()
    shuffled = crossed.difference(rng.permuted(arm, axis=1), reference).interval()
    assert 0.8 < found.low <= 1 <= found.high < 1.2
    assert shuffled.high - shuffled.low > 5 * (found.high - found.low)


@pytest.mark.parametrize("trainings", [2, 3, 5])
@pytest.mark.parametrize("training", [0.03, 0.15, 2.0])  # a small share of the variance, a middle one, all
def test_means_cover(trainings, training):
    """A bootstrap over two trainings does not, where they dominate: see docs/coverage.md."""
    values = tables(np.random.default_rng(trainings), 6000, trainings, 50, training, 0.7, 0.7)
    assert 0.93 <= covered(crossed.mean(values).interval()) <= 0.99


@pytest.mark.parametrize("trainings", [(2, 2), (2, 6), (1, 4)])
@pytest.mark.parametrize("training", [0.0, 0.1, 2.0])
def test_differences_cover(trainings, training):
    rng = np.random.default_rng(1)
    shared = rng.normal(size=(6000, 1, 50))
    arm, reference = (shared + tables(rng, 6000, n, 50, training, 0.3, 0.7) for n in trainings)
    assert 0.935 <= covered(crossed.difference(arm, reference).interval()) <= 0.992


def sweep(rng, repeats, arms=17, trainings=2, trials=150, training=0.033, trial=0.13, rest=0.15):
    """Null arms at the scatter that was recorded of the pushing benchmark."""
    shared = 0.15 * rng.normal(size=(repeats, 1, trials))
    return [shared + tables(rng, repeats, trainings, trials, training, trial, rest) for _ in range(arms)]


@pytest.mark.parametrize("level", [0.95, 0.99])
def test_pooling_over_a_sweep_covers_at_near_half_the_width(level):
    arms = sweep(np.random.default_rng(0), 4000)
    between = crossed.between_trainings(arms)
    np.testing.assert_allclose(between.df, 17)
    pooled = crossed.difference(arms[1], arms[0], between).interval(level)
    alone = crossed.difference(arms[1], arms[0]).interval(level)
    assert abs(covered(pooled) - level) < 0.015
    assert np.mean(pooled.high - pooled.low) < 0.65 * np.mean(alone.high - alone.low)


def test_pooling_gives_one_training_an_interval_for_others():
    arms = sweep(np.random.default_rng(1), 4000)
    between = crossed.between_trainings(arms[1:])
    found = crossed.mean(arms[0][:, :1], between)
    assert not found.lone and 0.935 < covered(found.interval()) < 0.965
    assert covered(crossed.mean(arms[0][:, :1]).interval()) < 0.75  # of this training alone


def test_relative_pooling_follows_the_rates():
    """Trainings of a rate near 1 scatter less than those of one near a half."""
    rng = np.random.default_rng(0)

    def arm(a, b):
        rates = rng.beta(a, b, size=(4000, 2, 1))
        return (rng.uniform(size=(4000, 2, 100)) < rates).astype(float)

    between = crossed.between_trainings([arm(10, 10) for _ in range(8)], relative=True)
    true = 0.25 / 21 / 0.25  # variance of Beta(10, 10), relative to a half
    assert np.mean(np.subtract(between.mean_square, between.rest)) == pytest.approx(true, rel=0.05)
    high = crossed.mean(arm(19, 1), between)  # rate .95, of the same relative variance
    assert np.mean(high.variance) == pytest.approx(0.95 * 0.05 * (1 / 21 / 2 + 20 / 21 / 200), rel=0.1)


def test_an_arm_that_scatters_is_set_aside():
    rng = np.random.default_rng(0)
    arms = [arm[0] for arm in sweep(rng, 1)]
    assert scattered(arms) == []
    arms[4] = arms[4] - np.array([[0.5], [0]])
    arms[9] = arms[9] - np.array([[0], [0.9]])
    assert scattered(arms) == [4, 9]


def test_rates_that_differ_are_not_taken_for_scatter():
    """Trainings of rates near 1 scatter less by themselves; in units of rate · (1 − rate) they do not."""
    rng = np.random.default_rng(0)
    rates = [0.5, *[0.99] * 12]
    arms = [(rng.uniform(size=(2, 200)) < rng.beta(20 * r, 20 * (1 - r), (2, 1))) * 1.0 for r in rates]
    arms[0] = np.where(np.arange(200) < np.array([[60], [140]]), 1.0, 0.0)
    assert scattered(arms) == [0] and scattered(arms, relative=True) == []
    arms.append(np.zeros((2, 200)))  # it tells nothing, and is not set aside
    assert scattered(arms, relative=True) == []
    assert len({id(b) for b in of_each_arm(arms, relative=True)}) == 1


def test_arms_at_the_ceiling_neither_hide_nor_make_an_outlier():
    """They have no scatter in units of rate · (1 − rate): counted as arms that scatter not at all, they would
    turn the most ordinary arm beside them into an outlier."""
    rng = np.random.default_rng(1)
    ordinary = [(rng.uniform(size=(2, 200)) < rng.beta(20, 20, (2, 1))).astype(float) for _ in range(3)]
    ceiling = [np.ones((2, 200))] * 30
    lost = np.where(np.arange(200) < np.array([[190], [4]]), 1.0, 0.0)
    assert scattered(ordinary, relative=True) == scattered([*ordinary, *ceiling], relative=True) == []
    assert scattered([*ceiling, *ordinary, *ordinary, lost], relative=True) == [36]
    assert scattered([*ordinary, *ordinary, lost], relative=True) == [6]


def test_an_arm_set_aside_is_judged_by_its_own_scatter():
    """Two trainings far apart: Student's interval with one degree of freedom, not the sweep's."""
    arms = [arm[0] for arm in sweep(np.random.default_rng(0), 1)]
    arms[4] = arms[4] - np.array([[0.5], [0]])
    scatter = of_each_arm(arms)
    assert [i for i, b in enumerate(scatter) if b is not scatter[0]] == [4]
    np.testing.assert_allclose(crossed.mean(arms[4], scatter[4]), crossed.mean(arms[4]))
    found = crossed.difference(arms[4], arms[0], [scatter[4], scatter[0]])
    assert found.df_trainings == 1 and found.variance > 0.25**2
    same = crossed.difference(arms[1], arms[0], [scatter[1], scatter[0]])
    np.testing.assert_allclose(same, crossed.difference(arms[1], arms[0], scatter[0]))
    assert of_each_arm([arm[:1] for arm in arms]) == [None] * len(arms)


def test_few_arms_are_set_aside_where_all_scatter_alike():
    rng = np.random.default_rng(0)
    out = [bool(scattered([a[0] for a in sweep(rng, 1, trials=20)], level=0.05)) for _ in range(300)]
    assert 0.02 <= np.mean(out) <= 0.08


@pytest.mark.parametrize("values", [[[1, np.nan]], [1, 2], [[1], [2]], []])
def test_refuses_what_is_no_table(values):
    with pytest.raises(InputError, match="values of shape"):
        crossed.mean(values)


def test_refuses_other_trials_and_levels():
    with pytest.raises(InputError, match="reference has 3 trials: expected the arm's 4"):
        crossed.difference(np.ones((2, 4)), np.ones((2, 3)))
    with pytest.raises(InputError, match="level=95"):
        crossed.mean(np.eye(4)).interval(95)
    with pytest.raises(InputError, match="at least one arm with two or more"):
        crossed.between_trainings([np.ones((1, 4))])


def test_the_arm_set_aside_is_known_by_the_others_however_many_trainings_it_has():
    rng = np.random.default_rng(0)
    arms = [arm[0] for arm in sweep(rng, 1, arms=4)]
    arms.insert(0, np.concatenate([arms[0], arms[0], arms[0]]) + 0.5 * np.arange(6)[:, None] / 6)
    scatter = of_each_arm(arms)
    assert scatter[0].df == 5 > scatter[1].df == 4 and set_aside(scatter) == [0]
    assert set_aside([None] * 3) == set_aside(scatter[1:]) == []


def test_what_is_known_of_two_arms_together_is_in_their_unit():
    rng = np.random.default_rng(0)
    arms = [(rng.uniform(size=(3, 50)) < r).astype(float) for r in (0.5, 0.9)]
    known = [crossed.Between(0.2, 0.1, 7, relative=True), crossed.Between(0.05, 0.02, 3)]
    found = together(known, arms)
    m = arms[0].mean()
    assert found.mean_square == pytest.approx((0.2 * m * (1 - m) + 0.05) / 2) and found.df == 3
    assert not found.relative and together(found, arms) == pytest.approx(found)
