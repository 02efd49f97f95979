"""The runs of a sweep as one table, and estimates over its training seeds and trials.

In the table, the axes of the sweep have their bare names; everything measured has a slash in its name:
`summary/...`, `rollout/<world>/...`, `motion/<world>/...` (medians over successful rollouts),
`probe/<site>/...`, `geometry/<site>/...`, and `task/aligned/...`: R² of task probes; the site
"aligned" is the one that the run's training aligned.
"""

import json
import os
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from align.errors import InputError
from align.files import atomic_path
from align.worlds.batch import RESERVED, is_rate
from analysis import intervals
from analysis.intervals import Interval
from analysis.motion import MEASURES, hierarchical_median, motion

GEOMETRY = "geometry.json"  # which runs of older sweeps do without
FILES = ("point.json", "summary.json", "rollouts.csv", "probe.json")
NOT_RUNS = ("report", "figures")
GRID = "grid.json"  # what the sweep says of itself: its runs in order, and its reference arm
SEED_AXIS = "seed"
PROBED = ("auc", "accuracy", "margin", "mmd2")
TASKS = ("block_pose_sim_to_real", "block_pose_real_to_real")
SHARES = ("score", "coverage", "final_coverage", "auc", "mlp_auc", "accuracy")
UNBOUNDED = (-np.inf, np.inf)


def bounds(name: str) -> tuple[float, float]:
    """What a metric cannot leave."""
    if name in TASKS:
        return -np.inf, 1.0
    return (0.0, 1.0) if name in SHARES or is_rate(name) else UNBOUNDED


def measures(trials: pd.DataFrame) -> list[str]:
    """The columns of `rollouts.csv` that say how trials went, those left out that a world does not have."""
    numbers = trials.drop(columns=list(RESERVED), errors="ignore").select_dtypes(["number", "bool"])
    return list(numbers.dropna(axis=1, how="all").columns)


def collect(sweep_dir: str | os.PathLike) -> pd.DataFrame:
    """Read every run of a sweep and write `results.csv`.

    Args:
        sweep_dir: Folder of run directories. Hidden folders and `report` are not runs.

    Returns:
        One row a run, sorted by name: `run`; `missing`, the files it lacks (comma-separated, empty when
        complete); the axes of its `point.json`; its `summary.json`; of each world, means, success rates with
        counts and Wilson intervals, medians of how smooth successful rollouts are; of each site, the probe's
        statistics with intervals and controls, proxy A-distance and kNN mixing with intervals, and the
        p-value of the MMD test; of the aligned site, R² of the block pose.

    Raises:
        InputError: There is no such folder, it holds no run, or a file of a run cannot be read.
    """
    sweep_dir = Path(sweep_dir)
    folders = sorted(p for p in sweep_dir.glob("*") if p.is_dir())
    folders = [p for p in folders if not p.name.startswith(".") and p.name not in NOT_RUNS]
    if not folders:
        raise InputError(f"sweep_dir={sweep_dir}: expected a folder holding run directories")
    frame = pd.DataFrame([_row(folder) for folder in folders])
    measured = [c for c in frame.columns if "/" in c]
    frame = frame[[c for c in frame.columns if "/" not in c] + measured]
    with atomic_path(sweep_dir / "results.csv") as path:
        frame.to_csv(path, index=False, float_format="%.6g")
    return frame


class Arm(NamedTuple):
    """Runs that differ in nothing but the training seed."""

    point: dict  # the axes they share
    runs: list[str]

    @property
    def label(self) -> str:
        """What to call it: names as they are ("co-training"), numbers as axis=value, or not where 0 beside
        a name ("mmd, lambda=0.1", "co-training"). The name of a number, "0.5", is a number."""
        names = [v for v in self.point.values() if isinstance(v, str) and not _is_number(v)]
        numbers = {k: v for k, v in self.point.items() if v not in names and not (names and v == 0)}
        return ", ".join(
            names + [f"{k}={v:g}" if isinstance(v, float) else f"{k}={v}" for k, v in numbers.items()]
        )


