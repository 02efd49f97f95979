"""The plateau of success over simulated data, and the real data that would reach it alone.

Success p (a rate, or a score in [0, 1]) over the number n of simulated demonstrations is taken to saturate
as p(n) = start + (plateau - start) · n / (n + half): half of the rise is made at n = half. A third number,
such as the power of the approach, is not to be had from a handful of sizes, and is left at 1.

Outcomes of runs are quasi-binomial: variance φ·p(1 - p) about the mean of their cell, where φ, one for all
cells, is estimated from the runs of a cell and holds the luck of the training as well as that of the trials.
Everything takes leading dimensions (...), so that many data sets are fitted at once.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import f as fisher
from scipy.stats import norm
from scipy.stats import t as student

from align.analysis.statistics.intervals import LEVEL, Interval
from align.errors import InputError

HALVES = 80  # values of `half` that are tried
RATIOS = 600  # sizes at which the real-only curve is compared with the plateau


class Cells(NamedTuple):
    """Outcomes by cell: a combination of sizes, with a run or more.

    Attributes:
        mean: (..., C) mean outcome.
        variance: (..., C) variance of that mean.
        freedom: Degrees of freedom behind the variance; infinite where it is assumed.
    """

    mean: np.ndarray
    variance: np.ndarray
    freedom: float

    def of(self, which: Sequence[int]) -> "Cells":
        """Some of the cells."""
        return Cells(self.mean[..., which], self.variance[..., which], self.freedom)


class Saturation(NamedTuple):
    """A saturating fit. Fields are arrays (...) where the outcomes have leading dimensions.

    Attributes:
        start: Outcome without simulated data.
        half: Size that makes half of the rise.
        plateau: What the curve tends to, with its interval (profile likelihood).
        flat: No change with the size can be distinguished.
        rising: It cannot be excluded that half of the change or more lies beyond the largest size: the
            plateau is an extrapolation, and its interval holds for such curves only up to twice that far.
    """

    start: np.ndarray
    half: np.ndarray
    plateau: Interval
    flat: np.ndarray
    rising: np.ndarray

    def __call__(self, n: ArrayLike) -> np.ndarray:
        """The curve at sizes `n`."""
        share = np.asarray(n, float) / (np.asarray(n, float) + self.half)
        return self.start + (self.plateau.value - self.start) * share


def pool(outcomes: Sequence[np.ndarray], trials: int) -> Cells:
    """Cells from the outcomes of their runs.

    Args:
        outcomes: For each cell the outcomes of its runs (..., runs), in [0, 1]; numbers of runs may differ.
        trials: Trials behind each outcome. Where no cell has two runs, φ = 1 / trials: binomial, and blind
            to the luck of training.
    """
    outcomes = [np.asarray(x, float) for x in outcomes]
    runs = np.array([x.shape[-1] for x in outcomes])
    mean = np.stack([x.mean(-1) for x in outcomes], -1)
    shrunk = (mean * runs * trials + 2) / (runs * trials + 4)  # a rate of 0 or 1 is not known without error
    binomial = shrunk * (1 - shrunk)
    freedom = int(np.sum(runs - 1))
    if freedom:
        squares = np.stack([x.var(-1) * x.shape[-1] for x in outcomes], -1)
        phi = np.sum(squares / binomial, -1, keepdims=True) / freedom
        phi = np.maximum(phi, 1e-6)  # runs that are all alike: the variance is tiny, but not 0
    else:
        phi = np.array([1 / trials])
    return Cells(mean, phi * binomial / runs, freedom or np.inf)


def outcome(cells: Cells, c: int) -> Interval:
    """The mean outcome of one cell, with Student's interval within [0, 1]."""
    half = student_quantile(cells.freedom) * np.sqrt(cells.variance[..., c])
    mean = cells.mean[..., c]
    return Interval(mean, np.clip(mean - half, 0, 1), np.clip(mean + half, 0, 1))


