"""Arms that were tried from starts of their own: the difference of their means, with nothing in common.

Newcombe's hybrid interval (Statistics in Medicine 17, 1998, method 10): the distances from each arm's mean to
the ends of its own interval, squared and added. Where several arms are compared with one, intervals that hold
all at once are those of the level 1 − (1 − level) / k (Bonferroni).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from align.analysis.statistics.intervals import LEVEL, Interval
from align.analysis.statistics.trials.crossed import Between, checked_level
from align.analysis.statistics.trials.rates import rate


def unpaired_difference(
    values: ArrayLike,
    reference: ArrayLike,
    between: Between | Sequence[Between | None] | None = None,
    level: float = LEVEL,
) -> Interval:
    """An arm's rate or score minus the reference's, from trials that have nothing in common.

    Args:
        values: (trainings, trials) of the arm, in [0, 1].
        reference: (trainings, trials) of the reference; any numbers of either.
        between: The variance between trainings, pooled over arms, or that of the arm and that of the
            reference; by default each arm's own.
        level: Confidence level, in (0, 1).

    Raises:
        InputError: As in `rates.rate`.
    """
    each = [between] * 2 if between is None or isinstance(between, Between) else between
    arm, other = (rate(x, b, level) for x, b in zip((values, reference), each, strict=True))
    low = np.hypot(arm.value - arm.low, other.high - other.value)
    high = np.hypot(arm.high - arm.value, other.value - other.low)
    value = arm.value - other.value
    return Interval(float(value), float(value - low), float(value + high))


def may_be_best(
    arms: Sequence[ArrayLike],
    between: Between | Sequence[Between | None] | None = None,
    level: float = LEVEL,
) -> list[bool]:
    """Which arms cannot be told from the best, where more is better.

    An arm is left out if another is better at the one-sided level (1 − level) / (k − 1): the best one stays
    with probability `level` (Hsu's comparisons with the best, by Bonferroni).

    Args:
        arms: (trainings, trials) of each, from starts of their own.
        between: The variance between trainings, of all arms or of each; by default each arm's own.
        level: Probability that the best arm is among them.

    Raises:
        InputError: As in `rates.rate`.
    """
    others = max(len(arms) - 1, 1)
    two_sided = 1 - 2 * (1 - float(checked_level(level))) / others
    each = [between] * len(arms) if between is None or isinstance(between, Between) else list(between)
    number = range(len(arms))
    return [
        all(
            np.mean(arms[i]) >= np.mean(arms[j])
            or unpaired_difference(arms[i], arms[j], (each[i], each[j]), two_sided).high > 0
            for j in number
            if j != i
        )
        for i in number
    ]
