"""Rates and scores in [0, 1] over trainings and trials: intervals that stay inside and cover near 0 and 1.

Wilson's interval (1927) holds every rate p with |p̂ − p| ≤ t √(p (1 − p) / n). Over crossed trainings and
trials, n is the number of independent trials that would leave as much variance, p̂ (1 − p̂) / Var(p̂), and
t the critical value of `crossed.Estimate`. Differences are Newcombe's (1998, method 10): the arms' limits
combined with the correlation that the shared trials bring; with so few trials that this is hardly known
(`FEW`) as wide as Student's, too. Among Student's interval, Wilson's with and
without n capped at the number of trials, Korn and Graubard's, and one on the logit scale, these two came
nearest to their level for rates of .02 to .98 at the least width; see `docs/coverage.md`.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from align.analysis.statistics.intervals import LEVEL, Interval
from align.analysis.statistics.trials.crossed import (
    Between,
    Estimate,
    between_trainings,
    difference,
    interval_of,
    mean,
    table,
)
from align.errors import InputError

FEW = 30
"""Shared trials up to which the correlation that they bring is a guess: of two it is always 1 or -1.

Of scores of two policies alike, Newcombe's interval by itself would leave out 0 in 24 % of pairs of 2 trials,
11 % at 3 and 8 % at 5; the wider of the two in 5 % at most.
"""


def rate(values: ArrayLike, between: Between | None = None, level: float = LEVEL) -> Interval:
    """The mean over trainings and trials of outcomes in [0, 1].

    Where no outcome differs (no success at all, or no failure) n is the number of trials, as if the
    trainings always agreed, less what a relative `between` leaves of it.

    Args:
        values: (..., trainings, trials) of successes (0 or 1) or scores in [0, 1]. With one training and
            no `between` the interval is that of this one training; see `crossed.Estimate.lone`.
        between: The variance between trainings, pooled over arms, best `relative`; by default the arm's own.
        level: Confidence level, in (0, 1).

    Raises:
        InputError: An outcome outside [0, 1], or as in `crossed.components`.
    """
    values = unit_table("values", values)
    return score_interval(mean(values, between), _independent(values, between), level)


def score_interval(found: Estimate, fewest: ArrayLike, level: float = LEVEL) -> Interval:
    """Wilson's interval of an estimate in [0, 1], by its own variance and critical value.

    Args:
        found: The estimate.
        fewest: How many independent trials there are where nothing varies.
        level: Confidence level, in (0, 1).
    """
    return interval_of(found.value, *_wilson(found, fewest, found.critical(level)))


def rate_difference(
    values: ArrayLike,
    reference: ArrayLike,
    between: Between | Sequence[Between] | None = None,
    level: float = LEVEL,
) -> Interval:
    """An arm's rate or score minus the reference's on the same trials, each with trainings of its own.

    Args:
        values: (..., trainings, trials) of the arm, in [0, 1].
        reference: (..., trainings, trials) of the reference; columns in the same order of trials.
        between: The variance between trainings, pooled over arms, best `relative`, or that of the arm and
            that of the reference; by default pooled over these two.
        level: Confidence level, in (0, 1).

    Raises:
        InputError: As in `rate`, or the numbers of trials differ.
    """
    pair = _pair(values, reference, between)
    return interval_of(pair.found.value, *_ends(pair, pair.found.critical(level)))


def difference_p_value(
    values: ArrayLike,
    reference: ArrayLike,
    between: Between | Sequence[Between] | None = None,
    null: float = 0.0,
) -> ArrayLike:
    """Two-sided p-value of "the difference is `null`": one less the level whose interval just holds it.

    The interval is that of `rate_difference`, so that both always say the same.

    Args:
        values, reference, between: As in `rate_difference`.
        null: The difference that is tested.

    Raises:
        InputError: As in `rate_difference`.
    """
    pair = _pair(values, reference, between)
    shape = np.shape(pair.found.value)
    low, high = np.zeros(shape), np.ones(shape)  # bisection on p: the interval shrinks as p grows
    for _ in range(60):
        middle = (low + high) / 2
        ends = _ends(pair, pair.found.critical_of_p(middle))
        held = (ends[0] <= null) & (null <= ends[1])
        low, high = np.where(held, middle, low), np.where(held, high, middle)
    return (low + high) / 2 if shape else float((low + high) / 2)


class _Pair(NamedTuple):
    found: Estimate  # of the difference
    arms: tuple[Estimate, Estimate]
    fewest: tuple[ArrayLike, ArrayLike]  # independent trials where nothing varies
    r: np.ndarray  # correlation of the two that shared trials bring
    trials: int


def _pair(values: ArrayLike, reference: ArrayLike, between: Between | Sequence[Between] | None) -> _Pair:
    values, reference = unit_table("values", values), unit_table("reference", reference)
    found = difference(values, reference, between)
    if between is None and max(values.shape[-2], reference.shape[-2]) > 1:
        between = between_trainings([values, reference])
    each = [between] * 2 if between is None or isinstance(between, Between) else between
    both = list(zip((values, reference), each, strict=True))
    arm, other = (mean(x, b) for x, b in both)
    with np.errstate(invalid="ignore", divide="ignore"):
        shared = (np.add(arm.variance, other.variance) - found.variance) / 2
        r = np.clip(np.nan_to_num(shared / np.sqrt(np.multiply(arm.variance, other.variance))), -1, 1)
    return _Pair(found, (arm, other), tuple(_independent(x, b) for x, b in both), r, values.shape[-1])


def _ends(pair: _Pair, critical: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Both ends of a difference: Newcombe's, and those of Student where they are wider and trials are few."""
    low, high = _newcombe(pair, critical)
    if pair.trials > FEW:
        return low, high
    half = critical * np.sqrt(pair.found.variance)
    ends = np.subtract(pair.found.value, half), np.add(pair.found.value, half)
    return np.minimum(low, np.clip(ends[0], -1, 1)), np.maximum(high, np.clip(ends[1], -1, 1))


