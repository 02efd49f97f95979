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
    values: ArrayLike, reference: ArrayLike, between: Between | None = None, level: float = LEVEL
) -> Interval:
    """An arm's rate or score minus the reference's, from trials that have nothing in common.

    Args:
        values: (trainings, trials) of the arm, in [0, 1].
        reference: (trainings, trials) of the reference; any numbers of either.
        between: The variance between trainings, pooled over arms; by default each arm's own.
        level: Confidence level, in (0, 1).

    Raises:
        InputError: As in `rates.rate`.
    """
    arm, other = rate(values, between, level), rate(reference, between, level)
    low = np.hypot(arm.value - arm.low, other.high - other.value)
    high = np.hypot(arm.high - arm.value, other.value - other.low)
    value = arm.value - other.value
    return Interval(float(value), float(value - low), float(value + high))


def may_be_best(
    arms: Sequence[ArrayLike], between: Between | None = None, level: float = LEVEL
) -> list[bool]:
    """Which arms cannot be told from the best, where more is better.

    An arm is left out if another is better at the one-sided level (1 − level) / (k − 1): the best one stays
    with probability `level` (Hsu's comparisons with the best, by Bonferroni).

    Args:
        arms: (trainings, trials) of each, from starts of their own.
        between: As in `unpaired_difference`.
        level: Probability that the best arm is among them.

    Raises:
        InputError: As in `rates.rate`.
    """
    others = max(len(arms) - 1, 1)
    two_sided = 1 - 2 * (1 - float(checked_level(level))) / others
    return [
        all(
            unpaired_difference(arm, rival, between, two_sided).high > 0 or np.mean(arm) >= np.mean(rival)
            for rival in arms
            if rival is not arm
        )
        for arm in arms
    ]
