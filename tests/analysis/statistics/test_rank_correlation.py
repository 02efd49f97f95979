import numpy as np
import pytest
from scipy import stats

from align.analysis.statistics.rank_correlation import rank_correlation
from align.seeding import numpy_rng


def test_with_one_stratum_it_is_spearmans():
    rng = numpy_rng(0, "mechanism")
    x = rng.normal(size=40).round(1)  # with ties
    y = x + rng.normal(size=40)
    found = rank_correlation(x, y, ["a"] * 40, [str(i) for i in range(40)])
    assert found.value == pytest.approx(stats.spearmanr(x, y).statistic)
    assert 0 < found.low < found.value < found.high < 1


def test_differences_between_strata_do_not_count():
    rng = numpy_rng(1, "mechanism")
    strata = np.repeat(["easy", "hard"], 30)
    shift = np.repeat([0.0, 10.0], 30)
    x, y = rng.normal(size=60) + shift, rng.normal(size=60) + shift
    arms = [str(i) for i in range(60)]
    pooled = rank_correlation(x, y, ["one"] * 60, arms)
    within = rank_correlation(x, y, strata, arms)
    assert pooled.low > 0.5 and within.low < 0 < within.high


def test_seeds_of_an_arm_are_not_independent_runs():
    """The arms' means are unrelated and seeds repeat them: drawing runs would cover far less."""
    covered = {"arms": 0, "runs": 0}
    for i in range(100):
        rng = numpy_rng(i, "mechanism arms")
        x, y = (np.repeat(rng.normal(size=12), 4) + rng.normal(0, 0.1, 48) for _ in range(2))
        for by, names in (("arms", np.repeat(np.arange(12), 4)), ("runs", np.arange(48))):
            found = rank_correlation(x, y, ["a"] * 48, names)
            covered[by] += found.low <= 0 <= found.high
    assert covered["arms"] >= 85 and covered["runs"] < 75


def test_what_does_not_vary_has_no_correlation():
    found = rank_correlation([1, 1, 1, 1], [1, 2, 3, 4], ["a"] * 4, list("abcd"))
    assert np.isnan(found).all()
