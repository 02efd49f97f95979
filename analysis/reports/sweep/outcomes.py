"""What came of every trial and held-out episode of a sweep, read from its runs."""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from align.analysis.reports.sweep.kept import EPISODES, facts
from align.analysis.reports.sweep.metric import Metric
from align.analysis.reports.sweep.run_paths import motion
from align.analysis.reports.sweep.run_table import has_trials, held_out, read_trials
from align.analysis.reports.sweep.stores import stores_of_each
from align.errors import InputError
from align.run.layout import EMBEDDINGS, KEPT_TRIALS

ENOUGH = 0.5
"""The least share of held-out episodes that runs are paired by."""


class Shared(NamedTuple):
    """What all runs have in common.

    Attributes:
        table: (runs, trials or held-out episodes), in one order.
        most: How many the run with most of them has.
    """

    table: pd.DataFrame
    most: int

    @property
    def count(self) -> int:
        """How many all runs share."""
        return self.table.shape[1]


class Outcomes:
    """Tables of outcomes, each read when it is first asked for.

    Args:
        path: The sweep's directory.
        runs: Names of all its runs.
    """

    def __init__(self, path: Path, runs: Sequence[str]):
        self.path, self.runs = path, runs
        self._trials_of, self._episodes = cache(self._read_trials), cache(self._read_episodes)
        self._read_run = cache(lambda run: read_trials(self.path / run))

    def of(self, runs: Sequence[str], metric: Metric) -> np.ndarray:
        """A metric of every trial, or held-out episode, that all runs of the sweep share, in one order.

        Returns:
            (runs, trials)
        """
        table = self.shared(metric).table
        return table.loc[[run for run in runs if run in table.index]].to_numpy(float)

    def moved(self, runs: Sequence[str], metric: Metric) -> pd.DataFrame:
        """A measure of motion (runs, trials), NaN where a trial failed."""
        found = {run: motion(self.path / run).get(metric.place) for run in runs}
        tables = {run: table for run, table in found.items() if table is not None}
        if not all(metric.name in table for table in tables.values()):
            path = self.path / KEPT_TRIALS
            raise InputError(f"{path}: no {metric.name} of paths; expected what align keep wrote")
        return pd.DataFrame({run: table[metric.name] for run, table in tables.items()}).T

    def pairs(self, metric: Metric) -> bool:
        """Whether the sweep's runs can be compared trial by trial, or held-out episode by episode.

        Of episodes they are where all share half or more of what any of them held out: on fewer, pairing
        would lose more than it gains.
        """
        if metric.kind != "held_out":
            return metric.kind == "rollout"
        shared = self.shared(metric)
        return shared is not None and shared.count >= max(shared.most * ENOUGH, 1)

    def shared(self, metric: Metric) -> Shared | None:
        """What all runs have in common of a metric's trials or held-out episodes; None where only tables were
        kept."""
        if metric.kind == "held_out":
            return self._episodes(metric.place, metric.name) if self._keeps_episodes else None
        return self._trials_of(metric.place, metric.name)

    @property
    def _keeps_episodes(self) -> bool:
        """Whether there is more than the tables that `align keep` kept."""
        embedded = any((self.path / run / EMBEDDINGS).is_file() for run in self.runs)
        return embedded or EPISODES in facts(self.path)

    def _read_trials(self, world: str, name: str) -> Shared:
        outcomes = {}
        for run in self.runs:
            if has_trials(self.path / run):
                rows = self._read_run(run)
                rows = rows[rows["world"] == world]
                if name in rows and rows[name].notna().any():  # older runs lack some
                    outcomes[run] = pd.Series(rows[name].to_numpy(float), index=rows["seed"])
        if not outcomes:
            raise InputError(
                f"{self.path}: holds no trials of world {world!r}; of a sweep that was kept without them its "
                "tables and pictures cannot be made again"
            )
        shared = _share(outcomes)
        if not shared.count:
            raise InputError(f"{self.path}: no trial seed of world {world!r} is shared by all runs")
        return shared

    def _read_episodes(self, domain: str, name: str) -> Shared:
        found = {run: held_out(self.path / run).get(domain) for run in self.runs}
        found = {run: table[name] for run, table in found.items() if table is not None}
        of_run = stores_of_each(self.path, list(found), domain)
        return _share(
            {
                run: errors.set_axis([f"{of_run[run]}#{number}" for number in errors.index])
                for run, errors in found.items()
            }
        )


def _share(found: Mapping[str, pd.Series]) -> Shared:
    """Of each run's values by what they are of, those that all runs have, in the order of the first."""
    common = next(iter(found.values())).index
    for values in found.values():
        common = common[common.isin(values.index)]
    table = pd.DataFrame({run: values.loc[common] for run, values in found.items()}).T
    return Shared(table, max(map(len, found.values())))
