import numpy as np
import pytest
from scipy import stats

from align.analysis.statistics import intervals
from align.analysis.statistics.intervals import Interval
from align.errors import InputError


@pytest.mark.parametrize(("x", "n"), [(0, 10), (3, 10), (10, 10), (87, 200)])
def test_wilson_agrees_with_scipy(x, n):
    expected = stats.binomtest(x, n).proportion_ci(0.95, method="wilson")
    np.testing.assert_allclose(intervals.wilson(x, n), (x / n, *expected), atol=1e-12)


def test_wilson_of_arrays_and_of_no_trials():
    found = intervals.wilson([0, 2], [0, 4])
    assert np.isnan(found.value[0]) and found.low[0] == 0 and found.high[0] == 1
    np.testing.assert_allclose([x[1] for x in found], intervals.wilson(2, 4))


@pytest.mark.parametrize(("x", "n"), [(-1, 4), (5, 4)])
def test_wilson_refuses_impossible_counts(x, n):
    with pytest.raises(InputError, match="successes"):
        intervals.wilson(x, n)


def test_an_interval_survives_json():
    interval = Interval(0.5, np.nan, 0.75)
    assert interval.as_dict()["low"] is None
    np.testing.assert_equal(Interval.from_dict(interval.as_dict()), interval)


def test_an_end_that_is_not_0_does_not_look_like_it():
    assert str(intervals.Interval(0.1, 0.004, 0.2)) == "0.10 [0.004, 0.20]"
    assert str(intervals.Interval(-0.1, -0.2, -0.0004)) == "−0.10 [−0.20, −0.0004]"
    assert str(intervals.Interval(0.0, -0.0, np.nan)) == "0.00 [0.00, nan]"
    assert intervals.decimals(0.25, 0, "+") == "+0.2" and intervals.decimals(0.0, 2, "+") == "0.00"
    assert intervals.decimals(1e-12, 2) == "0.00" and intervals.decimals(0.31, 2, "+") == "+0.31"
