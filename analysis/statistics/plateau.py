"""The plateau of success over simulated data.

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


def pool(outcomes: Sequence[np.ndarray], trials: int, own_luck: float = 0.0) -> Cells:
    """Cells from the outcomes of their runs.

    Args:
        outcomes: For each cell the outcomes of its runs (..., runs), in [0, 1]; numbers of runs may differ.
        trials: Trials behind each outcome. Where no cell has two runs, φ = 1 / trials: binomial, and blind
            to the luck of training.
        own_luck: Standard deviation that the choice of trials gives the mean of a cell alone, all its runs
            alike, as `own_luck` finds it; runs of a cell do not show it.
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
    return Cells(mean, phi * binomial / runs + own_luck**2, freedom or np.inf)


def outcome(cells: Cells, c: int) -> Interval:
    """The mean outcome of one cell, with Student's interval within [0, 1]."""
    half = student_quantile(cells.freedom) * np.sqrt(cells.variance[..., c])
    mean = cells.mean[..., c]
    return Interval(mean, np.clip(mean - half, 0, 1), np.clip(mean + half, 0, 1))


def fit_plateau(n: ArrayLike, cells: Cells, level: float = LEVEL) -> Saturation:
    """Fit the saturating curve by weighted least squares, its plateau within [0, 1].

    For each `half` of a grid, from a tenth of the smallest to the largest size, the squares are a parabola in
    the plateau; the interval is where the lowest of them exceeds the minimum by no more than F allows.

    Args:
        n: (C,) sizes, at least three different ones; 0 is one.
        cells: Outcomes at these sizes.
        level: Confidence level of the plateau.

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
    allowed = least + fisher_quantile(1, cells.freedom, level)
    inside = np.sqrt(np.maximum(slope**2 - curve * (rest - allowed), 0)) / curve
    open_ = squares <= allowed
    low = np.where(open_, np.clip(slope / curve - inside, 0, 1), np.inf).min(-1)
    high = np.where(open_, np.clip(slope / curve + inside, 0, 1), -np.inf).max(-1)
    value = np.take_along_axis(best, at, -1)[..., 0]
    start = np.take_along_axis((r - b * best) / a, at, -1)[..., 0]
    level_mean = np.sum(w * y, -1) / np.sum(w, -1)
    level_squares = np.sum(w * (y - level_mean[..., None]) ** 2, -1)[..., 0]
    flat = level_squares <= least[..., 0] + 2 * fisher_quantile(2, cells.freedom, level)
    # Where nothing changes, `half` means nothing and the best parabola flatters itself: a constant fits too.
    reach = student_quantile(cells.freedom, level) / np.sqrt(np.sum(w, -1))
    constant = [np.clip(x, 0, 1)[..., 0] for x in (level_mean - reach, level_mean + reach)]
    low = np.where(flat, np.minimum(low, constant[0]), low)
    high = np.where(flat, np.maximum(high, constant[1]), high)
    return Saturation(start, half[at[..., 0], 0], Interval(value, low, high), flat, open_[..., -1])


def shared_luck(outcomes: np.ndarray) -> float:
    """Standard deviation that drawing other trials would give the means of all runs alike.

    The covariance between runs over their shared trials (runs, trials), by the number of trials.
    """
    runs, trials = outcomes.shape
    if runs < 2 or trials < 2:
        return 0.0
    total, own = outcomes.sum(0).var(ddof=1), outcomes.var(1, ddof=1).sum()
    return float(np.sqrt(max(total - own, 0) / (runs * (runs - 1)) / trials))


def own_luck(cells: Sequence[np.ndarray]) -> float:
    """Standard deviation that drawing other trials would give the mean of one cell, besides all cells alike.

    By how much more two runs of a cell vary together over their shared trials than two of different cells.

    Args:
        cells: (runs, trials) of each cell, on the same trials.
    """
    of, rows = np.repeat(np.arange(len(cells)), [len(cell) for cell in cells]), np.vstack(cells)
    if rows.shape[1] < 2:
        return 0.0
    covariance, alike = np.atleast_2d(np.cov(rows)), of[:, None] == of
    pairs, others = alike & ~np.eye(len(of), dtype=bool), ~alike
    if not pairs.any() or not others.any():
        return 0.0
    own = covariance[pairs].mean() - covariance[others].mean()
    return float(np.sqrt(max(own, 0.0) / rows.shape[1]))


def widened(interval: Interval, luck: float) -> Interval:
    """The interval with a further, independent error of standard deviation `luck`, within [0, 1]."""
    more = student_quantile(np.inf) * luck
    value, low, high = map(float, interval)
    return Interval(
        value, max(value - np.hypot(value - low, more), 0), min(value + np.hypot(high - value, more), 1)
    )


def fisher_quantile(numbers: int, freedom: float, level: float = LEVEL) -> float:
    """Of F with `numbers` and `freedom` degrees of freedom, which may be infinite."""
    return float(fisher.ppf(level, numbers, min(freedom, 1e9)))


def student_quantile(freedom: float, level: float = LEVEL) -> float:
    """Two-sided, of Student's t with `freedom` degrees of freedom, which may be infinite."""
    q = (1 + level) / 2
    return float(norm.ppf(q) if np.isinf(freedom) else student.ppf(q, freedom))
