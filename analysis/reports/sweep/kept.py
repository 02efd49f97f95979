"""What is left of a sweep's runs where only its results were kept: every trial, and every number of each run.

`trials.csv.gz` is a table to read with anything: a row a trial, with the run, the world, the trial's seed,
what it measured, and how its path moved. `runs.json.gz` holds the table of runs to the last digit, and what
figures take from files that were not kept. Both may lie beside run directories, too: then they are of runs
that were taken over from what was kept of another sweep (`taking.py`).
"""

import gzip
import io
import json
import os
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from align.errors import InputError, shown
from align.files import atomic_path
from align.run.config import parse_yaml
from align.run.layout import GRID, POINT, RESULTS
from align.run.layout import KEPT_RUNS as RUNS
from align.run.layout import KEPT_TRIALS as TRIALS
from align.run.reading import reading

MOST_BYTES = 6_000_000
"""So large what is kept of a sweep may be, with pictures."""
MOST_READ = 400_000_000
"""So large what is compressed may become: anything more is damaged, or not ours."""
EPISODES = "held_out"
"""The fact that holds errors on held-out episodes, by run and domain."""
STORES = "stores"
"""The fact that tells stores apart that the episodes are of, by run and domain."""
ORIGIN = "summary/taken_over"
"""The column of the run, as sweep/run, that one is a copy of; there if any run of the sweep is."""
MADE = "made"
"""The fact that tells of each run its configuration and what it was trained with."""
REPEATED, PLANS, OWN_DISTANCE = "repeated", "plans", "own_distance"
"""Facts: worlds whose trials repeat queries; by world, how rough plans are; by arm, its objective."""
PATH, MOVED = "path_", "paths"
"""How columns of a path's measures begin; and whether the world kept the trial's path."""


def is_sweep(folder: str | os.PathLike) -> bool:
    """Whether a folder is a sweep, or what was kept of one; other tables, too, may be called results.csv."""
    folder = Path(folder)
    if (folder / GRID).is_file() or any(folder.glob(f"*/{POINT}")):
        return True
    if not (folder / RESULTS).is_file():
        return False
    with (folder / RESULTS).open(encoding="utf-8", errors="replace") as table:
        return {"run", "missing"} <= set(table.readline().strip().split(","))


def has_tables(sweep: str | os.PathLike) -> bool:
    """Whether a folder holds what was kept of runs with their trials: of all of a sweep, or of some."""
    return all((Path(sweep) / name).is_file() for name in (TRIALS, RUNS))


def is_kept(sweep: str | os.PathLike) -> bool:
    """Whether a folder holds no runs, but what was kept of them with their trials."""
    return not any(Path(sweep).glob(f"*/{POINT}")) and has_tables(sweep)


def made_as(sweep: str | os.PathLike) -> str:
    """The name that a sweep had when it ran, which what was kept of it says."""
    name = Path(sweep).absolute().name
    return (facts(sweep).get("name") or name) if is_kept(sweep) else name


def write(folder: Path, trials: pd.DataFrame, frame: pd.DataFrame, facts: Mapping[str, Any]) -> list[Path]:
    """Write both files, the same bytes for the same numbers.

    Args:
        folder: Where to.
        trials: A row a trial: run, world, seed, what was measured.
        frame: The table of runs.
        facts: What else reports need of the runs, as JSON.
    """
    table = trials.copy()
    for name in table.columns:
        if table[name].map(type).isin((bool, np.bool_)).any():
            table[name] = table[name].astype(float)
    runs = {
        "columns": {name: str(dtype) for name, dtype in frame.dtypes.items()},
        "runs": [[_plain(value) for value in row] for row in frame.astype(object).to_numpy()],
        "facts": facts,
    }
    for name, text in (
        (TRIALS, table.to_csv(index=False)),
        (RUNS, json.dumps(runs, allow_nan=False)),
    ):
        with atomic_path(folder / name) as target:
            target.write_bytes(gzip.compress(text.encode(), mtime=0))
    return [folder / TRIALS, folder / RUNS]


def _plain(value: object) -> object:
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, float) and not np.isfinite(value):
        return None if np.isnan(value) else str(value)
    return value


def kept_frame(sweep: str | os.PathLike) -> pd.DataFrame:
    """The table of runs, as it was collected.

    Raises:
        InputError: It is damaged.
    """
    path = Path(sweep) / RUNS
    found = _runs(path, path.stat().st_mtime_ns)
    with reading(path, "what align keep wrote"):
        columns = {str(name): str(dtype) for name, dtype in found["columns"].items()}
        rows = list(zip(*found["runs"], strict=True)) or [()] * len(columns)
        frame = pd.DataFrame(
            {
                name: _column(values, dtype)
                for (name, dtype), values in zip(columns.items(), rows, strict=True)
            }
        )
        if not {"run", "missing"} <= set(frame.columns):
            raise InputError(f"{path}: columns run and missing are not there; expected one row a run")
        return frame