class Estimate(NamedTuple):
    """A metric over an arm: its mean with interval, and the value of each run (runs,)."""

    interval: Interval
    runs: np.ndarray
    trials: int  # shared by all runs of the sweep; 0 for what rollouts do not measure


class Sweep:
    """A sweep's table, and the estimates that figures and tables show.

    Args:
        sweep_dir: As in `collect`, which is called.
        seed_axis: The axis that is a training seed.
    """

    def __init__(self, sweep_dir: str | os.PathLike, seed_axis: str = SEED_AXIS):
        self.path = Path(sweep_dir)
        self.frame = collect(sweep_dir)
        grid = self.path / GRID
        self.grid = _read_json(grid) if grid.is_file() else {}
        self.axes = [c for c in self.frame.columns if "/" not in c and c not in ("run", "missing", seed_axis)]
        self.worlds = self._second("rollout/")
        self.sites = self._second("probe/")
        self._table = cache(self._read_trials)

    @property
    def incomplete(self) -> pd.DataFrame:
        """The runs that lack a file."""
        return self.frame[self.frame["missing"] != ""]

    @property
    def success(self) -> str:
        """The success rate that reports show: the first that the worlds of the sweep define."""
        rates = [c.removesuffix("_count") for c in self.frame.columns if c.endswith("_count")]
        return next((r.split("/")[2] for r in rates if r.split("/")[2].startswith("success")), "success")

    def arms(self, where: Mapping[str, object] | None = None) -> list[Arm]:
        """The arms in the order of the grid; without one, by their numbers and then by run names.

        Args:
            where: Axes with the value to keep.

        Raises:
            InputError: No run has these values.
        """
        frame = self.frame
        for axis, value in (where or {}).items():
            if axis not in self.axes:
                raise InputError(f"where: axis {axis!r}, expected one of {self.axes}")
            frame = frame[frame[axis] == value]
        arms: dict[tuple, Arm] = {}
        for _, row in frame.iterrows():
            if "point.json" not in row["missing"]:
                point = {axis: row[axis] for axis in self.axes}
                arms.setdefault(tuple(point.values()), Arm(point, [])).runs.append(row["run"])
        if not arms:
            raise InputError(f"where={where}: no run of {self.path} has these values")
        order = {run: i for i, run in enumerate(self.grid.get("runs", []))}
        if set(order) >= {run for arm in arms.values() for run in arm.runs}:
            return sorted(arms.values(), key=lambda arm: min(order[run] for run in arm.runs))
        numeric = [i for i, axis in enumerate(self.axes) if pd.api.types.is_numeric_dtype(self.frame[axis])]
        return sorted(arms.values(), key=lambda arm: [list(arm.point.values())[i] for i in numeric])

    def find(self, arms: Sequence[Arm], label: str | None = None) -> Arm:
        """The arm called `label`; without one the grid's reference, or the first.

        Raises:
            InputError: There is none of that name.
        """
        if label is None:
            wanted = self.grid.get("reference", {}).items()
            return next((arm for arm in arms if all(arm.point.get(k) == v for k, v in wanted)), arms[0])
        for arm in arms:
            if arm.label == label:
                return arm
        raise InputError(f"reference={label!r}: expected one of {[arm.label for arm in arms]}")

    def references(self, arms: Sequence[Arm], label: str | None = None) -> tuple[str, list[Arm]]:
        """What each arm is compared with: the arm of that label, or the grid's reference, at the arm's own
        values of the other axes if that was run.

        Returns:
            What to call the reference, and one arm for each of `arms`.

        Raises:
            InputError: As `find`.
        """
        base, wanted = self.find(arms, label), self.grid.get("reference", {})
        if label is not None or not wanted:
            return base.label, [base] * len(arms)
        found = [next((a for a in arms if a.point == {**arm.point, **wanted}), base) for arm in arms]
        if all(arm is base for arm in found):
            return base.label, found
        free = [axis for axis in self.axes if len({str(arm.point[axis]) for arm in found}) > 1]
        return f"{Arm(wanted, []).label},\nsame {' and '.join(free)}", found

    def estimate(self, runs: Sequence[str], metric: str) -> Estimate | None:
        """The mean of a metric over runs that differ in the training seed.

        Args:
            runs: Names of runs; those without the metric are left out.
            metric: A column such as "rollout/real/score" or "probe/image/auc".

        Returns:
            None if no run has the metric.
        """
        kind, world, name = metric.split("/")
        rows = self.frame[self.frame["run"].isin(runs)]
        if metric not in rows or rows[metric].isna().all():
            return None
        if kind == "motion":
            table = self._moved(world, name, runs)
            found = rows.set_index("run").loc[[run for run in runs if run in table.index], metric].dropna()
            return Estimate(hierarchical_median(table.to_numpy()), found.to_numpy(float), table.shape[1])
        if kind == "rollout":
            table = self._trials(metric, runs)
            if is_rate(name):
                interval = intervals.hierarchical_rate(table)
            else:
                interval = intervals.hierarchical_mean(table, bounds=bounds(name))
            return Estimate(interval, table.mean(1), table.shape[1])
        rows = rows.dropna(subset=metric)
        found = [Interval(*x) for x in rows[[metric, f"{metric}_low", f"{metric}_high"]].to_numpy(float)]
        return Estimate(intervals.across_seeds(found, bounds=bounds(name)), rows[metric].to_numpy(float), 0)

    def difference(self, runs: Sequence[str], reference: Sequence[str], metric: str) -> Interval | None:
        """An arm minus the reference on shared trials, for a rollout metric; None if either lacks it."""
        if self.estimate(runs, metric) is None or self.estimate(reference, metric) is None:
            return None
        return intervals.paired_difference(self._trials(metric, runs), self._trials(metric, reference))

    def outcomes(self, runs: Sequence[str], metric: str) -> np.ndarray:
        """A rollout metric of every trial that all runs of the sweep share, in one order. (runs, trials)"""
        return self._trials(metric, runs)

    def _trials(self, metric: str, runs: Sequence[str]) -> np.ndarray:
        """Outcomes (runs, trials) in those trials of the world which all runs of the sweep have."""
        _, world, name = metric.split("/")
        table = self._table(world, name)
        return table.loc[[run for run in runs if run in table.index]].to_numpy(float)

    def _moved(self, world: str, measure: str, runs: Sequence[str]) -> pd.DataFrame:
        """A measure of motion (runs, trials), NaN where a trial failed."""
        found = {run: motion(self.path / run).get(world) for run in runs}
        return pd.DataFrame({r: t[measure] for r, t in found.items() if t is not None}).T

    def _read_trials(self, world: str, name: str) -> pd.DataFrame:
        outcomes = {}
        for run in self.frame["run"]:
            path = self.path / run / "rollouts.csv"
            if path.is_file():
                rows = pd.read_csv(path)
                rows = rows[rows["world"] == world]
                if len(rows):
                    outcomes[run] = pd.Series(rows[name].to_numpy(float), index=rows["seed"])
        table = pd.DataFrame(outcomes).T.dropna(axis=1)
        if not table.shape[1]:
            raise InputError(f"{self.path}: no trial seed of world {world!r} is shared by all runs")
        return table

    def _second(self, prefix: str) -> list[str]:
        return list(dict.fromkeys(c.split("/")[1] for c in self.frame.columns if c.startswith(prefix)))


