"""Two policies from the same starts, each trial a success or not: what the discordant pairs show.

Both speak of these two policies, one training each: another training of either may do otherwise.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.special import ndtri
from scipy.stats import binomtest

from align.analysis.statistics.intervals import LEVEL, Interval
from align.errors import InputError

BESIDE = 1e-9


class Discordant(NamedTuple):
    """Pairs that tell two policies apart.

    Attributes:
        wins: Starts from which the policy succeeded and the reference did not.
        losses: Starts from which only the reference succeeded.
        n: All starts.
    """

    wins: int
    losses: int
    n: int


def discordant(successes: ArrayLike, reference: ArrayLike) -> Discordant:
    """Count the discordant pairs.

    Args:
        successes: (starts,) 0 or 1.
        reference: (starts,) 0 or 1 of the reference, in the same order of starts.

    Raises:
        InputError: The lengths differ, there are none, or an outcome is neither 0 nor 1.
    """
    a, b = np.asarray(successes, float), np.asarray(reference, float)
    if a.ndim != 1 or a.shape != b.shape or not len(a):
        raise InputError(f"reference of shape {b.shape}: expected one outcome a start, as of {a.shape}")
    for name, x in (("successes", a), ("reference", b)):
        if not np.isin(x, (0, 1)).all():
            odd = x[~np.isin(x, (0, 1))][0]
            raise InputError(f"{name} with {odd:g}: expected 0 or 1 (for partial credit see `crossed`)")
    return Discordant(int(np.sum(a > b)), int(np.sum(a < b)), len(a))


def mcnemar(pairs: Discordant) -> float:
    """McNemar's exact test: two-sided p-value of "wins and losses are equally likely".

    The binomial test of `wins` in wins + losses against 1/2 (McNemar, Psychometrika 12, 1947). Without any
    discordant pair the p-value is 1.
    """
    total = pairs.wins + pairs.losses
    return float(binomtest(pairs.wins, total, 0.5).pvalue) if total else 1.0


def tango(pairs: Discordant, level: float = LEVEL) -> Interval:
    """Difference of success rates on shared starts, with Tango's score interval.

    It holds every δ with |b − c − n δ| ≤ z √(n (2 q + δ (1 − δ))), where b are the wins, c the losses, and
    q the most likely rate of losses given δ, the larger root of
    2 n q² + ((2 n − b + c) δ − b − c) q − c δ (1 − δ) (Tango, Statistics in Medicine 17, 1998).

    Args:
        pairs: The counts; see `discordant`.
        level: Confidence level, in (0, 1).

    Raises:
        InputError: Impossible counts, or a level outside (0, 1).
    """
    b, c, n = pairs
    if not (b >= 0 and c >= 0 and n > 0 and b + c <= n):
        raise InputError(f"wins={b}, losses={c} of n={n}: expected wins + losses <= n")
    if not 0 < level < 1:
        raise InputError(f"level={level}: expected a confidence level between 0 and 1, e.g. 0.95")
    z, value = float(ndtri((1 + level) / 2)), (b - c) / n

    def excess(delta: float) -> float:
        return abs(b - c - n * delta) - z * score_deviation(delta, b, c, n)

    # Without discordant pairs the deviation is 0 at the value itself: start beside it.
    low = brentq(excess, -1, value - BESIDE, xtol=1e-10) if value > -1 and excess(-1.0) > 0 else -1.0
    high = brentq(excess, value + BESIDE, 1, xtol=1e-10) if value < 1 and excess(1.0) > 0 else 1.0
    return Interval(value, float(low), float(high))


def paired_difference(pairs: Discordant, level: float = LEVEL) -> Interval:
    """Tango's interval, which holds 0 unless McNemar's exact test says otherwise.

    Tango's interval by itself leaves out 0 where there is no difference in up to 7.8 % instead of 5 % (5
    starts; 6.5 % at 50), and stands beside exact p-values above 5 %. This one never errs more often than its
    level says, and agrees with `mcnemar`: it leaves out 0 where p <= 1 - level.

    Args:
        pairs, level: As in `tango`.

    Raises:
        InputError: As in `tango`.
    """
    value, low, high = tango(pairs, level)
    if mcnemar(pairs) > 1 - level:
        low, high = min(low, 0.0), max(high, 0.0)
    return Interval(value, low, high)


def score_deviation(delta: float, wins: int, losses: int, n: int) -> float:
    """Standard deviation of wins − losses where the difference of rates is `delta`; see `tango`."""
    b = (2 * n - wins + losses) * delta - wins - losses
    root = np.sqrt(max(b**2 + 8 * n * losses * delta * (1 - delta), 0.0))
    q = max((root - b) / (4 * n), 0.0, -delta)
    return float(np.sqrt(n * max(2 * q + delta * (1 - delta), 0.0)))
