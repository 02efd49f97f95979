import numpy as np
import pytest
from scipy import stats

from align.analysis.statistics.intervals import wilson
from align.analysis.statistics.trials import counts
from align.errors import InputError


def test_blakers_interval_agrees_with_r():
    """`binom.blaker.limits(3, 10)` of the R package BlakerCI."""
    np.testing.assert_allclose(counts.blaker(3, 10), (0.3, 0.08726443, 0.61941066), atol=1e-6)


def test_clopper_pearson_inverts_two_one_sided_tests():
    _, low, high = counts.clopper_pearson(3, 20, 0.9)
    assert stats.binom.sf(2, 20, low) == pytest.approx(0.05)
    assert stats.binom.cdf(3, 20, high) == pytest.approx(0.05)


@pytest.mark.parametrize("n", [7, 30])
def test_exact_intervals_cover_at_every_rate(n):
    """By enumeration; Wilson's falls short."""
    rates, seen = np.linspace(0.003, 0.997, 498), np.arange(n + 1)
    mass = stats.binom.pmf(seen, n, rates[:, None])

    def least(method):
        ends = np.array([method(int(x), n)[1:] for x in seen])
        return np.sum(mass * ((ends[:, 0] <= rates[:, None]) & (rates[:, None] <= ends[:, 1])), 1).min()

    assert least(counts.blaker) >= 0.95 - 1e-6 and least(counts.clopper_pearson) >= 0.95
    assert least(wilson) < 0.9


@pytest.mark.parametrize("level", [0.8, 0.95])
def test_blakers_lies_within_clopper_and_pearsons_and_is_symmetric(level):
    for x in range(16):
        inner, outer = counts.blaker(x, 15, level), counts.clopper_pearson(x, 15, level)
        assert outer.low <= inner.low + 1e-9 <= inner.value + 1e-9 and inner.high <= outer.high + 1e-9
        mirror = counts.blaker(15 - x, 15, level)
        np.testing.assert_allclose(inner[1:], (1 - mirror.high, 1 - mirror.low), atol=1e-9)
    assert counts.blaker(0, 15).low == 0 and counts.blaker(15, 15).high == 1


@pytest.mark.parametrize(("x", "n"), [(-1, 5), (6, 5), (0, 0)])
def test_refuses_impossible_counts(x, n):
    for method in (counts.blaker, counts.clopper_pearson):
        with pytest.raises(InputError, match=f"successes={x} of n={n}"):
            method(x, n)
