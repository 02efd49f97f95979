"""Estimates over the training seeds and trials of a sweep, from the table of its runs."""

import os
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from align.analysis.reports.sweep.kept import EPISODES, facts
from align.analysis.reports.sweep.metric import Metric
from align.analysis.reports.sweep.run_paths import motion, repeated
from align.analysis.reports.sweep.run_table import HELD_OUT, has_trials, held_out, read_trials, recorded
from align.analysis.statistics import intervals
from align.analysis.statistics.intervals import Interval
from align.analysis.statistics.medians import hierarchical_median, hierarchical_ratio
from align.errors import InputError
from align.run.layout import EMBEDDINGS, GRID, POINT
from align.run.reading import read_json
from align.worlds.batch import shown_success

SEED_AXIS = "seed"


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
    """A sweep's table, and the estimates that figures and tables show. Reading it writes nothing.

    Args:
        sweep_dir: As in `align.analysis.reports.sweep.run_table.recorded`, which is called.

    Attributes:
        metrics: Everything that was measured, in the order of the table.
        worlds: Names of the worlds that policies are tested in.
        repeated: Those in which trials repeat queries, for measures of diversity; none of `worlds`.
        sites: Names of those that were probed.
        held_out: Domains on whose held-out episodes policies were tested.
    """

    def __init__(self, sweep_dir: str | os.PathLike):
        self.path = Path(sweep_dir)
        self.frame = recorded(sweep_dir)
        grid = self.path / GRID
        self.grid = read_json(grid) if grid.is_file() else {}
        self.axes = [c for c in self.frame.columns if "/" not in c and c not in ("run", "missing", SEED_AXIS)]
        self.metrics = Metric.among(self.frame.columns)
        worlds = [m.place for m in self.metrics if (m.kind, m.name) == ("rollout", "score")]
        self.repeated = [w for w in worlds if any(repeated(self.path / run, w) for run in self.frame["run"])]
        self.worlds = [w for w in worlds if w not in self.repeated]
        self.sites = list(dict.fromkeys(m.place for m in self.metrics if m.kind == "probe"))
        held_out = [m.place for m in self.metrics if m.kind == "held_out"]
        self.held_out = list(dict.fromkeys(held_out))
        self._table, self._episodes = cache(self._read_trials), cache(self._read_episodes)

    @property
    def title(self) -> str:
        """What figures are headed by: its directory, and the question that its grid asks."""
        name = facts(self.path).get("name") or self.path.absolute().name
        return ": ".join(filter(None, (name, self.grid.get("title"))))

    @property
    def incomplete(self) -> pd.DataFrame:
        """The runs that lack a file."""
        return self.frame[self.frame["missing"] != ""]

    @property
    def target(self) -> str | None:
        """The world that policies are made for: that called real, or the first; None without any."""
        return "real" if "real" in self.worlds else next(iter(self.worlds), None)

    @property
    def success(self) -> str:
        """The success rate that reports show: the first that the worlds of the sweep define."""
        rates = [metric.name for metric in self.metrics if metric.count in self.frame]
        return shown_success(rates) or "success"

    @property
    def outcomes_shown(self) -> tuple[str, list[str], tuple[str, str]]:
        """What says how good policies are: kind, places and names of metrics, of which the first is compared.

        Success in the worlds they are tested in; without any, the errors on held-out episodes.
        """
        if self.worlds or not self.held_out:
            return "rollout", self.worlds, ("score", self.success)
        return "held_out", self.held_out, HELD_OUT

    def has(self, metric: Metric) -> bool:
        """Whether it was measured of any run."""
        return str(metric) in self.frame

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
            if POINT not in row["missing"]:
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

    def references(self, arms: Sequence[Arm]) -> tuple[str, list[Arm]]:
        """What each arm is compared with: the grid's reference, at the arm's own values of the other axes if
        that was run; without one in the grid, the first arm.

        Returns:
            What to call the reference, and one arm for each of `arms`.
        """
        base, wanted = self.find(arms), self.grid.get("reference", {})
        if not wanted:
            return base.label, [base] * len(arms)
        found = [next((a for a in arms if a.point == {**arm.point, **wanted}), base) for arm in arms]
        if all(arm is base for arm in found):
            return base.label, found
        free = [axis for axis in self.axes if len({str(arm.point[axis]) for arm in found}) > 1]
        return f"{Arm(wanted, []).label},\nsame {' and '.join(free)}", found

    def estimate(self, runs: Sequence[str], metric: Metric) -> Estimate | None:
        """The mean of a metric over runs that differ in the training seed.

        Args:
            runs: Names of runs; those without the metric are left out.
            metric: Of a kind that has intervals.

        Returns:
            None if no run has the metric.
        """
        rows, column = self.frame[self.frame["run"].isin(runs)], str(metric)
        if not self.has(metric) or rows[column].isna().all():
            return None
        if metric.kind == "motion":
            table = self._moved(metric, runs)
            found = rows.set_index("run").loc[[run for run in runs if run in table.index], column].dropna()
            return Estimate(hierarchical_median(table.to_numpy()), found.to_numpy(float), table.shape[1])
        if metric.kind == "rollout" or (metric.kind == "held_out" and self._keeps_episodes):
            table = self.outcomes(runs, metric)
            if metric.is_rate:
                interval = intervals.hierarchical_rate(table)
            else:
                interval = intervals.hierarchical_mean(table, bounds=metric.bounds)
            return Estimate(interval, table.mean(1), table.shape[1])
        rows = rows.dropna(subset=column)
        found = [Interval(*x) for x in rows[[column, *metric.ends]].to_numpy(float)]
        return Estimate(intervals.across_seeds(found, bounds=metric.bounds), rows[column].to_numpy(float), 0)

    def difference(self, runs: Sequence[str], reference: Sequence[str], metric: Metric) -> Interval | None:
        """An arm minus the reference on shared trials or held-out episodes; None if either lacks it."""
        if self.estimate(runs, metric) is None or self.estimate(reference, metric) is None:
            return None
        return intervals.paired_difference(self.outcomes(runs, metric), self.outcomes(reference, metric))

    def ratio(self, runs: Sequence[str], reference: Sequence[str], metric: Metric) -> Interval | None:
        """An arm over the reference where both succeed, for a measure of motion; None without such trials."""
        values, base = (self._moved(metric, some) for some in (runs, reference))
        shared = [trial for trial in base.columns if trial in values.columns]
        return hierarchical_ratio(values[shared].to_numpy(), base[shared].to_numpy()) if shared else None

    def outcomes(self, runs: Sequence[str], metric: Metric) -> np.ndarray:
        """A metric of every trial, or held-out episode, that all runs of the sweep share, in one order.

        Returns:
            (runs, trials)
        """
        read = self._episodes if metric.kind == "held_out" else self._table
        table = read(metric.place, metric.name)
        return table.loc[[run for run in runs if run in table.index]].to_numpy(float)

    def _moved(self, metric: Metric, runs: Sequence[str]) -> pd.DataFrame:
        """A measure of motion (runs, trials), NaN where a trial failed."""
        found = {run: motion(self.path / run).get(metric.place) for run in runs}
        return pd.DataFrame({r: t[metric.name] for r, t in found.items() if t is not None}).T

    def _read_trials(self, world: str, name: str) -> pd.DataFrame:
        outcomes = {}
        for run in self.frame["run"]:
            if has_trials(self.path / run):
                rows = read_trials(self.path / run)
                rows = rows[rows["world"] == world]
                if len(rows):
                    outcomes[run] = pd.Series(rows[name].to_numpy(float), index=rows["seed"])
        if not outcomes:
            raise InputError(
                f"{self.path}: holds no trials of world {world!r}; of a sweep that was kept without them its "
                "tables and pictures cannot be made again"
            )
        table = pd.DataFrame(outcomes).T.dropna(axis=1)
        if not table.shape[1]:
            raise InputError(f"{self.path}: no trial seed of world {world!r} is shared by all runs")
        return table

    @property
    def _keeps_episodes(self) -> bool:
        """Whether there is more than the tables that `align keep` kept."""
        embedded = any((self.path / run / EMBEDDINGS).is_file() for run in self.frame["run"])
        return embedded or EPISODES in facts(self.path)

    def _read_episodes(self, domain: str, name: str) -> pd.DataFrame:
        found = {run: held_out(self.path / run).get(domain) for run in self.frame["run"]}
        table = pd.DataFrame({run: t[name] for run, t in found.items() if t is not None}).T.dropna(axis=1)
        if not table.shape[1]:
            raise InputError(f"{self.path}: no held-out episode of {domain} is shared by all runs")
        return table


def _is_number(text: str) -> bool:
    try:
        return np.isfinite(float(text))
    except ValueError:
        return False