def fit_plateau(n: ArrayLike, cells: Cells) -> Saturation:
    """Fit the saturating curve by weighted least squares, its plateau within [0, 1].

    For each `half` of a grid, from a tenth of the smallest to the largest size, the squares are a parabola in
    the plateau; the interval is where the lowest of them exceeds the minimum by no more than F allows.

    Args:
        n: (C,) sizes, at least three different ones; 0 is one.
        cells: Outcomes at these sizes.

    Raises:
        InputError: There are fewer than three sizes.
    """
    n = np.asarray(n, float)
    if len(np.unique(n)) < 3:
        raise InputError(f"n={n.tolist()}: expected three sizes or more for a saturating curve")
    half = np.geomspace(n[n > 0].min() / 10, n.max(), HALVES)[:, None]
    up = n / (n + half)  # (H, C)
    y, w = cells.mean[..., None, :], 1 / cells.variance[..., None, :]
    a, b, d = (np.sum(w * x, -1) for x in ((1 - up) ** 2, up * (1 - up), up**2))  # (..., H)
    r, s = np.sum(w * (1 - up) * y, -1), np.sum(w * up * y, -1)
    # With the start at its best, squares = curve·plateau² - 2·slope·plateau + rest.
    curve, slope = d - b**2 / a, s - b * r / a
    rest = np.sum(w * y**2, -1) - r**2 / a
    best = np.clip(slope / curve, 0, 1)
    squares = curve * best**2 - 2 * slope * best + rest
    at = np.argmin(squares, -1)[..., None]
    least = np.take_along_axis(squares, at, -1)
    allowed = least + fisher_quantile(1, cells.freedom)
    inside = np.sqrt(np.maximum(slope**2 - curve * (rest - allowed), 0)) / curve
    open_ = squares <= allowed
    low = np.where(open_, np.clip(slope / curve - inside, 0, 1), np.inf).min(-1)
    high = np.where(open_, np.clip(slope / curve + inside, 0, 1), -np.inf).max(-1)
    value = np.take_along_axis(best, at, -1)[..., 0]
    start = np.take_along_axis((r - b * best) / a, at, -1)[..., 0]
    level_mean = np.sum(w * y, -1) / np.sum(w, -1)
    level_squares = np.sum(w * (y - level_mean[..., None]) ** 2, -1)[..., 0]
    flat = level_squares <= least[..., 0] + 2 * fisher_quantile(2, cells.freedom)
    # Where nothing changes, `half` means nothing and the best parabola flatters itself: a constant fits too.
    reach = student_quantile(cells.freedom) / np.sqrt(np.sum(w, -1))
    constant = [np.clip(x, 0, 1)[..., 0] for x in (level_mean - reach, level_mean + reach)]
    low = np.where(flat, np.minimum(low, constant[0]), low)
    high = np.where(flat, np.maximum(high, constant[1]), high)
    return Saturation(start, half[at[..., 0], 0], Interval(value, low, high), flat, open_[..., -1])


def equivalent(plateau: Interval, real: int, n: ArrayLike, cells: Cells) -> Interval:
    """How much real data alone reaches the plateau, as a multiple of the real data that it was reached with.

    The real-only curve is the non-decreasing one nearest to its cells, linear in log n between them. The
    interval holds the sizes at which curve and plateau cannot be told apart, the two uncertainties combined
    by their squares (MOVER, Zou and Donner 2008).

    Args:
        plateau: The plateau and its interval.
        real: The number of real demonstrations that it was reached with.
        n: (C,) sizes of the real-only curve, increasing.
        cells: Outcomes at these sizes.

    Returns:
        The ratio. An end or the value itself is infinite where even the largest size tested may fall short
        of, or does not reach, the plateau ("beyond the range tested"), and 0 where even the smallest may
        exceed it. An interval that holds 1 says that the gain cannot be told from none.

    Raises:
        InputError: There are fewer than two sizes, or they do not increase.
    """
    n = np.asarray(n, float)
    if len(n) < 2 or not (np.diff(n) > 0).all() or n[0] <= 0:
        raise InputError(f"n={n.tolist()}: expected two or more positive sizes in increasing order")
    size = np.geomspace(n[0], n[-1], RATIOS)
    weights = np.stack([np.interp(np.log(size), np.log(n), row) for row in np.eye(len(n))], -1)  # (R, C)
    curve = isotonic(cells.mean, 1 / cells.variance) @ weights.T  # (..., R)
    spread = cells.variance @ (weights**2).T
    value, low, high = (np.asarray(x, float)[..., None] for x in plateau)
    # The plateau's half-width is already a quantile's width; the curve's variance is brought to the same.
    reach = np.where(curve > value, high - value, value - low)
    alike = np.abs(curve - value) <= np.hypot(reach, student_quantile(cells.freedom) * np.sqrt(spread))
    below = curve < value
    return Interval(*_ends(alike, below, size, real))


