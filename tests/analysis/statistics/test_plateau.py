import numpy as np
import pytest
from scipy import optimize, stats

from align.analysis.statistics.equivalent import equivalent, isotonic, verdict
from align.analysis.statistics.intervals import Interval
from align.analysis.statistics.plateau import Cells, fit_plateau, outcome, pool, shared_luck, widened
from align.errors import InputError
from align.seeding import numpy_rng

SIM = (0, 20, 60, 200, 600)
REAL = (5, 10, 20, 40, 80, 160)
AT, TRIALS, REPEATS = 20, 150, 1000


def alone(n):
    """The true success of real data alone."""
    return 0.12 + 0.75 * n / (n + 60)


def co_training(n, top, half):
    return alone(AT) + (top - alone(AT)) * n / (n + half)


def simulate(top, half, between=0.03, seeds=2, seed=0):
    """Cells of both curves from binomial trials of `seeds` trainings that differ by `between`."""
    rng = numpy_rng(seed, "plateau")

    def runs(p):
        return rng.binomial(TRIALS, np.clip(p + rng.normal(0, between, (REPEATS, seeds)), 0, 1)) / TRIALS

    truth = [co_training(n, top, half) for n in SIM[1:]] + [alone(n) for n in REAL]
    cells = pool([runs(p) for p in truth], TRIALS)
    first = len(SIM) - 1
    curve = cells.of([first + REAL.index(AT), *range(first)])
    return curve, cells.of(range(first, first + len(REAL)))


def covered(interval, truth):
    """Whether the number of intervals that hold the truth is what a coverage of 95 % would give."""
    low, high = stats.binom.ppf([1e-4, 1 - 1e-4], REPEATS, 0.95)
    return low <= np.sum((interval.low <= truth) & (truth <= interval.high)) <= high


@pytest.mark.parametrize(
    ("top", "half", "between", "seeds"), [(0.5, 40, 0.03, 2), (0.6, 40, 0.03, 3), (0.45, 60, 0.0, 2)]
)
def test_plateau_and_equivalent_are_recovered_and_covered(top, half, between, seeds):
    curve, real = simulate(top, half, between, seeds)
    fit = fit_plateau(SIM, curve)
    assert covered(fit.plateau, top)
    assert np.median(fit.plateau.value) == pytest.approx(top, abs=0.015)
    truth = 60 * (top - 0.12) / (0.75 - (top - 0.12)) / AT
    ratio = equivalent(fit.plateau, AT, REAL, real)
    assert covered(ratio, truth)
    assert np.median(ratio.value) == pytest.approx(truth, rel=0.08)
    assert covered(outcome(curve, 2), co_training(SIM[2], top, half))


def test_no_gain_is_seldom_called_one():
    curve, real = simulate(alone(AT), 40)
    fit = fit_plateau(SIM, curve)
    assert np.mean(fit.flat) > 0.93
    ratio = equivalent(fit.plateau, AT, REAL, real)
    words = [verdict(Interval(*x), REAL[-1] / AT) for x in zip(*ratio, strict=True)]
    assert np.mean(["not distinguishable" in w for w in words]) > 0.92


def test_a_curve_still_rising_is_said_to_be():
    rising = [np.mean(fit_plateau(SIM, simulate(0.75, half)[0]).rising) for half in (20, 500)]
    assert rising[0] < 0.05 and rising[1] > 0.9


def test_a_plateau_no_real_data_tested_reaches_is_beyond_the_range():
    curve, real = simulate(0.9, 20)
    ratio = equivalent(fit_plateau(SIM, curve).plateau, AT, REAL, real)
    assert np.mean(np.isinf(ratio.value)) > 0.95 and np.isinf(ratio.high).mean() > 0.99
    assert covered(ratio._replace(high=np.inf), np.inf) or np.isinf(ratio.high).all()
    one = Interval(*(x[0] for x in ratio))
    assert verdict(one, 8.0).startswith("beyond the range tested (more than")


