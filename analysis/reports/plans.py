"""Rollouts of planning worlds beside plans for the same queries: how long, how jerky, and how diverse."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from align.analysis.figures import style as figures
from align.analysis.figures.spectrum import figure_spectrum
from align.analysis.reports.sweep import Sweep
from align.analysis.reports.sweep.families import families
from align.analysis.reports.sweep.run_paths import (
    Plans,
    learnt_plans,
    learnt_stores,
    measure,
    motion,
    reference_plans,
    reference_store,
    with_paths,
)
from align.analysis.reports.tables import write_tables
from align.analysis.statistics.diversity import effective_number, homotopy_word, mean_hausdorff
from align.analysis.statistics.intervals import Interval
from align.analysis.statistics.smoothness import length_ratio, velocity_spectrum
from align.analysis.statistics.trials import crossed
from align.analysis.statistics.trials.resampled import auc, auc_components, log_medians, median
from align.analysis.statistics.trials.variance_components import Between, Components, of_each_arm
from align.data.episodes import read_store
from align.run.layout import PATHS
from align.run.paths import read_paths
from align.worlds.planning.plans import TITLES

NOTES = (
    "Medians and means [95 % interval] over training seeds and successful trials. Acceleration, jerk: mean "
    "squares along the path, brought to unit length and equal distances. Length: over that of a reference "
    "plan for the same query. Jerk AUC: probability that a rollout's jerk is above that of a reference plan, "
    "none of which was learnt from, over the queries that the arm reaches; 0.5 is as smooth. Plans of the "
    "store: its first hundred.",
    "Ways, spread: of successful rollouts that answer one query, differing in the policy's noise alone: "
    "effective number of ways round the walls, and mean Hausdorff distance in units of positions; over the "
    "queries that each training answered twice or more. Ways are fewer where fewer rollouts succeed.",
)
Row = dict[str, object]


def report(sweep: Sweep) -> list[Path]:
    """Write what can be compared: `plans_WORLD.csv`, `.md` and `spectrum_WORLD.png`; what was written.

    A world that kept paths is compared with the reference plans that its runs were configured with
    (`Rollouts.reference`). The diversity is that of the world that repeats queries, if there is one.
    """
    written: list[Path] = []
    for world in sweep.worlds:
        kept = {arm.label: with_paths(sweep.path, arm.runs, world) for arm in sweep.arms()}
        run = next((runs[0] for runs in kept.values() if runs), None)
        reference = None if run is None else reference_plans(run)
        if reference is None:
            continue
        asked = {_start(path) for path in read_paths(run / PATHS)[world].values()}
        paths = [path for path in reference.paths if _start(path) in asked]
        if not paths:
            continue
        known, learnt = measure(paths), _learnt(run)
        same = f"{reference.title} plans, same queries"
        rows = [_plans(same, known, known)]
        rows += [_plans(name, measure(plans.paths), known) for name, plans in learnt.items()]
        islands = next((plans.scene.islands for plans in learnt.values()), None)
        some = {label: runs for label, runs in kept.items() if runs}
        arms = [_measure(sweep, runs, world, paths, known, islands) for runs in some.values()]
        rows += [{"arm": label, **row} for label, row in zip(some, _estimates(arms), strict=True)]
        suffix = world.replace("/", "-")
        written += write_tables(sweep.path / f"plans_{suffix}", rows, [*NOTES, *_made(run)])
        written.append(sweep.path / f"spectrum_{suffix}.png")
        figure = figure_spectrum(
            {same: velocity_spectrum(paths)}
            | {name: velocity_spectrum(plans.paths) for name, plans in learnt.items()},
            {label: _spectrum(runs, world) for label, runs in kept.items()},
            sweep.title,
            families(sweep, [arm for arm in sweep.arms() if arm.label in kept]),
        )
        figures.save(figure, written[-1])
    return written


def _learnt(run: Path) -> dict[str, Plans]:
    """The plans that a run learnt from, by name; with the domain where one planner made them all."""
    learnt = learnt_plans(run)
    alike = len({plans.planner for plans in learnt.values()}) < len(learnt)
    return {
        f"{plans.title} plans of the store" + (f" ({domain.label})" if alike else ""): plans
        for domain, plans in learnt.items()
    }


def _spectrum(runs: Sequence[Path], world: str) -> np.ndarray | None:
    """Of all successful rollouts of some runs; None where there are none."""
    paths = [path for run in runs for path in _successful(run, world)]
    return velocity_spectrum(paths) if paths else None


def length_ratios(
    paths: Mapping[int, np.ndarray], success: pd.Series, reference: Sequence[np.ndarray]
) -> pd.Series:
    """Length of each successful path over that of the reference's plan from the same start, by trial.

    NaN where the trial failed or the reference has no plan; see `length_ratio`.
    """
    plans = {_start(plan): plan for plan in reference}
    ratios = {
        trial: length_ratio(path, plans[_start(path)])
        for trial, path in paths.items()
        if success[trial] and _start(path) in plans
    }
    return pd.Series(ratios, index=list(paths), dtype=float)


def diversity(paths: Sequence[np.ndarray], islands: np.ndarray | None) -> pd.DataFrame:
    """How much paths (T, D) from one start differ, a row a start with two of them or more.

    Returns:
        Columns spread, and ways where `islands`, points (K, 2) in what one can walk around, are known.
    """
    answers: dict[tuple, list[np.ndarray]] = {}
    for path in paths:
        answers.setdefault(_start(path), []).append(path)
    rows = {}
    for start, some in answers.items():
        if len(some) > 1:
            rows[start] = {"spread": mean_hausdorff(some)}
            if islands is not None:
                rows[start]["ways"] = effective_number([homotopy_word(path, islands) for path in some])
    return pd.DataFrame.from_dict(rows, orient="index")


def _start(path: np.ndarray) -> tuple[float, ...]:
    """Where a path starts, as exactly as stores keep it: it tells queries apart."""
    return tuple(np.asarray(path[0], np.float32).tolist())


def _made(run: Path) -> list[str]:
    """How many plans of each store of a run there are, and how many were rejected when it was made."""
    parts = []
    stores = {domain.label: store for domain, store in learnt_stores(run).items()}
    for name, store in {**stores, "reference": reference_store(run)}.items():
        if store is None or not store.exists():
            continue
        attrs = read_store(store, images=False).attrs
        if "rejection_rate" in attrs:
            reasons = ", ".join(f"{n} {reason}" for reason, n in attrs["rejected"].items()) or "none"
            kept = attrs["attempts"] - sum(attrs["rejected"].values())
            title = TITLES.get(attrs["planner"], attrs["planner"])
            parts.append(f"{kept} {title} plans ({name}) of {attrs['attempts']} queries, rejected: {reasons}")
    return ["Plans made, each checked as it is stored: " + "; ".join(parts) + "."] if parts else []


def _plans(name: str, found: pd.DataFrame, reference: pd.DataFrame) -> Row:
    """The row of some plans."""
    values = {m: found[m].to_numpy()[None] for m in ("acceleration", "jerk", "turning")}
    row: Row = {"arm": name, **{m: _short(median(v)) for m, v in values.items()}}
    if found is not reference:
        row["jerk AUC"] = auc(values["jerk"], reference["jerk"].to_numpy())
    return row


@dataclass(frozen=True)
class Measured:
    """What an arm's rollouts are described by, each (runs, trials) with NaN where there is nothing.

    Args:
        medians: By column of the table, what medians are taken of.
        jerk: Over the queries that have a reference plan.
        reference: (m,) jerk of the reference plans for the queries that the arm reaches.
        means: By column, what means are taken of, (runs, queries) without NaN.
    """

    medians: dict[str, np.ndarray]
    jerk: np.ndarray
    reference: np.ndarray
    means: dict[str, np.ndarray]


def _measure(
    sweep: Sweep,
    runs: Sequence[Path],
    world: str,
    reference: Sequence[np.ndarray],
    known: pd.DataFrame,
    islands: np.ndarray | None,
) -> Measured:
    """Of an arm's runs."""
    tables = {run: motion(run)[world] for run in runs}
    medians = {
        name: _stacked({run: t[name] for run, t in tables.items()})
        for name in ("acceleration", "jerk", "turning")
    }
    lengths = {
        run: length_ratios(read_paths(run / PATHS)[world], table["jerk"].notna(), reference)
        for run, table in tables.items()
    }
    medians["length"] = _stacked(lengths)
    jerk = {run: table["jerk"].where(lengths[run].notna()) for run, table in tables.items()}
    reached = {
        _start(read_paths(r / PATHS)[world][s]) for r, ratio in lengths.items() for s in ratio.dropna().index
    }
    same, means = [_start(path) in reached for path in reference], {}
    for again in sweep.repeated[:1]:
        found = [diversity(_successful(run, again), islands) for run in runs if again in motion(run)]
        for name in ("spread",) if islands is None else ("ways", "spread"):
            each = [table[name] for table in found if name in table]
            shared = pd.concat(each, axis=1).dropna() if each and len(each) == len(found) else pd.DataFrame()
            means[name] = shared.to_numpy().T
    return Measured(medians, _stacked(jerk), known["jerk"].to_numpy()[same], means)