def _newcombe(pair: _Pair, critical: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Both ends of a difference: the distances to the ends of the arms, less what the arms share."""
    (below, above), (other_below, other_above) = (
        [np.abs(np.subtract(end, e.value)) for end in _wilson(e, n, critical)]
        for e, n in zip(pair.arms, pair.fewest, strict=True)
    )
    low = np.subtract(pair.found.value, _hypot(below, other_above, pair.r))
    return low, np.add(pair.found.value, _hypot(above, other_below, pair.r))


def unit_table(name: str, values: ArrayLike) -> np.ndarray:
    """Outcomes in [0, 1] as a float array (..., trainings, trials), checked."""
    values = table(name, values)
    if values.min() < 0 or values.max() > 1:
        raise InputError(f"{name} from {values.min():g} to {values.max():g}: expected outcomes in [0, 1]")
    return values


def _independent(values: np.ndarray, between: Between | None) -> ArrayLike:
    """How many independent trials there are where no outcome differs."""
    trainings, trials = values.shape[-2:]
    relative = between.variance if between is not None and between.relative else 0.0
    return 1 / (1 / trials + np.divide(relative, trainings))


def _wilson(found: Estimate, fewest: ArrayLike, critical: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Both ends of Wilson's interval at the effective number of trials, `fewest` where nothing varies."""
    rate = np.clip(found.value, 0, 1)
    spread = rate * (1 - rate)
    with np.errstate(invalid="ignore", divide="ignore"):
        known = (spread > 0) & np.greater(found.variance, 0)
        n = np.where(known, spread / found.variance, fewest)
    z2 = np.square(critical) / n
    centre = (rate + z2 / 2) / (1 + z2)
    half = np.sqrt(z2 * (spread + z2 / 4)) / (1 + z2)
    return np.clip(np.minimum(centre - half, rate), 0, 1), np.clip(np.maximum(centre + half, rate), 0, 1)


def _hypot(a: np.ndarray, b: np.ndarray, r: np.ndarray) -> np.ndarray:
    """√(a² + b² − 2 r a b): what the errors of two correlated numbers leave of their difference's."""
    return np.sqrt(np.maximum(a**2 + b**2 - 2 * r * a * b, 0))
