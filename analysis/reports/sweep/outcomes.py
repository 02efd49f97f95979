"""What came of every trial and held-out episode of a sweep, read from its runs."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from align.analysis.reports.sweep.kept import EPISODES, facts
from align.analysis.reports.sweep.metric import Metric
from align.analysis.reports.sweep.run_paths import motion
from align.analysis.reports.sweep.run_table import has_trials, held_out, read_trials
from align.errors import InputError
from align.run.layout import EMBEDDINGS


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
        read = self._episodes if metric.kind == "held_out" else self._trials_of
        table = read(metric.place, metric.name)
        return table.loc[[run for run in runs if run in table.index]].to_numpy(float)

    def moved(self, runs: Sequence[str], metric: Metric) -> pd.DataFrame:
        """A measure of motion (runs, trials), NaN where a trial failed."""
        found = {run: motion(self.path / run).get(metric.place) for run in runs}
        return pd.DataFrame({r: t[metric.name] for r, t in found.items() if t is not None}).T

    @property
    def keeps_episodes(self) -> bool:
        """Whether there is more than the tables that `align keep` kept."""
        embedded = any((self.path / run / EMBEDDINGS).is_file() for run in self.runs)
        return embedded or EPISODES in facts(self.path)

    def _read_trials(self, world: str, name: str) -> pd.DataFrame:
        outcomes = {}
        for run in self.runs:
            if has_trials(self.path / run):
                rows = self._read_run(run)
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

    def _read_episodes(self, domain: str, name: str) -> pd.DataFrame:
        found = {run: held_out(self.path / run).get(domain) for run in self.runs}
        table = pd.DataFrame({run: t[name] for run, t in found.items() if t is not None}).T.dropna(axis=1)
        if not table.shape[1]:
            raise InputError(f"{self.path}: no held-out episode of {domain} is shared by all runs")
        return table
