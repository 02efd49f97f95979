"""Which of the trials belong together: tables of trainings by starts, paired where the arms share starts."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from align.analysis.reports.evaluation.trials import Trial
from align.errors import InputError

ENOUGH = 0.5
"""Arms are compared on the starts that all of them share if those are so large a part of any arm's."""


class Arm(NamedTuple):
    """The trials of an arm.

    Attributes:
        name: Of the arm.
        table: (trainings, trials) outcomes; the trials are starts that all its trainings tried.
        starts: Of the columns; None where the file does not tell starts.
        left_out: Trials that are not in the table.
        tried: Trials that are: more than its cells where starts were tried several times.
    """

    name: str
    table: np.ndarray
    starts: tuple[str, ...] | None
    left_out: int
    tried: int

    @property
    def binary(self) -> bool:
        """Whether every outcome is a success or a failure."""
        return bool(np.isin(self.table, (0, 1)).all())


class Design(NamedTuple):
    """What is compared with what.

    Attributes:
        arms: With all their trials, in the order of the file.
        shared: Tables of the arms on the starts that all share, in one order; None where they share too few.
        notes: What had to be left out, and why.
    """

    arms: list[Arm]
    shared: list[np.ndarray] | None
    notes: list[str]

    @property
    def binary(self) -> bool:
        """Whether every outcome is a success or a failure."""
        return all(arm.binary for arm in self.arms)

    @property
    def lone(self) -> bool:
        """Whether no arm has several trainings."""
        return all(len(arm.table) == 1 for arm in self.arms)


def arrange(trials: Sequence[Trial], only: Sequence[str] | None = None) -> Design:
    """Sort trials with an outcome by arm, training and start.

    Args:
        trials: Checked, as `read_trials` gives them.
        only: Names of the arms to take, in this order; by default all.

    Raises:
        InputError: There is no arm of a name, an arm has fewer than two trials, or its trainings share fewer
            than two starts.
    """
    by_arm: dict[str, dict[str, dict[str, list[float]]]] = {}
    for trial in trials:
        if trial.outcome is None:
            continue
        of_training = by_arm.setdefault(trial.arm, {}).setdefault(trial.training, {})
        start = f"{len(of_training)}" if trial.start is None else trial.start
        of_training.setdefault(start, []).append(trial.outcome)
    for name in only or ():
        if name not in by_arm:
            raise InputError(f"arms: no arm {name!r}; expected some of {', '.join(map(repr, by_arm))}")
    told = all(trial.start is not None for trial in trials)
    notes: list[str] = []
    arms = [_arm(name, by_arm[name], told, notes) for name in only or by_arm]
    return Design(arms, _shared(arms, notes) if told and len(arms) > 1 else None, notes)


def _arm(name: str, trainings: dict[str, dict[str, list[float]]], told: bool, notes: list[str]) -> Arm:
    starts = [s for s in next(iter(trainings.values())) if all(s in tried for tried in trainings.values())]
    left_out = sum(len(tried) - len(starts) for tried in trainings.values())
    if len(starts) < 2:
        what = "trials" if len(trainings) == 1 else "starts that all its trainings tried"
        raise InputError(f"arm {name!r}: {len(starts)} {what}; expected two or more")
    if left_out:
        what = "starts" if told else "trial numbers"
        notes.append(f"{name}: {left_out} trials left out, of {what} that not all its trainings have")
    table = np.array([[np.mean(tried[start]) for start in starts] for tried in trainings.values()])
    count = sum(len(tried[start]) for tried in trainings.values() for start in starts)
    return Arm(name, table, tuple(starts) if told else None, left_out, count)


def _shared(arms: Sequence[Arm], notes: list[str]) -> list[np.ndarray] | None:
    common = [start for start in arms[0].starts if all(start in arm.starts for arm in arms)]
    numbers = ", ".join(f"{len(arm.starts)} of {arm.name}" for arm in arms)
    if len(common) < max(2, ENOUGH * min(len(arm.starts) for arm in arms)):
        notes.append(
            f"the arms share {len(common)} starts (of {numbers}), too few to pair them: they are compared as "
            "if each had starts of its own"
        )
        return None
    if any(len(arm.starts) > len(common) for arm in arms):
        notes.append(f"arms are compared on the {len(common)} starts that all of them have (of {numbers})")
    return [arm.table[:, [arm.starts.index(start) for start in common]] for arm in arms]