def _ends(alike: np.ndarray, below: np.ndarray, size: np.ndarray, real: int) -> tuple[np.ndarray, ...]:
    """Ratio where the curve crosses the plateau, and the hull of where they are alike."""
    last, any_ = len(size) - 1, alike.any(-1)
    count = below.sum(-1)  # the curve does not decrease: the sizes below the plateau come first
    value = np.where(count > last, np.inf, size[np.minimum(count, last)])
    value = np.where(count == 0, 0.0, value)
    first, final = alike.argmax(-1), last - alike[..., ::-1].argmax(-1)
    low = np.where(any_, np.where(first == 0, 0.0, size[first]), np.minimum(value, size[-1]))
    high = np.where(any_, np.where(final == last, np.inf, size[final]), np.maximum(value, size[0]))
    return tuple(np.asarray(x / real)[()] for x in (value, np.minimum(low, value), np.maximum(high, value)))


def verdict(ratio: Interval, reach: float) -> str:
    """In words, what an equivalent says.

    Args:
        ratio: As `equivalent` returns it, of one curve.
        reach: The largest real-only size tested over `real`.
    """
    if ratio.low <= 1 <= ratio.high:
        return "not distinguishable from the same real data alone"
    if ratio.high < 1:
        return f"less than the same real data alone reaches (at most {ratio.high:.1f}×)"
    if np.isinf(ratio.value):
        return f"beyond the range tested (more than {ratio.low:.1f}×, tested to {reach:.1f}×)"
    end = f"beyond {reach:.1f}" if np.isinf(ratio.high) else f"{ratio.high:.1f}"
    return f"{ratio.value:.1f}× [{ratio.low:.1f}, {end}]"


def isotonic(mean: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """The non-decreasing values nearest to `mean` (..., C) by weighted squares: max-min of averages.

    Barlow, Bartholomew, Bremner and Brunk, Statistical Inference under Order Restrictions (1972).
    """
    c = mean.shape[-1]
    zero = np.zeros_like(mean[..., :1])
    sums = np.concatenate([zero, np.cumsum(mean * weight, -1)], -1)
    weights = np.concatenate([zero, np.cumsum(weight, -1)], -1)
    average = {
        (i, j): (sums[..., j] - sums[..., i]) / (weights[..., j] - weights[..., i])
        for i in range(c)
        for j in range(i + 1, c + 1)
    }
    least = {  # of averages that begin at i and reach to k or further
        (i, k): np.minimum.reduce([average[i, j] for j in range(k + 1, c + 1)])
        for k in range(c)
        for i in range(k + 1)
    }
    return np.stack([np.maximum.reduce([least[i, k] for i in range(k + 1)]) for k in range(c)], -1)


def shared_luck(outcomes: np.ndarray) -> float:
    """Standard deviation that drawing other trials would give the means of all runs alike.

    The covariance between runs over their shared trials (runs, trials), by the number of trials.
    """
    runs, trials = outcomes.shape
    if runs < 2 or trials < 2:
        return 0.0
    total, own = outcomes.sum(0).var(ddof=1), outcomes.var(1, ddof=1).sum()
    return float(np.sqrt(max(total - own, 0) / (runs * (runs - 1)) / trials))


def widened(interval: Interval, luck: float) -> Interval:
    """The interval with a further, independent error of standard deviation `luck`, within [0, 1]."""
    more = student_quantile(np.inf) * luck
    value, low, high = map(float, interval)
    return Interval(
        value, max(value - np.hypot(value - low, more), 0), min(value + np.hypot(high - value, more), 1)
    )


def fisher_quantile(numbers: int, freedom: float) -> float:
    """Of F with `numbers` and `freedom` degrees of freedom, which may be infinite."""
    return float(fisher.ppf(LEVEL, numbers, min(freedom, 1e9)))


def student_quantile(freedom: float) -> float:
    """Two-sided, of Student's t with `freedom` degrees of freedom, which may be infinite."""
    q = (1 + LEVEL) / 2
    return float(norm.ppf(q) if np.isinf(freedom) else student.ppf(q, freedom))
