"""Spearman's correlation of ranks within strata, with an interval over arms rather than runs."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from align.analysis.statistics.intervals import Interval, percentile
from align.seeding import numpy_rng

DRAWS = 1000


def rank_correlation(x: ArrayLike, y: ArrayLike, strata: Sequence[str], arms: Sequence[str]) -> Interval:
    """Spearman's correlation, of ranks within strata, with a bootstrap interval over the arms of each.

    Args:
        x, y: (n,) values.
        strata: (n,) names; with one stratum it is Spearman's ρ.
        arms: (n,) names; runs of an arm are drawn together.

    Returns:
        NaN where a side does not vary; the interval is clipped to [-1, 1].
    """
    x, y = np.asarray(x, float), np.asarray(y, float)
    strata, arms = np.asarray(strata), np.asarray(arms)
    same = strata[:, None] == strata  # (n, n)
    rng = numpy_rng(0, "rank correlation")
    times = np.zeros((DRAWS, len(x)))  # how often each run is drawn
    for stratum in np.unique(strata):
        names, of_run = np.unique(arms[strata == stratum], return_inverse=True)
        drawn = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=DRAWS)
        times[:, strata == stratum] = drawn[:, of_run]
    value = _correlation(x, y, same, np.ones((1, len(x))))[0]
    if not np.isfinite(value):
        return Interval(np.nan, np.nan, np.nan)
    return percentile(value, _correlation(x, y, same, times), bounds=(-1.0, 1.0))


def _correlation(x: np.ndarray, y: np.ndarray, same: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Correlation of ranks within strata, in resamples that hold each run so many `times` (draws, n)."""
    size = np.maximum(times @ same, 1)
    a, b = (_centred_ranks(values, same, times) / size for values in (x, y))
    with np.errstate(invalid="ignore"):
        return np.sum(times * a * b, 1) / np.sqrt(np.sum(times * a**2, 1) * np.sum(times * b**2, 1))


def _centred_ranks(values: np.ndarray, same: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Mid-rank of each value among those of its stratum, minus the mean rank. (draws, n)"""
    below = np.where(same, (values[:, None] < values) + 0.5 * (values[:, None] == values) - 0.5, 0)
    return times @ below
