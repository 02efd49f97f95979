"""What an arm costs in held-out denoising loss, training by training, and whether budgets of it were kept."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.special import stdtrit

from align.alignment.constrained import Constrained
from align.analysis.figures import style as figures
from align.analysis.figures.held_out_loss import Loss, figure_held_out_loss
from align.analysis.reports.sweep import SEED_AXIS, Arm, Sweep
from align.analysis.reports.sweep.kept import made
from align.analysis.reports.sweep.regime import setting
from align.analysis.reports.sweep.stores import stores
from align.analysis.reports.tables import write_tables
from align.analysis.statistics.intervals import LEVEL, Interval
from align.domain import Domain
from align.run.config import run_config

REAL, SIM = (f"summary/val_loss_{domain.label}" for domain in (Domain.REAL, Domain.SIM))
ALPHA, WEIGHT = "summary/alpha", "summary/lambda"
SAME = (
    "model.policy.schedule",
    "model.policy.horizon",
    "model.policy.relative_actions",
    "model.policy.normalization",
    "data.seed",
    "data.validation",
    "data.val_windows",
)
"""Settings in which runs agree whose losses can be compared: what is predicted, and of which windows."""
NOTES = (
    "Held-out denoising loss at the end of training, α · real + (1 − α) · sim with α of {against}, over that "
    "of the training of the same seed that it is compared with: the same batches and noise, where arms "
    "differ in the alignment alone. Geometric mean [95 % interval by Student's t of an arm's own trainings]. "
    "Losses are in normalised actions, and a policy that was trained on other demonstrations may have "
    "normalised them otherwise. Loss is not success.",
    "Budget: what the loss was allowed to be, where it refers to the training compared with; kept: in how "
    "many trainings it was no more at the end. What steered λ is an average over the last validations, the "
    "slack of the table of arms, and not this.",
)


class Pairs(NamedTuple):
    """An arm's trainings beside those of the same seeds that they are compared with.

    Attributes:
        arm, base: The arms.
        seeds: Of the trainings.
        ratios: (n,) held-out loss over that of the other.
        weights: (n,) λ at the end.
        budget: ε of `Constrained`, where it refers to these trainings of the base; None otherwise.
    """

    arm: Arm
    base: Arm
    seeds: list[object]
    ratios: np.ndarray
    weights: np.ndarray
    budget: float | None


def report(sweep: Sweep) -> list[Path]:
    """Write `held_out_loss.csv`, `.md` and `.png`; returns what was written.

    Nothing where no two trainings of one seed saw the same demonstrations and were validated on both domains.
    """
    against, found = compare(sweep)
    if not found:
        return []
    budgets = any(pairs.budget is not None for pairs in found)
    rows, losses = [], []
    for pairs in found:
        interval = Interval(*(float(x) for x in np.exp(over_trainings(np.log(pairs.ratios)))))
        row: dict[str, object] = {"arm": pairs.arm.label, "compared with": pairs.base.label}
        row |= {"trainings": str(len(pairs.ratios)), "loss over the other's": interval}
        if len(pairs.ratios) > 1:
            row["standard deviation"] = f"{np.log(pairs.ratios).std(ddof=1):.1%}"
        row["each"] = ", ".join(f"{ratio:.3f}" for ratio in pairs.ratios)
        if pairs.budget is not None:
            kept = int((pairs.ratios <= 1 + pairs.budget).sum())
            row |= {"budget": f"{1 + pairs.budget:g}", "kept": f"{kept} of {len(pairs.ratios)}"}
            row["λ"] = f"{pairs.weights.min():.2g} to {pairs.weights.max():.2g}"
        rows.append(row)
        allowed = None if pairs.budget is None else 1 + pairs.budget
        losses.append(Loss(pairs.arm.label, interval, pairs.ratios, allowed))
    notes = [note.format(against=against) for note in NOTES[: 1 + budgets]]
    written = write_tables(sweep.path / "held_out_loss", rows, notes)
    path = sweep.path / "held_out_loss.png"
    figures.save(figure_held_out_loss(losses, against, sweep.title), path)
    return [*written, path]


def compare(sweep: Sweep) -> tuple[str, list[Pairs]]:
    """What to call the reference, and each other arm that has trainings to compare with its own."""
    arms, frame = sweep.arms(), sweep.frame.set_index("run")
    against, bases = sweep.references(arms)
    found: list[Pairs] = []
    if not {REAL, SIM, ALPHA, SEED_AXIS} <= set(frame.columns):
        return "", found
    for arm, base in zip(arms, bases, strict=True):
        others = {frame[SEED_AXIS][run]: run for run in base.runs}
        both = [(run, others.get(frame[SEED_AXIS][run])) for run in arm.runs if arm is not base]
        both = [(a, b) for a, b in both if b is not None and _comparable(sweep, a, b)]
        ratios = [_loss(frame.loc[a], frame.loc[b]) / _loss(frame.loc[b], frame.loc[b]) for a, b in both]
        known = [(a, ratio) for (a, _), ratio in zip(both, ratios, strict=True) if 0 < ratio < np.inf]
        if known:
            runs = [run for run, _ in known]
            seeds, weights = (frame.reindex(columns=[c]).loc[runs, c] for c in (SEED_AXIS, WEIGHT))
            values = np.array([ratio for _, ratio in known])
            budgets = {_budget(sweep, run, others[frame[SEED_AXIS][run]]) for run in runs}
            budget = budgets.pop() if len(budgets) == 1 else None
            found.append(Pairs(arm, base, list(seeds), values, weights.to_numpy(float), budget))
    return against.replace("\n", " "), found


def over_trainings(values: np.ndarray, level: float = LEVEL) -> Interval:
    """The mean with its interval by Student's t, whose ends are NaN of one training.

    Nothing is pooled over arms: all of a seed are divided by one training of the reference, so that their
    ratios move together, and the further an arm departs from the reference, the more its ratio scatters.

    Args:
        values: (n,) one a training.
        level: Confidence level.
    """
    n, mean = len(values), float(np.mean(values))
    if n < 2:
        return Interval(mean, np.nan, np.nan)
    half = float(stdtrit(n - 1, (1 + level) / 2) * np.std(values, ddof=1) / np.sqrt(n))
    return Interval(mean, mean - half, mean + half)


def _loss(run: Mapping[str, Any], weighed_as: Mapping[str, Any]) -> float:
    alpha = weighed_as[ALPHA]
    return alpha * run[REAL] + (1 - alpha) * run[SIM]


def _comparable(sweep: Sweep, run: str, other: str) -> bool:
    """Whether two runs held the same windows out of the same stores, and predict the same of them."""
    one, two = (_config(sweep, name) for name in (run, other))
    alike = all(setting(one, name) == setting(two, name) for name in SAME)
    return alike and stores(sweep.path / run) == stores(sweep.path / other)


def _budget(sweep: Sweep, run: str, other: str) -> float | None:
    """ε of a run that had a budget of held-out loss over that of the other run; None of any other."""
    weighting = setting(_config(sweep, run), "model.weighting")
    kind = setting(weighting, "class_path")
    if not isinstance(kind, str) or kind.rpartition(".")[2] != Constrained.__name__:
        return None
    budget, reference = (setting(weighting, name) for name in ("budget", "reference"))
    if not isinstance(reference, str) or Path(reference).name != other:
        return None
    return float(budget) if isinstance(budget, int | float) else None


def _config(sweep: Sweep, run: str) -> Mapping[str, Any]:
    return made(sweep.path).get(run, {}).get("config") or run_config(sweep.path / run)
