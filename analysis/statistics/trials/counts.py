"""Exact intervals of a count: how many of n independent trials of one policy succeeded.

Wilson's interval covers its level on the average over rates but not at each: a 95 % interval of a rate above
.85 covers as little as 85 % at 20 trials, 89 % at 50 and 91 % at 100. These two never cover less than their
level. Blaker's lies within Clopper and Pearson's.
"""

import numpy as np
from scipy import stats
from scipy.special import bdtr, bdtrc, bdtrik

from align.analysis.statistics.intervals import LEVEL, Interval
from align.errors import InputError

STEPS, FINER = 2000, 50  # of the search for Blaker's ends, and of each finer one where it found them


def clopper_pearson(successes: int, n: int, level: float = LEVEL) -> Interval:
    """The rates that neither one-sided binomial test rejects (Clopper and Pearson, Biometrika 26, 1934).

    Args:
        successes: How many trials succeeded.
        n: How many there were, at least one.
        level: Confidence level, in (0, 1).

    Raises:
        InputError: Not 0 ≤ successes ≤ n, or n is 0.
    """
    _check(successes, n, level)
    low, high = stats.binomtest(successes, n).proportion_ci(level, method="exact")
    return Interval(successes / n, float(low), float(high))


def blaker(successes: int, n: int, level: float = LEVEL) -> Interval:
    """The rates that Blaker's two-sided exact test accepts (Canadian Journal of Statistics 28, 2000).

    A rate p is accepted where the smaller tail of what was seen, and the largest opposite tail that is no
    more probable, together exceed 1 − level. The interval is the hull of the accepted rates.

    Args:
        successes, n, level: As in `clopper_pearson`.

    Raises:
        InputError: As in `clopper_pearson`.
    """
    wide = clopper_pearson(successes, n, level)
    value = successes / n
    low = 0.0 if successes == 0 else _end(successes, n, 1 - level, wide.low, value)
    high = 1.0 if successes == n else 1 - _end(n - successes, n, 1 - level, 1 - wide.high, 1 - value)
    return Interval(value, low, high)


def acceptability(successes: int, n: int, p: np.ndarray) -> np.ndarray:
    """Blaker's p-value of each rate `p`, for a count at or above its mean n · p."""
    p = np.asarray(p, float)
    tail = bdtrc(successes - 1, n, p) if successes else np.ones_like(p)
    with np.errstate(invalid="ignore"):  # at p = 0 and 1, where the tail is 1 and the opposite one all
        opposite = np.ceil(np.nan_to_num(bdtrik(tail, n, p), nan=float(n)))
    opposite = np.where(_below(opposite - 1, n, p) >= tail, opposite - 1, opposite)
    # the largest lower tail that does not exceed `tail`
    opposite = np.where(_below(opposite, n, p) > tail * (1 + 1e-12), opposite - 1, opposite)
    return np.minimum(tail + _below(opposite, n, p), 1.0)


def _below(count: np.ndarray, n: int, p: np.ndarray) -> np.ndarray:
    """Probability of at most `count` successes of n; 0 of a count below 0."""
    return np.where(count < 0, 0.0, bdtr(np.clip(count, 0, n), n, p))


def _end(successes: int, n: int, alpha: float, low: float, high: float) -> float:
    """The least accepted rate in [low, high], where `low` is at most it."""
    grid = np.linspace(low, high, STEPS)
    accepted = acceptability(successes, n, grid) > alpha
    if accepted[0] or not accepted.any():
        return float(low)
    for _ in range(7):  # between the last that is not and the first that is, ever finer
        first = int(np.argmax(accepted))
        grid = np.linspace(grid[first - 1], grid[first], FINER)
        accepted = acceptability(successes, n, grid) > alpha
        accepted[0], accepted[-1] = False, True
    return float(grid[np.argmax(accepted) - 1])


def _check(successes: int, n: int, level: float) -> None:
    if not (0 <= successes <= n and n > 0):
        raise InputError(f"successes={successes} of n={n}: expected 0 <= successes <= n and n >= 1")
    if not 0 < level < 1:
        raise InputError(f"level={level}: expected a confidence level between 0 and 1, e.g. 0.95")
