import numpy as np
import pytest
from scipy import stats

from align.analysis.statistics.trials import crossed, simultaneous
from align.analysis.statistics.trials.variance_components import of_each_arm
from align.errors import InputError


def sweep(rng, effects, trainings=2, trials=100, training=0.033, trial=0.1, rest=0.15):
    """Arms of the given means on shared trials."""
    shared = 0.2 * rng.normal(size=(1, trials))
    return [
        effect
        + shared
        + training * rng.normal(size=(trainings, 1))
        + trial * rng.normal(size=(1, trials))
        + rest * rng.normal(size=(trainings, trials))
        for effect in effects
    ]


def test_family_wise_error_of_sixteen_null_arms():
    """Sixteen single comparisons find something in a third of tables where there is nothing."""
    rng = np.random.default_rng(0)
    found = [simultaneous.against_reference(sweep(rng, np.zeros(17)), draws=1000) for _ in range(400)]
    least = np.array([c.adjusted.min() for c in found])
    assert 0.02 <= np.mean(least < 0.05) <= 0.08 and np.mean(least < 0.01) <= 0.025
    p_values = np.array([c.p_values[1:] for c in found])
    assert np.mean(p_values < 0.05) == pytest.approx(0.05, abs=0.015)
    assert np.mean(p_values < 0.01) == pytest.approx(0.01, abs=0.006)
    assert np.mean(p_values.min(1) < 0.05) > 0.3


def test_all_simultaneous_intervals_hold_together():
    rng, effects, hold = np.random.default_rng(1), np.linspace(-0.2, 0.3, 6), []
    for _ in range(300):
        found = simultaneous.against_reference(sweep(rng, effects, trainings=3), 2, draws=2000)
        truth = effects - effects[2]
        pairs = [(i, d) for i, d in zip(found.simultaneous, truth, strict=True) if i]
        hold.append(all(i.low <= d <= i.high for i, d in pairs))
    assert 0.92 <= np.mean(hold) <= 0.985


def test_critical_value_is_dunnetts():
    """Independent trials, one training: scipy's Dunnett test of the same many groups, as unpaired."""
    rng = np.random.default_rng(0)
    arms = list(rng.normal(size=(5, 1, 2000)))
    found = simultaneous.against_reference(arms, draws=40_000)
    expected = stats.dunnett(*[a[0] for a in arms[1:]], control=arms[0][0], rng=0)
    np.testing.assert_allclose(found.adjusted[1:], expected.pvalue, atol=0.03)
    ends = expected.confidence_interval()
    np.testing.assert_allclose([i.high for i in found.simultaneous[1:]], ends.high, atol=0.006)


def test_pairs_of_any_arms_hold_together_beside_one_that_scatters_far_more():
    """Its wide interval is its own; those of the other pairs do not pay for it."""
    rng, hold, width = np.random.default_rng(5), [], []
    for _ in range(200):
        arms = sweep(rng, (0, 0, 0.1, 0.1, 0.2, 0.2))
        arms[5] = arms[5] + np.array([[0.4], [-0.4]])
        scatter = of_each_arm(arms)
        assert scatter[5].df == 1
        found = simultaneous.compare(arms, [(2, 0), (3, 1), (4, 0), (5, 1)], scatter, draws=2000)
        ends = zip(found.simultaneous, (0.1, 0.1, 0.2, 0.2), strict=True)
        hold.append(all(i.low <= d <= i.high for i, d in ends))
        width.append([i.high - i.low for i in found.simultaneous])
    assert 0.92 <= np.mean(hold) <= 1
    calm = np.median(np.array(width)[:, :3])
    assert calm < 0.35 and np.median(np.array(width)[:, 3]) > 10 * calm


def test_each_arm_may_have_a_reference_of_its_own():
    arms = sweep(np.random.default_rng(0), (0, 0.1, 0.2, 0.3), trainings=3)
    found = simultaneous.against_reference(arms, [0, 0, 2, 2])
    assert [i is None for i in found.single] == [True, False, True, False]
    between = crossed.between_trainings(arms)
    expected = crossed.difference(arms[3], arms[2], between).interval()
    np.testing.assert_allclose(found.single[3], expected)
    assert found.simultaneous[3].low < expected.low


def test_two_arms_need_no_adjustment():
    arms = sweep(np.random.default_rng(0), (0, 0.1), trainings=3)
    found = simultaneous.against_reference(arms, draws=40_000)
    np.testing.assert_allclose(found.simultaneous[1], found.single[1], atol=0.005)
    np.testing.assert_allclose(found.single[1], crossed.difference(arms[1], arms[0]).interval())


