import numpy as np
import pytest

from align.analysis.statistics.trials import crossed, sequential
from align.errors import InputError

Z = np.array([1, 2, 2, 1, 2, 0, 2, 1, 2, 2, 1, 2, 2, 2, 1, 0, 2, 2, 1, 2, 2, 2, 1, 2, 2]) / 2


def test_capital_and_interval_agree_with_confseq():
    """confseq at 70b1ef3: `betting.diversified_betting_mart` and `betting_cs`, 20 evenly spread fractions."""
    capital = np.exp(sequential.capital(Z, 0.37))[[0, 9, 24]]
    np.testing.assert_allclose(capital, [1.17567568, 34.1018595, 63027.6671], rtol=1e-7)
    capital = np.exp(sequential.capital(1 - Z, 0.5))[[9, 24]]
    np.testing.assert_allclose(capital, [0.14474184, 0.04675137], rtol=1e-6)
    low, high = sequential.confidence_sequence(Z)
    np.testing.assert_allclose(low[[9, 24]], [0.361, 0.547], atol=0.002)
    np.testing.assert_allclose(high[[9, 24]], [0.946, 0.921], atol=0.002)


def test_it_is_settled_when_the_interval_leaves_out_zero():
    rng = np.random.default_rng(0)
    found = sequential.compare(rng.uniform(size=150) < 0.9, rng.uniform(size=150) < 0.4)
    n = found.settled
    assert found.low[n - 2] <= 0 < found.low[n - 1]
    assert found.p_values[n - 1] <= 0.05 < found.p_values[n - 2]
    assert np.all(np.diff(found.low) >= 0) and np.all(np.diff(found.high) <= 0)
    assert np.all(np.diff(found.p_values) <= 0)


def test_what_is_settled_has_an_interval_without_zero_and_a_small_p_value():
    """Whatever the course: 0 as an end, rounded outwards, settles nothing."""
    rng = np.random.default_rng(7)
    for rate in (0.5, 0.65, 0.8):
        for _ in range(30):
            found = sequential.compare(rng.uniform(size=40) < rate, rng.uniform(size=40) < 0.35)
            out = (found.low > 0) | (found.high < 0)
            assert found.settled == (int(np.argmax(out)) + 1 if out.any() else None)
            np.testing.assert_array_equal(out, found.p_values <= 0.05)


def test_arms_are_exchangeable():
    rng = np.random.default_rng(0)
    a, b = rng.uniform(size=(2, 40))
    one, other = sequential.compare(a, b), sequential.compare(b, a)
    np.testing.assert_allclose(one.low, -other.high)
    np.testing.assert_allclose(one.p_values, other.p_values)


def looks(make, trials, repeats, level=0.95):
    """Share of runs that are settled at any time, by this sequence and by Student's interval at each look."""
    rng, settled, naive = np.random.default_rng(1), [], []
    for _ in range(repeats):
        a, b = make(rng, trials)
        settled.append(sequential.against_none((a - b + 1) / 2).max() >= np.log(2 / (1 - level)))
        d = a - b
        for n in range(10, trials + 1):
            found = crossed.mean(d[None, :n])
            if found.variance > 0 and abs(found.value) > 1.96 * np.sqrt(found.variance):
                naive.append(1)
                break
        else:
            naive.append(0)
    return np.mean(settled), np.mean(naive)


def successes(rng, trials):
    return rng.uniform(size=(2, trials)) < 0.5 + np.zeros((2, 1))


def test_looking_after_every_trial_does_no_harm():
    def null(rng, trials):
        return successes(rng, trials).astype(float)

    settled, naive = looks(null, 100, 200)
    assert settled <= 0.06 and naive > 0.2


@pytest.mark.parametrize("level", [0.95, 0.99])
@pytest.mark.parametrize("kind", ["even", "rare", "partial"])
def test_type_one_error_at_any_time(level, kind):
    rng, error = np.random.default_rng(2), []
    for _ in range(1500):
        if kind == "partial":
            shared = rng.uniform(size=200)
            a, b = np.clip(shared + rng.uniform(-0.3, 0.3, size=(2, 200)), 0, 1)
        else:
            a, b = (rng.uniform(size=(2, 200)) < (0.5 if kind == "even" else 0.05)).astype(float)
        error.append(sequential.against_none((a - b + 1) / 2).max() >= np.log(2 / (1 - level)))
    assert np.mean(error) <= 1 - level + 3 * np.sqrt((1 - level) * level / 1500)


def test_the_true_difference_stays_inside_at_all_times():
    rng, inside = np.random.default_rng(3), []
    for _ in range(150):
        found = sequential.compare(rng.uniform(size=80) < 0.8, rng.uniform(size=80) < 0.55)
        inside.append(np.all((found.low <= 0.25) & (0.25 <= found.high)))
    assert np.mean(inside) >= 0.95


def test_a_large_difference_is_settled_soon():
    """Rates .9 and .5 need about 25 pairs; McNemar's exact test planned for 80 % power takes as many."""
    rng, needed = np.random.default_rng(4), []
    for _ in range(300):
        a, b = rng.uniform(size=200) < 0.9, rng.uniform(size=200) < 0.5
        z = (a.astype(float) - b + 1) / 2
        needed.append(np.argmax(sequential.against_none(z) >= np.log(40)) + 1)
    assert 18 <= np.mean(needed) <= 32


def test_refuses_what_cannot_be_followed():
    with pytest.raises(InputError, match="reference of shape"):
        sequential.compare([1, 0], [1])
    with pytest.raises(InputError, match="outcomes from 0 to 2"):
        sequential.compare([2, 0], [1, 0])
    with pytest.raises(InputError, match="level=95"):
        sequential.compare([1, 0], [1, 0], level=95)