def _estimates(arms: Sequence[Measured]) -> list[Row]:
    """A row an arm; how trainings differ is estimated from all arms together."""
    rows: list[Row] = [{} for _ in arms]
    for name in ("acceleration", "jerk", "turning", "length"):
        values = [arm.medians[name] for arm in arms]
        scatter = _scatter([log_medians(v) for v in values])
        for row, v, between in zip(rows, values, scatter, strict=True):
            row[name] = median(v, between) if name == "length" else _short(median(v, between))
    scatter = _scatter([auc_components(arm.jerk, arm.reference) for arm in arms], relative=True)
    for row, arm, between in zip(rows, arms, scatter, strict=True):
        row["jerk AUC"] = auc(arm.jerk, arm.reference, between)
    for name in dict.fromkeys(name for arm in arms for name in arm.means):
        values = [arm.means.get(name, np.empty((0, 0))) for arm in arms]
        scatter = _scatter([crossed.components(v) if v.size and v.shape[1] > 1 else None for v in values])
        for row, v, between in zip(rows, values, scatter, strict=True):
            row[name] = _mean(v, between)
    return rows


def _scatter(arms: Sequence[Components | None], relative: bool = False) -> list[Between | None]:
    """The variance between the trainings of each arm that was measured; None of the others."""
    found = iter(of_each_arm([c for c in arms if c is not None], relative))
    return [None if c is None else next(found) for c in arms]


def _mean(values: np.ndarray, between: Between | None) -> Interval | None:
    """The mean of (runs, queries) that are not negative; of one query the ends are not known."""
    if not values.size:
        return None
    if values.shape[1] < 2:
        return Interval(float(values.mean()), np.nan, np.nan)
    value, low, high = crossed.mean(values, between).interval()
    return Interval(value, max(low, 0.0), high)


def _stacked(columns: Mapping[Path, pd.Series]) -> np.ndarray:
    """(runs, trials), NaN where a run has not that trial."""
    return pd.DataFrame(columns).to_numpy(float).T


def _short(interval: Interval | None) -> Interval | None:
    """An interval of three significant digits, for numbers of any size."""
    return None if interval is None else Significant(*interval)


class Significant(Interval):
    """An interval that is written with three significant digits."""

    def __str__(self) -> str:
        value, low, high = (f"{x:.3g}" if x < 1000 else f"{x:.0f}" for x in self)
        return f"{value} [{low}, {high}]"


def _successful(run: Path, world: str) -> list[np.ndarray]:
    """Successful paths of a run."""
    table = motion(run)[world]
    return [path for s, path in read_paths(run / PATHS)[world].items() if np.isfinite(table["jerk"][s])]
