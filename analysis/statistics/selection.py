"""Choosing the best arm on some trials and judging it on others."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from align.analysis.statistics.intervals import (
    DRAWS,
    LEVEL,
    Interval,
    hierarchical_mean,
    paired_difference,
    resampling_weights,
)
from align.errors import InputError
from align.seeding import numpy_rng

HALVES = ("selection", "test")


class Selection(NamedTuple):
    """The arm that did best on the selection trials.

    Attributes:
        best: Its number.
        wins: (A,) share of resamples of training seeds and selection trials in which each arm is best.
        selection: (A,) mean on the selection trials; that of the best is optimistic.
        test: Each arm's mean on the test trials, with interval.
        gain: The best arm minus each of the others on the test trials, paired; None for itself.
    """

    best: int
    wins: np.ndarray
    selection: np.ndarray
    test: list[Interval]
    gain: list[Interval | None]

    def plausible(self, level: float = LEVEL) -> list[int]:
        """The fewest arms that are best in at least `level` of the resamples, the likeliest first."""
        order = np.argsort(-self.wins, kind="stable")
        count = int(np.searchsorted(np.cumsum(self.wins[order]), level - 1e-9)) + 1
        return order[:count].tolist()


def select(arms: Sequence[np.ndarray], seed: int = 0, level: float = LEVEL, draws: int = DRAWS) -> Selection:
    """Choose on the first half of the trials, judge on the second.

    Args:
        arms: Outcomes (training seeds, trials) in [0, 1] of each arm, on the same trials in one order.
        seed: Of the bootstraps.
        level: Coverage of the intervals.
        draws: Resamples.

    Raises:
        InputError: The arms have not the same trials, or fewer than four.
    """
    trials = {arm.shape[1] for arm in arms}
    if len(trials) != 1 or min(trials) < 4:
        raise InputError(f"arms with {sorted(trials)} trials: expected the same four or more for all")
    half = trials.pop() // 2
    first, second = [arm[:, :half] for arm in arms], [arm[:, half:] for arm in arms]
    means = np.array([arm.mean() for arm in first])
    best = int(means.argmax())
    rng = numpy_rng(seed, "selection")
    columns = resampling_weights(half, draws, rng)  # the trials are shared, the trainings are not
    resampled = np.stack(
        [np.sum((resampling_weights(len(arm), draws, rng) @ arm) * columns, axis=1) for arm in first]
    )
    wins = np.bincount(resampled.argmax(0), minlength=len(arms)) / draws
    test = [hierarchical_mean(arm, seed, level, draws, bounds=(0, 1)) for arm in second]
    gain = [
        None if i == best else paired_difference(second[best], arm, seed, level, draws)
        for i, arm in enumerate(second)
    ]
    return Selection(best, wins, means, test, gain)
