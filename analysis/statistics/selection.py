"""Choosing among arms: the best on some trials, judged on others; and those that no other one beats."""

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

    def plausible(self) -> list[int]:
        """The fewest arms that are best in at least 95 % of the resamples, the likeliest first."""
        order = np.argsort(-self.wins, kind="stable")
        count = int(np.searchsorted(np.cumsum(self.wins[order]), LEVEL - 1e-9)) + 1
        return order[:count].tolist()


def select(arms: Sequence[np.ndarray]) -> Selection:
    """Choose on the first half of the trials, judge on the second.

    Args:
        arms: Outcomes (training seeds, trials) in [0, 1] of each arm, on the same trials in one order.

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
    rng = numpy_rng(0, "selection")
    columns = resampling_weights(half, DRAWS, rng)  # the trials are shared, the trainings are not
    resampled = np.stack(
        [np.sum((resampling_weights(len(arm), DRAWS, rng) @ arm) * columns, axis=1) for arm in first]
    )
    wins = np.bincount(resampled.argmax(0), minlength=len(arms)) / DRAWS
    test = [hierarchical_mean(arm, bounds=(0, 1)) for arm in second]
    gain = [None if i == best else paired_difference(second[best], arm) for i, arm in enumerate(second)]
    return Selection(best, wins, means, test, gain)


def pareto(success: Sequence[float], roughness: Sequence[float]) -> list[int]:
    """Which points no other one beats: none has as much success and is smoother, or as smooth with more.

    Returns:
        Their numbers, the smoothest first.
    """
    order = sorted(range(len(success)), key=lambda i: (roughness[i], -success[i]))
    front, best = [], -np.inf
    for i in order:
        if success[i] > best:
            front.append(i)
            best = success[i]
    return front
