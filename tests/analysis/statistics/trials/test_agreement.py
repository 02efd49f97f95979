import numpy as np
import pytest
from scipy import stats

from align.analysis.statistics.intervals import Interval
from align.analysis.statistics.trials import agreement
from align.errors import InputError

SIM = [0.2, 0.5, 0.35, 0.8, 0.7]
REAL = [0.1, 0.45, 0.5, 0.55, 0.75]


def test_correlations_agree_with_scipy():
    found = agreement.agreement(SIM, REAL, draws=10)
    r = stats.pearsonr(SIM, REAL)
    np.testing.assert_allclose(found.pearson, (r.statistic, *r.confidence_interval()))
    rho = stats.spearmanr(SIM, REAL).statistic
    reach = 1.959964 * np.sqrt((1 + rho**2 / 2) / 2)  # Bonett and Wright's
    ends = np.tanh(np.arctanh(rho) + np.array([-reach, reach]))
    np.testing.assert_allclose(found.spearman, (rho, *ends), rtol=1e-5)


def test_rank_violation_is_that_of_simpler():
    """By hand: the 2nd and 3rd policies are swapped (.05), and so are the 4th and 5th (.20)."""
    assert agreement.rank_violation(SIM, REAL) == pytest.approx((0.05 + 0.05 + 0.2 + 0.2) / 5)
    assert agreement.rank_violation(REAL, REAL) == 0
    assert agreement.rank_violation([3, 2, 1], [0.1, 0.2, 0.5]) == pytest.approx((0.4 + 0.3 + 0.4) / 3)


def test_order_of_policies_does_not_matter():
    order = [3, 0, 4, 1, 2]
    one = agreement.agreement(SIM, REAL, draws=10)
    other = agreement.agreement(np.array(SIM)[order], np.array(REAL)[order], draws=10)
    np.testing.assert_allclose(one.pearson, other.pearson)
    np.testing.assert_allclose(one.spearman, other.spearman)
    assert one.rank_violation == pytest.approx(other.rank_violation)


@pytest.mark.parametrize("policies", [5, 8, 16])
def test_correlations_cover(policies):
    rng, noise = np.random.default_rng(0), 0.3
    many = rng.uniform(size=200_000)
    noisy = many + noise * rng.normal(size=len(many))
    truth = np.corrcoef(many, noisy)[0, 1], stats.spearmanr(many, noisy).statistic
    inside = []
    for _ in range(800):
        real = rng.uniform(size=policies)
        found = agreement.agreement(real + noise * rng.normal(size=policies), real, draws=1)
        inside.append([i.low <= t <= i.high for i, t in zip(found[:2], truth, strict=True)])
    assert np.all(np.mean(inside, axis=0) >= 0.93)


def test_chance_agreement_is_seldom_significant():
    rng = np.random.default_rng(1)
    p = [agreement.agreement(*rng.uniform(size=(2, 6)), seed=i, draws=199).p_value for i in range(400)]
    assert np.mean(np.array(p) <= 0.05) <= 0.08
    assert np.mean(np.array(p) <= 0.5) == pytest.approx(0.5, abs=0.1)
    assert agreement.agreement(np.arange(7), np.arange(7), draws=999).p_value < 0.01


def around(values, half):
    return [Interval(v, v - half, v + half) for v in values]


def test_range_holds_every_violation_of_rates_within_the_intervals():
    rng = np.random.default_rng(2)
    simulated, real = around(SIM, 0.04), around(REAL, 0.06)
    found = agreement.rank_violation_range(simulated, real)
    drawn = [
        agreement.rank_violation(SIM + rng.uniform(-0.04, 0.04, 5), REAL + rng.uniform(-0.06, 0.06, 5))
        for _ in range(3000)
    ]
    assert found.low <= min(drawn) and max(drawn) <= found.high
    assert found.low > 0  # the 4th and 5th are told apart in both, and swapped
    assert found.high < 0.3


def test_range_closes_on_the_value():
    found = agreement.rank_violation_range(around(SIM, 1e-9), around(REAL, 1e-9))
    np.testing.assert_allclose(found, [0.1] * 3, atol=1e-8)


def test_few_policies_and_refusals():
    found = agreement.agreement([0, 1, 2], [0, 2, 1], draws=10)
    assert np.isnan(found.pearson.low) and np.isnan(found.spearman.high)
    with pytest.raises(InputError, match="three or more policies"):
        agreement.agreement([0, 1], [0, 1])
    with pytest.raises(InputError, match="both ends"):
        agreement.rank_violation_range([Interval(0, np.nan, 1)] * 3, around([0, 0.5, 1], 0.1))
