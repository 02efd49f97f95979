"""Estimates over the training seeds and trials of a sweep, from the table of its runs."""

import os
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from align.analysis.reports.sweep.arm import Arm, as_point, none_last
from align.analysis.reports.sweep.kept import made_as
from align.analysis.reports.sweep.metric import Metric
from align.analysis.reports.sweep.outcomes import Outcomes, Shared
from align.analysis.reports.sweep.run_paths import repeated
from align.analysis.reports.sweep.run_table import HELD_OUT, recorded
from align.analysis.statistics.intervals import LEVEL, Interval
from align.analysis.statistics.trials import crossed, dispersion
from align.analysis.statistics.trials.dispersion import Dispersion, over_trainings
from align.analysis.statistics.trials.rates import rate, rate_difference
from align.analysis.statistics.trials.resampled import log_medians, median, median_ratio
from align.analysis.statistics.trials.variance_components import Between, of_each_arm
from align.errors import InputError
from align.run.layout import GRID, POINT
from align.run.reading import is_there, read_json
from align.worlds.batch import shown_success

SEED_AXIS = "seed"


class Estimate(NamedTuple):
    """A metric over an arm: its mean with interval, and the value of each run (runs,)."""

    interval: Interval
    runs: np.ndarray
    trials: int  # shared by all runs of the sweep; 0 for what rollouts do not measure
    lone: bool = False  # nothing is known of how trainings differ: the interval says nothing of another


def _grid(path: Path) -> dict[str, Any]:
    """What a sweep says of its grid: `title`, `reference`, and `runs` in their order; maybe nothing."""
    found = read_json(path) if is_there(path) else {}
    runs, reference, title = (found.get(name) or default for name, default in _OF_GRID.items())
    if not (
        isinstance(runs, list)
        and all(isinstance(run, str) for run in runs)
        and isinstance(reference, dict)
        and isinstance(title, str)
    ):
        raise InputError(f"{path}: expected title, reference and runs as a sweep wrote them")
    return found


