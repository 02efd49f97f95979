"""The real data that would reach a level alone, such as the plateau of co-training, with its interval."""

import numpy as np
from numpy.typing import ArrayLike

from align.analysis.statistics.intervals import LEVEL, Interval
from align.analysis.statistics.plateau import Cells, student_quantile
from align.errors import InputError

RATIOS = 600  # sizes at which the real-only curve is compared with the level


def equivalent(plateau: Interval, real: int, n: ArrayLike, cells: Cells, level: float = LEVEL) -> Interval:
    """How much real data alone reaches the plateau, as a multiple of the real data that it was reached with.

    The real-only curve is the non-decreasing one nearest to its cells, linear in log n between them. The
    interval holds the sizes at which curve and plateau cannot be told apart, the two uncertainties combined
    by their squares (MOVER, Zou and Donner 2008).

    Args:
        plateau: The plateau and its interval.
        real: The number of real demonstrations that it was reached with.
        n: (C,) sizes of the real-only curve, increasing.
        cells: Outcomes at these sizes.
        level: Confidence level, that of the plateau's interval.

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
    alike = np.abs(curve - value) <= np.hypot(reach, student_quantile(cells.freedom, level) * np.sqrt(spread))
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
