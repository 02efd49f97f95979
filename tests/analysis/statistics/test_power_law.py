import numpy as np
import pytest
from scipy import stats

from align.analysis.statistics.power_law import fit_power_law
from align.errors import InputError
from align.seeding import numpy_rng

SIM, REAL = (a.ravel() for a in np.meshgrid([20, 60, 200, 600], [10, 20, 40]))
TRUE = {"sim": 0.332, "real": 0.397}


def errors(rng, seeds=2, noise=0.1, of_cell=0.0):
    """Sizes and errors of runs: the true law with noise of runs and of cells, in logarithms."""
    sizes = {"sim": np.tile(SIM, seeds), "real": np.tile(REAL, seeds)}
    law = np.log(3.0) - TRUE["sim"] * np.log(sizes["sim"]) - TRUE["real"] * np.log(sizes["real"])
    shared = np.tile(rng.normal(0, of_cell, len(SIM)), seeds)
    return sizes, np.exp(law + shared + rng.normal(0, noise, len(law)))


def test_without_noise_the_law_is_found_and_predicts():
    sizes, error = errors(numpy_rng(0, "law"), noise=0.0)
    law = fit_power_law(sizes, error)
    for name, exponent in law.exponents.items():
        np.testing.assert_allclose(exponent, [TRUE[name]] * 3, atol=1e-9)
    assert law.constant == pytest.approx(3.0) and law.r2 == pytest.approx(1.0)
    assert (law.cells, law.runs) == (12, 24)
    np.testing.assert_allclose(law(sizes), error)


def test_one_size_and_one_seed_agree_with_scipy():
    rng = numpy_rng(1, "law")
    n = np.array([5, 10, 20, 40, 80.0])
    error = n**-0.5 * np.exp(rng.normal(0, 0.2, 5))
    found = fit_power_law({"real": n}, error).exponents["real"]
    line = stats.linregress(np.log(n), np.log(error))
    half = stats.t.ppf(0.975, 3) * line.stderr
    np.testing.assert_allclose(found, (-line.slope, -line.slope - half, -line.slope + half))


@pytest.mark.parametrize("of_cell", [0.0, 0.2])
def test_intervals_cover_whether_or_not_runs_of_a_cell_are_alike(of_cell):
    repeats = 400
    low, high = stats.binom.ppf([0.001, 0.999], repeats, 0.95)
    laws = [fit_power_law(*errors(numpy_rng(i, "law"), of_cell=of_cell)).exponents for i in range(repeats)]
    for name, truth in TRUE.items():
        covered = sum(law[name].low <= truth <= law[name].high for law in laws)
        assert low <= covered <= high
        assert np.mean([law[name].value for law in laws]) == pytest.approx(truth, abs=0.01)


def test_what_cannot_be_fitted_is_refused():
    with pytest.raises(InputError, match="3 different combinations"):
        fit_power_law({"sim": [1, 2, 3, 3], "real": [1, 2, 4, 4]}, [1, 1, 1, 1])
    with pytest.raises(InputError, match="do not change together"):
        fit_power_law({"sim": [1, 2, 3, 4], "real": [2, 4, 6, 8]}, [1, 1, 1, 1])
    with pytest.raises(InputError, match="positive"):
        fit_power_law({"sim": [0, 1, 2]}, [1, 1, 1])


def test_other_held_out_episodes_do_not_disturb_the_law():
    """A factor of each split, with runs missing at random: the exponents and R² are as without it."""
    rng = numpy_rng(2, "law")
    sizes, error = errors(rng, seeds=3, noise=0.0)
    split = np.repeat([0, 1, 2], len(SIM))
    kept = rng.permutation(len(error))[:28]
    sizes, split = {name: n[kept] for name, n in sizes.items()}, split[kept]
    factor = np.array([1.0, 2.0, 0.3])[split]
    law = fit_power_law(sizes, error[kept] * factor, split=split)
    for name, exponent in law.exponents.items():
        assert exponent.value == pytest.approx(TRUE[name])
    assert law.r2 == pytest.approx(1) and np.ptp(np.log(law.errors) - np.log(error[kept])) < 1e-9
    assert fit_power_law(sizes, error[kept] * factor).r2 < 0.5
    with pytest.raises(InputError, match="split: changes together"):
        fit_power_law(
            {"sim": [1, 2, 3, 1, 2, 3], "real": [1] * 3 + [4] * 3}, range(1, 7), split=[0] * 3 + [1] * 3
        )