def test_order_of_arms_and_trials_does_not_matter():
    rng = np.random.default_rng(0)
    arms = sweep(rng, (0, 0.05, 0.1, 0.2))
    order, trials = [2, 0, 3, 1], rng.permutation(100)
    moved = [arms[i][:, trials] for i in order]
    one, other = simultaneous.against_reference(arms, 1), simultaneous.against_reference(moved, 3)
    np.testing.assert_allclose(one.adjusted[order], other.adjusted, atol=1e-4)
    assert one.each_level == pytest.approx(other.each_level)
    one, other = simultaneous.best(arms), simultaneous.best(moved)
    assert one.members[order].tolist() == other.members.tolist()
    np.testing.assert_allclose(np.array(one.intervals)[order], other.intervals, atol=1e-6)


def test_the_best_is_kept_and_what_is_far_behind_is_not():
    rng, kept, size = np.random.default_rng(2), [], []
    for _ in range(300):
        found = simultaneous.best(sweep(rng, (0, 0.03, 0.05, 0.05, -0.3)), draws=2000)
        kept.append(found.members[2])
        size.append(found.members.sum())
        assert not found.members[4] and found.intervals[4].high == 0
    assert 0.94 <= np.mean(kept) <= 1 and 2 <= np.mean(size) <= 4


def test_the_best_of_equal_arms_is_missed_in_a_twentieth():
    rng = np.random.default_rng(3)
    found = [simultaneous.best(sweep(rng, np.zeros(8)), draws=1000).members[5] for _ in range(300)]
    assert 0.92 <= np.mean(found) <= 0.985


def test_intervals_of_the_best_hold():
    rng, effects, hold = np.random.default_rng(4), np.array([0, 0.1, 0.3, 0.34]), []
    for _ in range(300):
        found = simultaneous.best(sweep(rng, effects), draws=2000)
        truth = [effects[i] - max(np.delete(effects, i)) for i in range(4)]
        hold.append(all(i.low <= t <= i.high for i, t in zip(found.intervals, truth, strict=True)))
    assert np.mean(hold) >= 0.92


def test_rates_near_0_and_arms_without_success():
    rng = np.random.default_rng(0)
    arms = [np.zeros((2, 40)), np.zeros((2, 40)), (rng.uniform(size=(2, 40)) < 0.7).astype(float)]
    found = simultaneous.against_reference(arms, unit=True)
    assert found.simultaneous[1].low < 0 < found.simultaneous[1].high and found.adjusted[1] == 1
    assert found.simultaneous[2].low > 0 and found.simultaneous[2].high <= 1
    assert simultaneous.best(arms, unit=True).members.tolist() == [False, False, True]
    assert simultaneous.best(arms[:2], unit=True).members.all()
    assert simultaneous.best(arms[:2]).members.all()


def test_p_values_agree_with_the_intervals_beside_them():
    """Also of arms within which nothing varies: no p of 0 beside an interval that holds 0."""
    rng, disagree = np.random.default_rng(0), 0
    for k in range(40):
        arms = [(rng.uniform(size=(2, 5 + k % 3)) < r).astype(float) for r in (0.2, 0.5, 0.9, 0.9)]
        arms += [np.zeros_like(arms[0]), np.ones_like(arms[0])]
        found = simultaneous.against_reference(arms, 4, unit=True, draws=500)
        for i, ends in enumerate(zip(found.single, found.simultaneous, strict=True)):
            for interval, p in zip(ends, (found.p_values[i], found.adjusted[i]), strict=True):
                if interval is not None and abs(p - 0.05) > 0.003:  # the draws have steps of 1/500
                    disagree += (p < 0.05) != (interval.low > 0 or interval.high < 0)
    assert not disagree


def test_refuses_what_cannot_be_compared():
    arms = [np.ones((2, 4)), np.ones((2, 5))]
    with pytest.raises(InputError, match="trials shared"):
        simultaneous.against_reference(arms)
    with pytest.raises(InputError, match="reference=3"):
        simultaneous.against_reference([np.eye(4)] * 2, 3)
    with pytest.raises(InputError, match="between of 3: expected one of each of 2 arms"):
        simultaneous.against_reference([np.eye(4)] * 2, between=[None] * 3)
    with pytest.raises(InputError, match=r"level=0\.3"):
        simultaneous.best([np.eye(4)] * 2, level=0.3)
