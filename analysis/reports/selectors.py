"""Which rule that needs no rollouts would have chosen which arm, and what that cost, over recorded sweeps.

A task is a sweep, or the part of it that shares what nobody chooses: the gap, and how many real
demonstrations there are.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from pathlib import Path

import numpy as np
import pandas as pd

from align.analysis.figures import style as figures
from align.analysis.figures.selectors import Measured, figure_selectors
from align.analysis.reports.gap import GAPS
from align.analysis.reports.sweep import Arm, Metric, Sweep
from align.analysis.reports.sweep.run_table import has_trials
from align.analysis.reports.sweep.together import check_names, copies
from align.analysis.reports.tables import write_csv, write_tables
from align.analysis.statistics import selectors
from align.analysis.statistics.intervals import Interval, minus
from align.analysis.statistics.selectors import Choice, Task
from align.errors import InputError

GIVEN = ("gap", *GAPS, "real")
"""Axes whose values are given to who chooses, and not chosen."""
MEASURES = ("score", "success")
RATIO = "gradient ratio"
FLOOR = 1e-3
"""Gradient ratio that stands for that of λ = 0, for a logarithm."""
SEEN = {
    "held-out denoising loss": ("summary/val_loss_real", 1),
    "held-out action error": ("summary/val_action_mse_real", 1),
    "MMD²": ("summary/val_mmd2", 1),
    "probe AUC": ("probe/{site}/auc", 1),
    "task probe R², sim → real": ("task/aligned/block_pose_sim_to_real", -1),
    "training loss": ("summary/train_denoise", 1),
}
"""By rule, the column of a run that it sees; 1 takes the arm with the least, −1 that with the most."""

Rule = Callable[[Task, Sequence[Task]], Choice | None]
"""The choice in a task, learnt from others; None where it cannot be made."""


def _by(name: str, sign: int) -> Rule:
    return lambda task, _: selectors.smallest(sign * task.criteria[name]) if name in task.criteria else None


RULES: Mapping[str, Rule] = {
    **{name: _by(name, sign) for name, (_, sign) in SEEN.items()},
    f"{RATIO}, nearest to the best elsewhere": lambda task, others: selectors.nearest(
        task, others, lambda t: t.criteria.get(RATIO)
    ),
    "the arm that was best elsewhere": selectors.best_fixed,
    "the reference arm": lambda task, _: (
        None if task.reference is None else selectors.always(task, task.reference)
    ),
    "any arm, at random": lambda task, _: selectors.every(task),
}

NOTES = (
    "Regret: how much worse the chosen arm was than the arm that the target's own score would have chosen, "
    "both by one training of each arm and judged on the others: mean [95 % interval over sweeps, taken as a "
    "sample of tasks; of one benchmark they are not independent]. 0 is as good as rollouts in the target; "
    "below 0 better, by luck. Over random: how much better than any arm at random, in the same tasks. Below "
    "the highest mean: an upper bound of the regret, since the highest of several means is partly luck.",
    "Each rule is compared in the tasks where it can be applied; others are not counted against it.",
)
COPIES = (
    "Runs that are copies of others among these, without which their tasks could not be asked: {}. The tasks "
    "that share them are not independent, and the intervals too narrow for that."
)


def tasks(sweep: Sweep, given: Sequence[str] = GIVEN) -> tuple[list[Task], list[str]]:
    """The tasks of a sweep, and why others are none.

    Args:
        sweep: The sweep.
        given: Axes along which nothing is chosen.

    Returns:
        Tasks of two arms or more with the same two seeds or more; and lines on what was left out.
    """
    if sweep.target is None or not sweep.has(Metric("rollout", sweep.target, "score")):
        return [], [f"{sweep.path}: no rollouts, so nothing to judge a choice by"]
    fixed = [axis for axis in sweep.axes if axis in given]
    found, alone, left = [], [], []

    def values(arm: Arm) -> tuple:
        return tuple(arm.point[axis] for axis in fixed)

    order = {v: i for i, v in enumerate(dict.fromkeys(map(values, sweep.arms())))}
    for at, arms in groupby(sorted(sweep.arms(), key=lambda a: order[values(a)]), values):
        name = ", ".join(f"{axis}={value}" for axis, value in zip(fixed, at, strict=True))
        arms = list(arms)
        task = _task(sweep, name, arms, fixed)
        if isinstance(task, Task):
            found.append(task)
            if len(task.arms) < len(arms):
                left.append(
                    f"{sweep.path}{name and f' ({name})'}: {len(arms) - len(task.arms)} of {len(arms)} arms, "
                    "which do not have two trainings with scores"
                )
        elif task is None:
            alone.append(name or "all")
        else:
            left.append(f"{sweep.path}{name and f' ({name})'}: {task}")
    if alone:
        left.append(f"{sweep.path} ({'; '.join(alone)}): no two arms with two trainings to choose between")
    return found, left


def _task(sweep: Sweep, name: str, arms: Sequence[Arm], fixed: Sequence[str]) -> Task | str | None:
    """The arms as a task, or why they are none; None where there is nothing to choose."""
    frame = sweep.frame.set_index("run")
    columns = {m: str(Metric("rollout", sweep.target, n)) for m, n in _measures(sweep).items()}
    frame = frame[frame[list(columns.values())].notna().all(axis=1)]
    seeds = frame["seed"] if "seed" in frame else pd.Series(0, index=frame.index)
    by_seed = [{seeds[run]: run for run in arm.runs if run in frame.index} for arm in arms]
    kept = [i for i, runs in enumerate(by_seed) if len(runs) > 1]
    if len(kept) < 2:
        return None
    shared = sorted(set.intersection(*(set(by_seed[i]) for i in kept)))
    if len(shared) < 2:
        return f"{len(shared)} seeds that all arms share; expected two, one to choose by and one to judge on"
    runs = [[by_seed[i][seed] for seed in shared] for i in kept]
    criteria = {rule: _seen(frame, runs, column) for rule, (column, _) in SEEN.items()}
    criteria[RATIO] = _ratios(frame, runs)
    trials = {}
    if all(has_trials(sweep.path / run) for of_arm in runs for run in of_arm):
        trials = {
            measure: np.stack([sweep.outcomes(r, Metric.parse(column)) for r in runs])
            for measure, column in columns.items()
        }
    reference = sweep.grid.get("reference") or {}
    wanted = {
        axis: value for axis, value in reference.items() if axis not in fixed
    }  # what is given, all have
    found = [n for n, i in enumerate(kept) if wanted.items() <= arms[i].point.items()]
    number = found[0] if found and (wanted or not reference) else None
    labels = [Arm({k: v for k, v in arms[i].point.items() if k not in fixed}, []).label for i in kept]
    return Task(
        sweep.path.name,
        name,
        tuple(label or "the same" for label in labels),
        {m: _table(frame[column], runs) for m, column in columns.items()},
        {rule: values for rule, values in criteria.items() if values is not None},
        trials,
        number,
    )


def _measures(sweep: Sweep) -> dict[str, str]:
    return {"score": "score", "success": sweep.success}


def _table(column: pd.Series, runs: Sequence[Sequence[str]]) -> np.ndarray:
    """A column of the table of runs as (arms, seeds)."""
    return np.array([[float(column[run]) for run in of_arm] for of_arm in runs])


def _seen(frame: pd.DataFrame, runs: Sequence[Sequence[str]], column: str) -> np.ndarray | None:
    """What a rule sees (A, S); None where a run lacks it."""
    names = [[column.format(site=frame.loc[r].get("summary/site")) for r in of_arm] for of_arm in runs]
    if not {name for of_arm in names for name in of_arm} <= set(frame.columns):
        return None
    values = np.array(
        [
            [float(frame.loc[r, name]) for r, name in zip(*both, strict=True)]
            for both in zip(runs, names, strict=True)
        ]
    )
    return values if np.isfinite(values).all() else None


def _ratios(frame: pd.DataFrame, runs: Sequence[Sequence[str]]) -> np.ndarray | None:
    """The logarithm of the gradient ratio (A, S), that of λ = 0 at its floor; None where it is not known."""
    if not {"summary/train_grad_ratio", "summary/lambda"} <= set(frame.columns):
        return None
    ratio, weight = (_table(frame[f"summary/{n}"], runs) for n in ("train_grad_ratio", "lambda"))
    ratio = np.where(weight == 0, FLOOR, ratio)
    return np.log10(np.maximum(ratio, FLOOR)) if np.isfinite(ratio).all() else None


def select(
    sweeps: Sequence[Sweep], out: Path, given: Sequence[str] = GIVEN, leave_out: str = "sweep"
) -> tuple[list[Path], list[str]]:
    """Write `select.csv` and `.md`, a row a rule; `select_tasks.csv`, a row a rule and task; `select.png`.

    Args:
        sweeps: Recorded sweeps.
        out: The folder.
        given: Axes along which nothing is chosen.
        leave_out: What a free choice must not have seen: the task's whole "sweep", or the "task" alone.

    Returns:
        What was written, and lines on what is missing.

    Raises:
        InputError: No sweep has a task, or two have one name.
    """
    check_names([sweep.path for sweep in sweeps])
    every, missing = [], []
    for sweep in sweeps:
        found, left = tasks(sweep, given)
        every += found
        missing += left
    if not every:
        raise InputError(f"sweeps: nothing to choose in any of {len(sweeps)}: {'; '.join(missing)}")
    rows, details, measured = [], [], []
    for rule, choose in RULES.items():
        made = {}
        for i, task in enumerate(every):
            choice = choose(task, selectors.left_in(task, every, leave_out))
            if choice is not None:
                made[i] = choice
        if not made:
            missing.append(f"{rule}: no task in which it can choose")
            continue
        where = [every[i] for i in made]
        pairs = list(zip(where, made.values(), strict=True))
        regrets = {m: [selectors.regret(t, c, m) for t, c in pairs] for m in MEASURES}
        over = {m: selectors.over_sweeps(where, regrets[m]) for m in MEASURES}
        chance = {m: [selectors.regret(t, selectors.every(t), m) for t in where] for m in MEASURES}
        best = selectors.over_sweeps(where, [selectors.below_best(t, c, "score") for t, c in pairs])
        rows.append(
            {
                "rule": rule,
                "sweeps": len({t.sweep for t in where}),
                "tasks": len(where),
                "score regret": over["score"],
                "score over random": _gain(where, chance["score"], regrets["score"]),
                "success regret": over["success"],
                "success over random": _gain(where, chance["success"], regrets["success"]),
                "score below the highest mean": minus(f"{best.value:.2f}"),
            }
        )
        details += [_detail(rule, task, choice) for task, choice in pairs]
        by_sweep = {m: _by_sweep(where, regrets[m]) for m in MEASURES}
        at_random = {m: selectors.over_sweeps(where, chance[m]).value for m in MEASURES}
        measured.append(Measured(rule, rows[-1]["sweeps"], over, by_sweep, at_random))
    again = {s.path.name: len(runs) for s, runs in zip(sweeps, copies(sweeps), strict=True) if runs}
    shared = [f"{n} of {name}" for name, n in again.items()]
    notes = [*NOTES, *(f"Left out: {line}." for line in missing)]
    notes += [COPIES.format(", ".join(shared))] if shared else []
    written = write_tables(out / "select", rows, notes)
    write_csv(out / "select_tasks.csv", details)
    figures.save(figure_selectors(measured, list(MEASURES), _caption(every)), out / "select.png")
    return [*written, out / "select_tasks.csv", out / "select.png"], missing


def _gain(where: Sequence[Task], chance: Sequence[float], regrets: Sequence[float]) -> Interval | None:
    """How much less is lost than at random; None of the random choice itself."""
    gains = np.subtract(chance, regrets)
    return selectors.over_sweeps(where, gains) if np.abs(gains).max() > 1e-12 else None


def _by_sweep(where: Sequence[Task], values: Sequence[float]) -> list[float]:
    frame = pd.DataFrame({"sweep": [t.sweep for t in where], "value": values})
    return frame.groupby("sweep", sort=False)["value"].mean().tolist()


def _detail(rule: str, task: Task, choice: Choice) -> dict[str, object]:
    share = choice.mean(0)
    ideal = selectors.smallest(-task.outcomes["score"]).mean(0)
    row: dict[str, object] = {"rule": rule, "sweep": task.sweep, "task": task.name or "all"}
    row |= {"arms": task.shape[0], "trainings": task.shape[1], "chosen": _named(task, share)}
    row["by the target's score"] = _named(task, ideal)
    row["trials"] = "known" if task.trials else "means alone"
    found: dict[str, Interval] = {m: selectors.regret_interval(task, choice, m) for m in MEASURES}
    return row | {f"{m} regret": interval for m, interval in found.items()}


def _named(task: Task, share: np.ndarray) -> str:
    """The arms that were chosen, and how often if not always."""
    order = [i for i in np.argsort(-share, kind="stable") if share[i] > 0]
    if len(order) == 1:
        return task.arms[order[0]]
    return "; ".join(f"{task.arms[i]} ({share[i]:.0%})" for i in order[:4]) + (
        "; …" if len(order) > 4 else ""
    )


def _caption(every: Sequence[Task]) -> str:
    sweeps = len({t.sweep for t in every})
    return f"{len(every)} tasks of {sweeps} sweeps"