_OF_GRID: dict[str, Any] = {"runs": [], "reference": {}, "title": ""}


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
        self.grid = _grid(self.path / GRID)
        self.axes = [c for c in self.frame.columns if "/" not in c and c not in ("run", "missing", SEED_AXIS)]
        self.metrics = Metric.among(self.frame.columns)
        worlds = [m.place for m in self.metrics if (m.kind, m.name) == ("rollout", "score")]
        self.repeated = [w for w in worlds if any(repeated(self.path / run, w) for run in self.frame["run"])]
        self.worlds = [w for w in worlds if w not in self.repeated]
        self.sites = list(dict.fromkeys(m.place for m in self.metrics if m.kind == "probe"))
        self.held_out = list(dict.fromkeys(m.place for m in self.metrics if m.kind == "held_out"))
        self._outcomes = Outcomes(self.path, list(self.frame["run"]))
        self.memo: dict[tuple, object] = {}  # of what `comparisons` found, which several reports show
        self._labels = cache(lambda: {run: arm.label for arm in self.arms() for run in arm.runs})
        self.scatter = cache(self._scatter)
        self.dispersion = cache(self._dispersion)

    @property
    def title(self) -> str:
        """What figures are headed by: its directory, and the question that its grid asks."""
        return ": ".join(filter(None, (made_as(self.path), self.grid.get("title"))))

    @property
    def incomplete(self) -> pd.DataFrame:
        """The runs that lack a file."""
        return self.frame[self.frame["missing"] != ""]

    @property
    def absent(self) -> list[str]:
        """Names of the grid's runs that are not in the table: neither a directory nor what was kept of it."""
        there = set(self.frame["run"])
        return [run for run in self.grid.get("runs") or [] if run not in there]

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

    @property
    def is_binary(self) -> bool:
        """Whether the score of every trial is its success, 0 or 1, so that one of both says all."""
        scores, rates = (
            self.frame.reindex(columns=[str(Metric("rollout", world, name)) for world in self.worlds])
            for name in ("score", self.success)
        )
        return bool(self.worlds) and np.allclose(scores, rates, rtol=0, atol=1e-9, equal_nan=True)

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
        wanted = {axis: as_point(value) for axis, value in (where or {}).items()}
        if unknown := [axis for axis in wanted if axis not in self.axes]:
            raise InputError(f"where: axis {unknown[0]!r}, expected one of {self.axes}")
        arms: dict[tuple, Arm] = {}
        for _, row in self.frame.iterrows():
            point = {axis: as_point(row[axis]) for axis in self.axes}
            if POINT not in row["missing"] and wanted.items() <= point.items():
                arms.setdefault(tuple(point.values()), Arm(point, [])).runs.append(row["run"])
        if not arms:
            raise InputError(f"where={where}: no run of {self.path} has these values")
        order = {run: i for i, run in enumerate(self.grid.get("runs", []))}
        if set(order) >= {run for arm in arms.values() for run in arm.runs}:
            return sorted(arms.values(), key=lambda arm: min(order[run] for run in arm.runs))
        numeric = [axis for axis in self.axes if pd.api.types.is_numeric_dtype(self.frame[axis])]
        return sorted(arms.values(), key=lambda arm: [none_last(arm.point[axis]) for axis in numeric])

    def spans(self, axes: Sequence[str]) -> bool:
        """Whether the arms differ in these axes and in no other, so that one is found by its values there."""
        others = [axis for axis in self.axes if axis not in axes]
        return set(axes) <= set(self.axes) and all(
            len({arm.point[axis] for arm in self.arms()}) == 1 for axis in others
        )

    def find(self, arms: Sequence[Arm], label: str | None = None) -> Arm | None:
        """The arm called `label`; without one the grid's reference, or the first if the grid names none.

        Returns:
            None where the grid's reference is not among the arms.

        Raises:
            InputError: There is none of that name.
        """
        if label is None:
            return next(iter(self._at_reference(arms)), None)
        for arm in arms:
            if arm.label == label:
                return arm
        raise InputError(f"reference={label!r}: expected one of {[arm.label for arm in arms]}")

    def _at_reference(self, arms: Sequence[Arm]) -> Sequence[Arm]:
        """Those at the values that the grid names as its reference; all, if it names none."""
        wanted = self.grid.get("reference") or {}
        return [arm for arm in arms if wanted.items() <= arm.point.items()]

    def references(self, arms: Sequence[Arm]) -> tuple[str, list[Arm]]:
        """What each arm is compared with: the grid's reference, of several the one at the arm's own values of
        the axes that tell them apart; without one in the grid, the first arm.

        Returns:
            What to call the reference, and one arm for each of `arms`: itself where its own reference is not
            among them, since that of others is no measure for it.
        """
        wanted = self.grid.get("reference") or {}
        if not wanted:
            return arms[0].label, [arms[0]] * len(arms)
        every = self._at_reference(self.arms())
        free = [axis for axis in self.axes if len({arm.point[axis] for arm in every}) > 1]

        def at(arm: Arm) -> tuple:
            return tuple(arm.point[axis] for axis in free)

        own = {at(arm): arm for arm in self._at_reference(arms)}
        name = every[0] if len(every) == 1 else Arm(wanted, [])
        same = f",\nsame {' and '.join(free)}" if free else ""
        return name.label + same, [own.get(at(arm), arm) for arm in arms]

    def estimate(self, runs: Sequence[str], metric: Metric, level: float = LEVEL) -> Estimate | None:
        """The mean of a metric over the runs of an arm, which differ in the training seed.

        Args:
            runs: Names of an arm's runs; those without the metric are left out.
            metric: Of a kind that has intervals.
            level: Confidence level of the interval.

        Returns:
            None if no run has the metric.
        """
        rows, column = self.frame[self.frame["run"].isin(runs)], str(metric)
        if not self.has(metric) or rows[column].isna().all():
            return None
        if metric.kind == "motion":
            table = self._outcomes.moved(runs, metric)
            found = rows.set_index("run").loc[[run for run in runs if run in table.index], column].dropna()
            between = self._of(runs, self.scatter(metric))
            interval = median(table.to_numpy(), between, level)
            return Estimate(interval, found.to_numpy(float), table.shape[1], between is None)
        if self.pairs(metric):
            table, between = self.outcomes(runs, metric), self._of(runs, self.scatter(metric))
            interval = _mean(table, between, metric, level)
            return Estimate(interval, table.mean(1), table.shape[1], between is None)
        found, scatter = self._measured(runs, metric), self._of(runs, self.dispersion(metric))
        values = rows[column].dropna().to_numpy(float)
        return Estimate(over_trainings(found, scatter, metric.bounds, level), values, 0, scatter is None)

    def difference(self, runs: Sequence[str], reference: Sequence[str], metric: Metric) -> Interval | None:
        """An arm minus another on shared trials or held-out episodes, by itself; None if either lacks it, or
        too few are shared."""
        if None in (self.estimate(runs, metric), self.estimate(reference, metric)) or not self.pairs(metric):
            return None
        tables = [self.outcomes(some, metric) for some in (runs, reference)]
        between = [self._of(some, self.scatter(metric)) for some in (runs, reference)]
        known = None if None in between else between
        if tables[0].shape[1] < 2:
            return Interval(float(tables[0].mean() - tables[1].mean()), np.nan, np.nan)
        if metric.bounds == (0.0, 1.0):
            return rate_difference(*tables, known)
        return crossed.difference(*tables, known).interval()

    def ratio(
        self, runs: Sequence[str], reference: Sequence[str], metric: Metric, level: float = LEVEL
    ) -> Interval | None:
        """An arm over the reference where both succeed, for a measure of motion; None without such trials."""
        values, base = (self._outcomes.moved(some, metric) for some in (runs, reference))
        shared = [trial for trial in base.columns if trial in values.columns]
        between = [self._of(some, self.scatter(metric)) for some in (runs, reference)]
        return (
            median_ratio(
                values[shared].to_numpy(),
                base[shared].to_numpy(),
                None if None in between else between,
                level,
            )
            if shared
            else None
        )

    def _scatter(self, metric: Metric) -> dict[str, Between | None]:
        """What is known of the variance between trainings, by the label of the arm, pooled over the sweep.

        Outcomes in [0, 1] scatter by their rate · (1 − rate); medians of motion in logarithms.
        """
        tables = {}
        if metric.kind == "held_out" and not self.pairs(metric):
            return {}
        for arm in self.arms():
            if metric.kind == "motion":
                found = self._outcomes.moved(arm.runs, metric)
                components = log_medians(found.to_numpy()) if len(found) else None
                if components is not None:
                    tables[arm.label] = components
            elif len(table := self.outcomes(arm.runs, metric)) and table.shape[1] > 1:
                tables[arm.label] = table
        unit = metric.kind == "rollout" and metric.bounds == (0.0, 1.0)
        return dict(zip(tables, of_each_arm(list(tables.values()), relative=unit), strict=True))

    def _of(self, runs: Sequence[str], known: Mapping[str, Any]) -> Any:
        """What is known of the arm that the runs are of; None where they are of several."""
        labels = {self._labels().get(run) for run in runs}
        return known.get(labels.pop()) if len(labels) == 1 else None

    def _measured(self, runs: Sequence[str], metric: Metric) -> list[Interval]:
        """The intervals of single runs, those that have the metric."""
        rows = self.frame[self.frame["run"].isin(runs)].dropna(subset=str(metric))
        return [Interval(*x) for x in rows[[str(metric), *metric.ends]].to_numpy(float)]

    def _dispersion(self, metric: Metric) -> dict[str, Dispersion | None]:
        """How trainings scatter in what has an interval a run, by the label of the arm."""
        arms = self.arms()
        found = dispersion.of_each_arm([self._measured(arm.runs, metric) for arm in arms])
        return {arm.label: scatter for arm, scatter in zip(arms, found, strict=True)}

    def outcomes(self, runs: Sequence[str], metric: Metric) -> np.ndarray:
        """A metric of every trial, or held-out episode, that all runs of the sweep share, in one order.

        Returns:
            (runs, trials)
        """
        return self._outcomes.of(runs, metric)

    def pairs(self, metric: Metric) -> bool:
        """Whether its runs are compared trial by trial, or held-out episode by episode; see `shared`."""
        return self._outcomes.pairs(metric)

    def shared(self, metric: Metric) -> Shared | None:
        """The trials or held-out episodes that all runs share; None where no single ones were kept."""
        return self._outcomes.shared(metric)


def _mean(table: np.ndarray, between: Between | None, metric: Metric, level: float) -> Interval:
    """The mean of outcomes (trainings, trials); of one trial the ends are not known."""
    if table.shape[1] < 2:
        return Interval(float(table.mean()), np.nan, np.nan)
    if metric.bounds == (0.0, 1.0):
        return rate(table, between, level)
    value, low, high = crossed.mean(table, between).interval(level)
    return Interval(value, max(low, metric.bounds[0]), min(high, metric.bounds[1]))