def _is_number(text: str) -> bool:
    try:
        return np.isfinite(float(text))
    except ValueError:
        return False


def _row(run: Path) -> dict:
    missing = [name for name in FILES if not (run / name).is_file()]
    row: dict = {"run": run.name, "missing": ", ".join(missing)}
    if "point.json" not in missing:
        for axis, value in _read_json(run / "point.json").items():
            if "/" in axis or axis in ("run", "missing"):
                raise InputError(
                    f"{run}/point.json: axis {axis!r}, expected a name without '/', not run or missing"
                )
            row[axis] = value if isinstance(value, int | float | str | None) else json.dumps(value)
    if "summary.json" not in missing:
        row |= {f"summary/{name}": value for name, value in _read_json(run / "summary.json").items()}
    if "rollouts.csv" not in missing:
        row |= _rollouts(run / "rollouts.csv")
        for world, moved in motion(run).items():
            row |= {f"motion/{world}/{name}": moved[name].median() for name in MEASURES}
    if "probe.json" not in missing:
        row |= _probe(_read_json(run / "probe.json"))
    if "summary/site" in row and (run / "task_probe.json").is_file():
        row |= _tasks(_read_json(run / "task_probe.json")["sites"].get(row["summary/site"], {}))
    if (run / GEOMETRY).is_file():
        row |= _geometry(_read_json(run / GEOMETRY))
    return row