def _column(values: Sequence[object], dtype: str) -> pd.Series:
    """Values of JSON as the column that they were; how pandas keeps text depends on its version."""
    if dtype in ("str", "string"):
        return pd.Series(list(values))
    present = pd.Series([np.nan if value is None else value for value in values], dtype=object)
    return present if dtype == "object" else present.astype(dtype)


def facts(sweep: str | os.PathLike) -> dict[str, Any]:
    """What else was kept of runs; nothing where all are there themselves."""
    path = Path(sweep) / RUNS
    if not has_tables(sweep):
        return {}
    found = _runs(path, path.stat().st_mtime_ns)["facts"]
    return found if isinstance(found, dict) else {}


def made(sweep: str | os.PathLike) -> dict[str, dict[str, Any]]:
    """How each run was made of which a folder holds what was kept, by its name.

    Returns:
        Of each run `config`, its configuration, `text`, the same as YAML, and `provenance`, with `data` the
        hash of each store by its name. What was kept before that was told, has none.

    Raises:
        InputError: What was kept is damaged.
    """
    path = Path(sweep) / RUNS
    return _made(path, path.stat().st_mtime_ns) if has_tables(sweep) else {}


@lru_cache(maxsize=8)
def _made(path: Path, _written: int) -> dict[str, dict[str, Any]]:
    found = {}
    with reading(path, "what align keep wrote"):
        for name, how in _runs(path, _written)["facts"].get(MADE, {}).items():
            config = parse_yaml(how["config"], f"{path}: configuration of {name}")
            provenance = how["provenance"]
            if not all(isinstance(part, dict) for part in (config, provenance, provenance.get("data", {}))):
                raise InputError(f"{path}: {MADE} of {name} is {shown(how)}; expected mappings")
            found[name] = {"config": config, "text": how["config"], "provenance": {"data": {}, **provenance}}
    return found


def kept_trials(run: str | os.PathLike) -> pd.DataFrame | None:
    """A run's rows of the kept table; None where it is there itself, or none of it was kept.

    Raises:
        InputError: The table is damaged.
    """
    sweep = Path(run).parent
    if Path(run).is_dir() or not has_tables(sweep):
        return None
    return trials_of(sweep, Path(run).name)


def trials_of(sweep: str | os.PathLike, name: str) -> pd.DataFrame | None:
    """The rows of the kept table that are of a run, whether that is there itself or not; None without any.

    Raises:
        InputError: The table is damaged.
    """
    path = Path(sweep) / TRIALS
    return _trials(path, path.stat().st_mtime_ns).get(name)


def kept_motion(run: str | os.PathLike) -> dict[str, pd.DataFrame]:
    """Measures of each trial of the worlds that kept paths; see `run_paths.motion`."""
    rows = kept_trials(run)
    if rows is None or MOVED not in rows:
        return {}
    names = [name for name in rows.columns if name.startswith(PATH)]
    moved = rows[rows[MOVED] == 1]
    found = {}
    for world, trials in moved.groupby("world", sort=False):
        table = trials.set_index("seed")[names].rename(columns=lambda name: name.removeprefix(PATH))
        found[str(world)] = table.astype(float).set_axis(pd.Index(trials["seed"].astype(int)), axis=0)
    return found


def kept_episodes(run: str | os.PathLike) -> dict[str, pd.DataFrame]:
    """By domain, how well a run's policy did on each held-out episode; see `run_table.held_out`."""
    sweep = Path(run).parent
    if Path(run).is_dir():
        return {}
    with reading(sweep / RUNS, "what align keep wrote"):
        found = facts(sweep).get(EPISODES, {}).get(Path(run).name, {})
        return {
            domain: pd.DataFrame(columns).set_index("episode").astype(float)
            for domain, columns in found.items()
        }


@lru_cache(maxsize=8)
def _trials(path: Path, _written: int) -> dict[str, pd.DataFrame]:
    with reading(path, "a row a trial, as align keep wrote it"):
        table = pd.read_csv(io.StringIO(_text(path)), dtype=str, keep_default_na=False, na_values=[""])
        for name in table.columns.difference(["run", "world"]):
            whole = name == "seed" or table[name].str.fullmatch(r"-?\d+").eq(True).all()
            values = table[name].astype(object)  # as Python reads them, to the last digit
            table[name] = values.astype(int if whole else float)
        return {str(run): rows.drop(columns="run") for run, rows in table.groupby("run", sort=False)}


@lru_cache(maxsize=8)
def _runs(path: Path, _written: int) -> dict[str, Any]:
    with reading(path, "what align keep wrote"):
        found = json.loads(_text(path))
        if not isinstance(found, dict) or not {"columns", "runs", "facts"} <= set(found):
            raise InputError(f"{path}: no columns, runs and facts; expected what align keep wrote")
        return found


def _text(path: Path) -> str:
    with gzip.open(path) as stream:
        data = stream.read(MOST_READ + 1)
    if len(data) > MOST_READ:
        raise InputError(
            f"{path}: more than {MOST_READ / 1e6:.0f} MB unpacked; expected what align keep wrote"
        )
    return data.decode()
