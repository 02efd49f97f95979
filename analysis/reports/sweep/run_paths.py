"""The paths that a run left, and the plans that it learnt from or is compared with."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd

from align.analysis.reports.sweep.kept import REPEATED, facts, kept_motion
from align.analysis.statistics.smoothness import path_length, smoothness
from align.data.episodes import Episodes, read_store
from align.domain import Domain
from align.errors import InputError
from align.run.config import callback_options, place_of, run_config
from align.run.layout import CONFIG, PATHS, ROLLOUTS
from align.run.paths import read_paths
from align.run.reading import is_there, reading
from align.worlds.batch import shown_success
from align.worlds.planning.plans import TITLES, path_of
from align.worlds.planning.scene import Scene
from align.worlds.planning.scenes import scene_of

MEASURES = {
    "acceleration": "Mean squared acceleration",
    "jerk": "Mean squared jerk",
    "turning": "Turning (rad)",
    "detour": "Length / beeline",
}
"""Measures of a path by name, with their titles; see `align.analysis.statistics.smoothness`."""
FIRST = 100
"""So many plans of a store are read, the first ones."""


def motion(run: str | os.PathLike) -> dict[str, pd.DataFrame]:
    """Measures of each trial of a run, of the worlds that kept paths.

    Args:
        run: Run directory; the success that reports show, `shown_success`, says which succeeded.

    Returns:
        By world, a row a trial, indexed by its seed, and a column a measure: NaN where the trial failed, or
        did not move. Paths are compared at equal distances along them: their speed does not count.

    Raises:
        InputError: The paths are of other trials than `rollouts.csv`.
    """
    files = [Path(run) / name for name in (PATHS, ROLLOUTS)]
    if not is_there(files[0]):
        return kept_motion(run)
    written = []
    for file in files:
        with reading(file, "what a rollout wrote"):
            written.append(file.stat().st_mtime_ns)
    return _motion(Path(run), *written)


@lru_cache(maxsize=512)
def _motion(run: Path, *_written: int) -> dict[str, pd.DataFrame]:
    with reading(run / ROLLOUTS, "one row a trial, as rollouts write them"):
        trials = pd.read_csv(run / ROLLOUTS).set_index(["world", "seed"])
    tables = {}
    for world, paths in read_paths(run / PATHS).items():
        if world not in trials.index or set(trials.loc[world].index) != set(paths):
            raise InputError(f"{run / PATHS}: world {world!r} has other trials than rollouts.csv")
        with reading(run / ROLLOUTS, "a column named success..."):
            own = trials.loc[world].dropna(axis=1, how="all")  # a world lacks columns that another has
            succeeded = own[shown_success(own.columns)]
        good = {s: p for s, p in paths.items() if succeeded[s] and path_length(p) > 0}
        rows = measure(list(good.values())).set_axis(pd.Index(list(good), dtype=int))
        tables[world] = rows.reindex(list(paths))
    return tables


def with_paths(sweep: str | os.PathLike, runs: Sequence[str], world: str) -> list[Path]:
    """The directories of some runs that hold paths of a world; runs of which there are tables have none."""
    there = [Path(sweep) / run for run in runs if is_there(Path(sweep) / run / PATHS)]
    return [run for run in there if world in motion(run)]


def repeated(run: str | os.PathLike, world: str) -> bool:
    """Whether trials of a world were configured to repeat queries: they tell how much answers differ."""
    if world in facts(Path(run).parent).get(REPEATED, ()):
        return True
    with reading(Path(run) / CONFIG, "a configuration of align fit"):
        worlds = [(options.get("worlds") or {}).get(world) for options in callback_options(run)]
        options = [w.get("init_args") or {} for w in worlds if isinstance(w, dict)]
        return any(o.get("repeats", 1) > 1 for o in options)


def measure(paths: Sequence[np.ndarray]) -> pd.DataFrame:
    """`MEASURES` of some paths (T, D), a row each."""
    found = smoothness(paths)
    beeline = np.array([np.linalg.norm(path[-1] - path[0]) for path in paths])
    detour = np.divide(found.length, beeline, out=np.full(len(paths), np.nan), where=beeline > 0)
    columns = (found.acceleration, found.jerk, found.turning, detour)
    return pd.DataFrame(dict(zip(MEASURES, columns, strict=True)))


@dataclass(frozen=True)
class Plans:
    """Plans of one planner: their `paths` (T, D), in the units of positions, and where they were made."""

    planner: str
    paths: list[np.ndarray]
    scene: Scene | None

    @property
    def title(self) -> str:
        """The planner's name as it is written."""
        return TITLES.get(self.planner, self.planner)


def learnt_plans(run: str | os.PathLike) -> dict[Domain, Plans]:
    """The plans that a run was trained on, by domain, where one store is there and holds plans."""
    data, found = run_config(run).get("data", {}), {}
    for domain, store in learnt_stores(run).items():
        if store.exists():
            plans = _plans(read_store(store, data.get(f"{domain.label}_keys"), images=False), FIRST)
            if plans.planner and plans.scene is not None:
                found[domain] = plans
    return found


def learnt_stores(run: str | os.PathLike) -> dict[Domain, Path]:
    """Where the stores that a run was trained on should lie, by domain, if that is one store."""
    data = run_config(run).get("data", {})
    named = {domain: data.get(domain.label) for domain in Domain}
    return {domain: place_of(run, store) for domain, store in named.items() if isinstance(store, str)}


def reference_plans(run: str | os.PathLike) -> Plans | None:
    """The plans that a run's rollouts are compared with, `Rollouts.reference`; None where they are gone."""
    store = reference_store(run)
    return None if store is None or not store.exists() else _plans(read_store(store, images=False))


def reference_store(run: str | os.PathLike) -> Path | None:
    """The store that a run's rollouts are compared with; None where none was configured."""
    named = [options.get("reference") for options in callback_options(run)]
    store = next((path for path in named if path and isinstance(path, str)), None)
    return None if store is None else place_of(run, store)


def _plans(episodes: Episodes, limit: int | None = None) -> Plans:
    """The plans of a store, or the first `limit` of them."""
    paths = [path_of(episodes.state[a:b]) for a, b in pairwise([0, *episodes.ends[:limit]])]
    return Plans(str(episodes.attrs.get("planner", "")), paths, scene_of(episodes.attrs))
