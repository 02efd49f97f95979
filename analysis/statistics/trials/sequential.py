"""Two arms, trials as they come: stop when it is settled, valid at any time.

An ordinary interval that is looked at after every trial, to stop as soon as it leaves out zero, errs far more
often than its level says. A confidence sequence holds at all times at once. Here by betting (Waudby-Smith and
Ramdas, JRSS B 86, 2024): whoever bets a constant fraction f of their capital on outcomes z in [0, 1] being
more than m is worth Π (1 + f (z_t − m) / m) after t trials, and is ever worth 2 / α with a probability of at
most α / 2 where m is the mean. The fractions are spread evenly and their capitals averaged (their
"diversified Kelly"; package confseq), half of the stake on "more than m", half on "less".

The outcomes are differences of the two arms, trial by trial: of a start both met, or in the order they came.
Successes and partial credit in [0, 1] alike; nothing is assumed of their distribution but that the expected
difference is the same in all trials, whatever came before. It speaks of the two trained policies.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from align.analysis.statistics.intervals import LEVEL, Interval
from align.analysis.statistics.trials.crossed import checked_level
from align.errors import InputError
from align.seeding import numpy_rng

FRACTIONS = np.arange(1, 21) / 21  # of the capital that is bet
BESIDE = 0.5 + 1 / 8000
"""The first mean above "no difference": the interval of what is settled leaves out 0 as it is printed."""
GRID = np.sort(np.append(np.linspace(0, 1, 801), BESIDE))  # means that are tried


class Sequence(NamedTuple):
    """What was known after each trial.

    Attributes:
        difference: (n,) mean difference of the trials so far.
        low, high: (n,) ends of the confidence sequence; with probability `level` it holds the true difference
            at all times. They never widen.
        p_values: (n,) anytime-valid p-value of "no difference", at most 1 − level where the interval leaves
            out 0: may be read at any time.
        settled: Number of trials after which the interval first left out zero, None where it never did.
    """

    difference: np.ndarray
    low: np.ndarray
    high: np.ndarray
    p_values: np.ndarray
    settled: int | None

    def interval(self) -> Interval:
        """After the last trial."""
        return Interval(float(self.difference[-1]), float(self.low[-1]), float(self.high[-1]))


def compare(outcomes: ArrayLike, reference: ArrayLike, level: float = LEVEL) -> Sequence:
    """Follow two arms trial by trial.

    Args:
        outcomes: (n,) successes or scores in [0, 1] of the arm, in the order they came.
        reference: (n,) of the reference: on the same starts, or simply as many.
        level: Probability that the sequence of intervals holds at all times.

    Raises:
        InputError: The numbers of trials differ, there are none, or an outcome is outside [0, 1].
    """
    a, b = np.asarray(outcomes, float), np.asarray(reference, float)
    if a.ndim != 1 or a.shape != b.shape or not len(a):
        raise InputError(f"reference of shape {b.shape}: expected one outcome for each of {a.shape} trials")
    for name, x in (("outcomes", a), ("reference", b)):
        if not (np.isfinite(x).all() and x.min() >= 0 and x.max() <= 1):
            raise InputError(f"{name} from {x.min():g} to {x.max():g}: expected outcomes in [0, 1]")
    z = (a - b + 1) / 2
    low, high = (2 * end - 1 for end in confidence_sequence(z, level))
    with np.errstate(over="ignore"):
        p_values = np.minimum.accumulate(np.minimum(2 * np.exp(-against_none(z)), 1.0))
    out = (low > 0) | (high < 0)
    settled = int(np.argmax(out)) + 1 if out.any() else None
    return Sequence(np.cumsum(a - b) / np.arange(1, len(a) + 1), low, high, p_values, settled)


def against_none(values: np.ndarray) -> np.ndarray:
    """Logarithm of the larger of two capitals after each of `values` (n,): one on more, one on less.

    It is settled at level 1 − α as soon as this reaches log(2 / α).
    """
    return np.maximum(capital(values, BESIDE), capital(1 - values, BESIDE))


def confidence_sequence(values: ArrayLike, level: float = LEVEL) -> tuple[np.ndarray, np.ndarray]:
    """A confidence sequence of the mean of values in [0, 1].

    Args:
        values: (n,) as they came.
        level: Probability that the interval holds the mean at all times.

    Returns:
        Low and high ends (n,); never widening, rounded outwards to 1/800.
    """
    z = np.asarray(values, float)
    threshold = np.log(2 / (1 - float(checked_level(level))))
    return _lower_end(z, threshold), 1 - _lower_end(1 - z, threshold)


def capital(values: np.ndarray, mean: float) -> np.ndarray:
    """Logarithm of what a stake of 1 on "more than `mean`" is worth after each of `values` (n,) in [0, 1]."""
    if mean == 0:
        return np.where(np.cumsum(values) > 0, np.inf, 0.0)
    worth = np.cumsum(np.log1p(FRACTIONS[:, None] * (values / mean - 1)), axis=1)
    most = worth.max(0)
    return most + np.log(np.mean(np.exp(worth - most), axis=0))


def _lower_end(z: np.ndarray, threshold: float) -> np.ndarray:
    """The capital falls as the mean grows: the least mean at which it stayed below the threshold."""
    low = np.zeros(len(z))
    for mean in GRID[1:-1]:
        lost = np.maximum.accumulate(capital(z, mean)) >= threshold
        if not lost[-1]:
            break
        low = np.where(lost, mean, low)
    return low


def pairs_to_go(
    outcomes: ArrayLike,
    reference: ArrayLike,
    level: float = LEVEL,
    seed: int = 0,
    draws: int = 200,
    most: int = 1000,
) -> int | None:
    """After how many further pairs half of all comparisons would be settled, going on like those so far.

    Continues with pairs drawn from those seen, so it is as uncertain as they are few. It is no part of the
    guarantee, nor does it harm it.

    Args:
        outcomes, reference: As in `compare`.
        level: As in `compare`.
        seed, draws: Of the continuations.
        most: Further pairs that are tried.

    Returns:
        0 where it is settled, None where more than `most` are needed.

    Raises:
        InputError: As in `compare`.
    """
    if compare(outcomes, reference, level).settled is not None:
        return 0
    d = np.asarray(outcomes, float) - np.asarray(reference, float)
    drawn = numpy_rng(seed, "pairs to go").choice(d, (draws, most))
    threshold = np.log(2 / (1 - level)) + np.log(len(FRACTIONS))  # of a sum of capitals, not their mean
    won = np.zeros((draws, most), bool)
    for sign in (1, -1):
        worth = np.full((draws, most), -np.inf)
        for fraction in FRACTIONS:
            begun, further = (
                np.log1p(fraction * ((x + 1) / (2 * BESIDE) - 1)) for x in (sign * d, sign * drawn)
            )
            worth = np.logaddexp(worth, begun.sum() + np.cumsum(further, axis=1))
        won |= worth >= threshold
    first = np.where(won.any(1), won.argmax(1) + 1, most + 1)
    middle = float(np.median(first))
    return None if middle > most else int(np.ceil(middle))
