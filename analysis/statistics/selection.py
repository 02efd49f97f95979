"""Choosing among arms: the best on some trials, judged on others; and those that no other one beats."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from align.analysis.statistics.intervals import Interval
from align.analysis.statistics.trials.rates import rate
from align.analysis.statistics.trials.simultaneous import against_reference, best
from align.analysis.statistics.trials.variance_components import of_each_arm
from align.errors import InputError


class Selection(NamedTuple):
    """The arm that did best on the selection trials.

    Attributes:
        best: Its number.
        selection: (A,) mean on the selection trials; that of the best is optimistic.
        test: Each arm's mean on the test trials, with interval.
        gain: The best arm minus each of the others on the test trials, paired, all intervals at once; None
            for itself.
        plausible: (A,) which arms cannot be told from the best on all trials, by Hsu's comparisons.
        behind: Of all trials, each arm's mean minus the best of the others, of the same comparisons.
    """

    best: int
    selection: np.ndarray
    test: list[Interval]
    gain: list[Interval | None]
    plausible: np.ndarray
    behind: list[Interval]


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
    chosen, scatter = int(means.argmax()), of_each_arm(second, relative=True)
    test = [rate(arm, between) for arm, between in zip(second, scatter, strict=True)]
    less = against_reference(second, chosen, scatter, unit=True).simultaneous
    gain = [None if i is None else Interval(-i.value, -i.high, -i.low) for i in less]
    found = best(arms, of_each_arm(arms, relative=True), unit=True)
    return Selection(chosen, means, test, gain, found.members, found.intervals)


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