def _rollouts(path: Path) -> dict:
    table, row = pd.read_csv(path), {}
    absent = {"world", "seed", "score"} - set(table.columns)
    absent |= set() if any(name.startswith("success") for name in table.columns) else {"success"}
    if absent:
        raise InputError(f"{path}: columns {sorted(absent)} are missing, expected one row a trial")
    for world, trials in table.groupby("world", sort=False):
        row[f"rollout/{world}/trials"] = len(trials)
        rates = [name for name in measures(trials) if is_rate(name)]
        for name in (name for name in measures(trials) if name not in rates):
            row[f"rollout/{world}/{name}"] = trials[name].mean()
        score = intervals.bootstrap_mean(trials["score"], bounds=(0, 1))
        row[f"rollout/{world}/score_low"], row[f"rollout/{world}/score_high"] = score.low, score.high
        for name in rates:
            count = int(trials[name].sum())
            rate = intervals.wilson(count, len(trials))
            row |= {f"rollout/{world}/{name}": rate.value, f"rollout/{world}/{name}_count": count}
            row |= {f"rollout/{world}/{name}_low": rate.low, f"rollout/{world}/{name}_high": rate.high}
    return row


def _probe(result: dict) -> dict:
    row = {}
    for site, found in result["sites"].items():
        for name in PROBED:
            row |= _interval(f"probe/{site}/{name}", found.get(name))
        row |= _interval(f"probe/{site}/mlp_auc", found.get("mlp", {}).get("auc"))
        for control in ("shuffled", "real_vs_real", "untrained"):
            if control in found:
                row[f"probe/{site}/auc_{control}"] = Interval.from_dict(found[control]["auc"]).value
    return row


def _tasks(found: dict) -> dict:
    """R² of the tasks of one site, under the names of `TASKS`."""
    row = {}
    for name in TASKS:
        task, cell = name[: len("block_pose")], name[len("block_pose_") :]
        row |= _interval(f"task/aligned/{name}", found.get(task, {}).get(cell))
    return row


def _interval(metric: str, numbers: dict | None) -> dict:
    """Columns of an estimate and its interval; none where it was not measured."""
    if numbers is None:
        return {}
    value, low, high = Interval.from_dict({name: numbers[name] for name in Interval._fields})
    return {metric: value, f"{metric}_low": low, f"{metric}_high": high}


def _geometry(result: dict) -> dict:
    sites = dict(result["sites"])
    if result["aligned"] in sites:
        sites = {"aligned": sites[result["aligned"]]} | sites
    row = {}
    for site, found in sites.items():
        for name, numbers in (("a_distance", found["a_distance"]), ("mixing", found["mixing"]["mixing"])):
            row |= _interval(f"geometry/{site}/{name}", numbers)
        row[f"geometry/{site}/mmd_p"] = found["tests"]["mmd"]["p_value"]
    return row


def _read_json(path: Path) -> dict:
    try:
        return json.loads(path.read_text())
    except json.JSONDecodeError as error:
        raise InputError(f"{path}: not JSON ({error}), expected the file that the run wrote") from None
