"""Rules that choose an arm without rollouts in the target: what their choices cost, by recorded trainings.

A rule sees one training of each arm, and what it chooses is judged on the other trainings of the sweep: on
its own a lucky training would be chosen for its luck and praised for it. So is the choice that it is compared
with, by the target's score itself. The best arm of a sweep, taken as the largest of its means, is one by luck
too, and a regret to it is above 0 even where all arms are alike.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.special import stdtrit

from align.analysis.statistics.intervals import LEVEL, Interval
from align.analysis.statistics.trials import crossed
from align.analysis.statistics.trials.variance_components import of_each_arm

Choice = np.ndarray
"""(S, A): for each training seed that is shown, the probability of each arm to be chosen; rows sum to 1."""


@dataclass(frozen=True)
class Task:
    """Arms of a sweep among which to choose, A of them, each trained with the same S ≥ 2 seeds.

    Attributes:
        sweep: Its name; tasks of one sweep are left out together.
        name: What tells it from other tasks of the sweep.
        arms: What the arms are called.
        outcomes: By measure ("score", "success"), the mean over trials of each training (A, S).
        criteria: By name of a criterion, its value of each training (A, S).
        trials: By measure, outcomes (A, S, trials) of each trial, where they are known.
        reference: Number of the arm that the sweep compares others with; None if it is not among them.
    """

    sweep: str
    name: str
    arms: tuple[str, ...]
    outcomes: Mapping[str, np.ndarray]
    criteria: Mapping[str, np.ndarray]
    trials: Mapping[str, np.ndarray] = field(default_factory=dict)
    reference: int | None = 0

    @property
    def shape(self) -> tuple[int, int]:
        """A and S."""
        return next(iter(self.outcomes.values())).shape


def smallest(values: np.ndarray) -> Choice:
    """The arm whose value (A, S) is smallest in each training; ties share."""
    least = values == values.min(0)
    return (least / least.sum(0)).T


def every(task: Task) -> Choice:
    """Any arm, at random."""
    arms, seeds = task.shape
    return np.full((seeds, arms), 1 / arms)


def always(task: Task, arm: int) -> Choice:
    """One arm, whatever is seen."""
    return np.tile(np.eye(task.shape[0])[arm], (task.shape[1], 1))


def weights(choice: Choice) -> np.ndarray:
    """Weight (A, S) of each training in the mean outcome of the choices, each judged on the other seeds."""
    seeds = len(choice)
    judged = (1 - np.eye(seeds)) / (seeds - 1)
    return choice.T @ judged / seeds


def regret(task: Task, choice: Choice, measure: str) -> float:
    """How much worse the choice is than that by the target's own score; below 0 it is better."""
    return float(np.sum(_contrast(task, choice) * task.outcomes[measure]))


def below_best(task: Task, choice: Choice, measure: str) -> float:
    """How much worse the choice is than the arm of the highest mean: an upper bound, by that arm's luck."""
    values = task.outcomes[measure]
    return float(values.mean(1).max() - np.sum(weights(choice) * values))


def _contrast(task: Task, choice: Choice) -> np.ndarray:
    return weights(smallest(-task.outcomes["score"])) - weights(choice)


def regret_interval(task: Task, choice: Choice, measure: str) -> Interval:
    """The same regret with its interval, the choices taken as given.

    It counts trainings and trials; where single trials are not known, other trainings in the same trials.
    Ends are NaN where nothing varies between trainings.
    """
    w, value = _contrast(task, choice), regret(task, choice, measure)
    if measure in task.trials:
        tables = list(task.trials[measure])
        found = crossed.contrast(tables, list(w), of_each_arm(tables, relative=True))
        return Interval(value, *found.interval()[1:])
    values = task.outcomes[measure]
    df = values.shape[0] * (values.shape[1] - 1)
    variance = values.var(1, ddof=1).mean()
    half = stdtrit(df, (1 + LEVEL) / 2) * np.sqrt(variance * np.square(w).sum())
    return Interval(value, value - half, value + half) if variance > 0 else Interval(value, np.nan, np.nan)


def over_sweeps(tasks: Sequence[Task], values: Sequence[float]) -> Interval:
    """The mean over sweeps, of the mean over the tasks of each, with Student's interval over sweeps."""
    by_sweep: dict[str, list[float]] = {}
    for task, value in zip(tasks, values, strict=True):
        by_sweep.setdefault(task.sweep, []).append(value)
    means = np.array([np.mean(found) for found in by_sweep.values()])
    if len(means) < 2:
        return Interval(float(means.mean()), np.nan, np.nan)
    half = stdtrit(len(means) - 1, (1 + LEVEL) / 2) * means.std(ddof=1) / np.sqrt(len(means))
    return Interval(float(means.mean()), float(means.mean() - half), float(means.mean() + half))


def left_in(task: Task, tasks: Sequence[Task], by: str) -> list[Task]:
    """The tasks that a free choice may be learnt from: those of other sweeps, or by "task" all others."""
    return [t for t in tasks if (t.sweep != task.sweep if by == "sweep" else t is not task)]


def best_fixed(task: Task, others: Sequence[Task]) -> Choice | None:
    """The arm that did best in other tasks, against the mean of their arms; None where these have no two."""
    gain = {}
    for number, arm in enumerate(task.arms):
        having = [t for t in others if arm in t.arms]
        if having:
            found = [_above_mean(t, t.arms.index(arm)) for t in having]
            gain[number] = over_sweeps(having, found).value
    return always(task, max(gain, key=gain.get)) if len(gain) > 1 else None


def _above_mean(task: Task, arm: int) -> float:
    means = task.outcomes["score"].mean(1)
    return float(means[arm] - means.mean())


def nearest(
    task: Task, others: Sequence[Task], criterion: Callable[[Task], np.ndarray | None]
) -> Choice | None:
    """The arm whose criterion is nearest to the value that did best in other tasks.

    Args:
        task: The one to choose in.
        others: Those that the value is learnt from.
        criterion: Of a task (A, S), None where it is not known.
    """
    known = {id(t): criterion(t) for t in (task, *others)}
    others = [t for t in others if known[id(t)] is not None]
    if known[id(task)] is None or not others:
        return None
    values = np.unique(np.concatenate([known[id(t)].mean(1) for t in others]))

    def cost(value: float) -> float:
        found = [regret(t, smallest(np.abs(known[id(t)] - value)), "score") for t in others]
        return over_sweeps(others, found).value

    return smallest(np.abs(known[id(task)] - min(values, key=cost)))