def test_the_fit_is_the_least_squares_one():
    rng = numpy_rng(1, "plateau")
    mean = co_training(np.array(SIM), 0.6, 45) + rng.normal(0, 0.01, len(SIM))
    cells = Cells(mean, np.linspace(1e-4, 3e-4, len(SIM)), 10)
    fit = fit_plateau(SIM, cells)

    def curve(n, start, top, half):
        return start + (top - start) * n / (n + half)

    best, _ = optimize.curve_fit(curve, SIM, mean, p0=(0.3, 0.6, 50), sigma=np.sqrt(cells.variance))
    np.testing.assert_allclose([fit.start, fit.plateau.value, fit.half], best, rtol=0.03)
    # An end of the interval is where the squares, free in all else, exceed the least by F's quantile.
    for end in (fit.plateau.low, fit.plateau.high):

        def squares(x, end=end):
            return np.sum((mean - curve(np.array(SIM), x[0], end, np.exp(x[1]))) ** 2 / cells.variance)

        least = np.sum((mean - curve(np.array(SIM), *best)) ** 2 / cells.variance)
        excess = optimize.minimize(squares, (0.3, np.log(45)), method="Nelder-Mead").fun - least
        assert excess == pytest.approx(stats.f.ppf(0.95, 1, 10), rel=0.05)


def test_isotonic_agrees_with_scipy():
    rng = numpy_rng(2, "plateau")
    mean, weight = rng.normal(size=(50, 7)), rng.uniform(0.2, 3, size=(50, 7))
    expected = [optimize.isotonic_regression(y, weights=w).x for y, w in zip(mean, weight, strict=True)]
    np.testing.assert_allclose(isotonic(mean, weight), expected)


def test_the_equivalent_without_noise_inverts_the_curve():
    n = np.geomspace(5, 160, 40)
    cells = Cells(alone(n), np.full(40, 1e-10), 20)
    for size in (10.0, 37.0, 120.0):
        ratio = equivalent(Interval(*[alone(size)] * 3), AT, n, cells)
        np.testing.assert_allclose(ratio, [size / AT] * 3, rtol=0.02)
    below = equivalent(Interval(*[alone(2)] * 3), AT, n, cells)
    assert below.value == below.low == 0 and verdict(below, 8).startswith("less than")


def test_runs_of_one_seed_have_binomial_intervals_and_equal_runs_no_infinite_weight():
    cells = pool([np.array([0.4]), np.array([0.0])], 100)
    assert cells.freedom == np.inf
    assert cells.variance[0] == pytest.approx(0.24 / 100, rel=0.05) and cells.variance[1] > 0
    alike = pool([np.array([0.4, 0.4]), np.array([0.6, 0.6])], 100)
    assert np.all(alike.variance > 0) and alike.freedom == 2


def test_too_few_sizes_are_refused():
    cells = Cells(np.array([0.1, 0.2]), np.array([0.01, 0.01]), 4)
    with pytest.raises(InputError, match="three sizes"):
        fit_plateau([0, 10], cells)
    with pytest.raises(InputError, match="increasing"):
        equivalent(Interval(0.1, 0.1, 0.1), 5, [10, 5], cells)


def test_words_for_an_equivalent():
    assert verdict(Interval(2.5, 1.6, 4.0), 8) == "2.5× [1.6, 4.0]"
    assert verdict(Interval(2.5, 1.6, np.inf), 8) == "2.5× [1.6, beyond 8.0]"
    assert "not distinguishable" in verdict(Interval(2.5, 0.9, np.inf), 8)


def test_shared_luck_is_that_of_the_trials():
    rng = numpy_rng(0, "luck")
    hard = rng.normal(0, 0.3, size=(1, 20_000))
    outcomes = hard + rng.normal(0, 0.5, size=(6, 20_000))
    assert shared_luck(outcomes) == pytest.approx(0.3 / np.sqrt(20_000), rel=0.05)
    assert shared_luck(rng.permuted(outcomes, axis=1)) < 0.05 / np.sqrt(20_000)
    assert shared_luck(outcomes[:1]) == 0
    assert widened(Interval(0.5, 0.4, 0.6), 0.0) == pytest.approx((0.5, 0.4, 0.6))
    wider = widened(Interval(0.5, 0.4, 0.9), 0.05)
    assert wider == pytest.approx(
        (0.5, 0.5 - np.hypot(0.1, 1.96 * 0.05), 0.5 + np.hypot(0.4, 1.96 * 0.05)), abs=1e-4
    )
    assert widened(Interval(0.05, 0.0, 0.1), 0.1).low == 0
