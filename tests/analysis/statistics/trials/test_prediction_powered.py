import numpy as np
import pytest
from scipy.special import ndtri

from align.analysis.statistics.trials import prediction_powered as assisted
from align.errors import InputError


def partial_credit():
    rng = np.random.default_rng(3)
    y = np.round(rng.uniform(size=40), 2)
    f = np.round(0.7 * y + 0.3 * rng.uniform(size=40), 2)
    return y, f, np.round(rng.uniform(size=200) * 0.9, 2)


def test_estimate_agrees_with_ppi_python():
    """ppi-python 0.2.3 at the same λ: `ppi_mean_pointestimate` and `ppi_mean_ci(alpha=0.05)`."""
    y, f, more = partial_credit()
    found = assisted.assisted_rate(y, f, more)
    assert found.weight == pytest.approx(0.56388578)
    assert found.interval.value == pytest.approx(0.45985233)
    theirs = 0.51592093 - 0.40378372
    width = found.interval.high - found.interval.low
    assert theirs < width < 1.35 * theirs < 0.9 * (found.alone.high - found.alone.low)


def rates(rng, n, more, rate, correlation, bias):
    """Successes of n starts on the robot and in simulation, and of further starts in simulation."""
    start = rng.normal(size=n)
    simulated = correlation * start + np.sqrt(1 - correlation**2) * rng.normal(size=n)
    threshold = ndtri(np.clip(rate + bias, 0.03, 0.97))
    return start < ndtri(rate), simulated < threshold, rng.normal(size=more) < threshold


@pytest.mark.parametrize("n", [12, 40])
@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("correlation", [0.0, 0.95, -0.5])
@pytest.mark.parametrize("bias", [0.05, -0.2])
def test_never_invalid_whatever_simulation_says(n, rate, correlation, bias):
    rng, inside, width = np.random.default_rng(n), [], []
    for _ in range(1000):
        found = assisted.assisted_rate(*rates(rng, n, 300, rate, correlation, bias))
        inside.append(found.interval.low <= rate <= found.interval.high)
        width.append([i.high - i.low for i in (found.interval, found.alone)])
    assert np.mean(inside) >= 0.93
    with_, alone = np.mean(width, axis=0)
    assert with_ < 1.02 * alone


def test_a_simulation_that_predicts_shortens_the_interval():
    rng = np.random.default_rng(0)
    found = [assisted.assisted_rate(*rates(rng, 50, 1000, 0.5, 0.95, -0.1)) for _ in range(100)]
    ratio = [(f.interval.high - f.interval.low) / (f.alone.high - f.alone.low) for f in found]
    assert np.mean(ratio) < 0.78


def test_few_further_starts_are_few():
    rng = np.random.default_rng(0)
    found = [assisted.assisted_rate(*rates(rng, 60, 12, 0.5, 0.95, 0.05)).interval for _ in range(1500)]
    assert np.mean([i.low <= 0.5 <= i.high for i in found]) >= 0.93


def pair(rng, n, more, win, correlation):
    """Two policies on n starts and in simulation: the first wins more often."""
    arm = rates(rng, n, more, 0.5 + win, correlation, 0.05)
    other = rates(rng, n, more, 0.5, correlation, -0.05)
    return arm[0], other[0], arm[1], other[1], arm[2], other[2]


@pytest.mark.parametrize("win", [0.0, 0.3])
@pytest.mark.parametrize("correlation", [0.0, 0.95])
def test_differences_cover(win, correlation):
    rng = np.random.default_rng(1)
    found = [assisted.assisted_difference(*pair(rng, 20, 300, win, correlation)) for _ in range(800)]
    for intervals in ([f.interval for f in found], [f.alone for f in found]):
        assert np.mean([i.low <= win <= i.high for i in intervals]) >= 0.93
    ratio = np.mean([f.interval.high - f.interval.low for f in found]) / np.mean(
        [f.alone.high - f.alone.low for f in found]
    )
    assert ratio < (0.85 if correlation else 1.02)


def test_without_any_difference_few_trials_prove_nothing():
    same, sim = np.ones(10), np.ones(50)
    found = assisted.assisted_difference(same, same, same, same, sim, sim)
    assert found.interval.low < -0.15 and found.interval.high > 0.15
    assert found.weight == 0 and np.isnan(found.correlation)


def test_order_of_starts_does_not_matter():
    y, f, more = partial_credit()
    order = np.random.default_rng(0).permutation(40)
    np.testing.assert_allclose(
        assisted.assisted_rate(y, f, more).interval,
        assisted.assisted_rate(y[order], f[order], more[::-1]).interval,
    )


def test_refuses_what_does_not_fit():
    with pytest.raises(InputError, match="simulated has 4 trials: expected the robot's 3"):
        assisted.assisted_rate([0, 1, 1], [0, 1, 1, 0], [0, 1])
    with pytest.raises(InputError, match="further of shape"):
        assisted.assisted_rate([0, 1, 1], [0, 1, 1], [0])
    with pytest.raises(InputError, match="outcomes from 0 to 3"):
        assisted.assisted_rate([0, 1, 3], [0, 1, 1], [0, 1])
    with pytest.raises(InputError, match="reference with"):
        assisted.assisted_difference([0, 1, 1], [0, 1, 1], [0, 1, 1], [0, 1, 1], [0, 1], [0, 1, 1])
