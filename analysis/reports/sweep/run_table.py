"""The runs of a sweep as one table, a row a run, read from the files that each of them left.

In the table, the axes of the sweep have their bare names; everything measured has a slash in its name:
`summary/...`, `rollout/<world>/...`, `held_out/<domain>/...`, `motion/<world>/...` (medians over
successful rollouts), `probe/<site>/...`, `geometry/<site>/...`, and `task/aligned/...`: R² of
task probes; the site "aligned" is the one that the run's training aligned.
"""

import io
import json
import os
from functools import cache, partial
from pathlib import Path

import numpy as np
import pandas as pd

from align.analysis.reports.sweep.kept import (
    MOVED,
    ORIGIN,
    PATH,
    TRIALS,
    has_tables,
    is_kept,
    kept_episodes,
    kept_frame,
    kept_trials,
)
from align.analysis.reports.sweep.metric import Metric
from align.analysis.reports.sweep.run_paths import MEASURES, motion
from align.analysis.statistics.intervals import Interval
from align.analysis.statistics.trials import crossed
from align.analysis.statistics.trials.counts import blaker
from align.analysis.statistics.trials.rates import rate
from align.domain import Domain
from align.errors import InputError
from align.run.layout import (
    EMBEDDINGS,
    GEOMETRY,
    POINT,
    PROBE,
    RESULTS,
    ROLLOUTS,
    SUMMARY,
    TAKEN_OVER,
    TASK_PROBE,
    runs,
)
from align.run.reading import is_there, read_arrays, read_json, reading
from align.run.state import missing
from align.worlds.batch import RESERVED, is_rate, shown_success

HELD_OUT = ("action_error", "denoising_loss")
"""How well a policy does on held-out episodes; see `align.embeddings`."""
PROBED = ("auc", "accuracy", "margin", "mmd2")
TASKS = {f"block_pose_{cell}": ("block_pose", cell) for cell in ("sim_to_real", "real_to_real")}
"""Names of metrics, with the task and the cell of its table that each is of."""


def collect(sweep_dir: str | os.PathLike) -> pd.DataFrame:
    """Read every run of a sweep.

    Args:
        sweep_dir: Folder of run directories. Hidden folders and `report` are not runs.

    Returns:
        One row a run, sorted by name, those taken over from what was kept of another sweep among them: `run`;
        `missing`, the files it lacks (comma-separated, empty when complete); the axes of its `point.json`;
        its `summary.json`; of each world, means, success rates with counts and Blaker's exact intervals,
        which are of this one training, medians of how smooth successful rollouts are; of each site, the
        probe's statistics with intervals and controls, proxy A-distance and kNN mixing with intervals, and
        the p-value of the MMD test; of the aligned site, R² of the block pose.

    Raises:
        InputError: There is no such folder, it holds no run, or a file of a run cannot be read.
    """
    sweep_dir = Path(sweep_dir)
    rows = [_row(folder) for folder in runs(sweep_dir)]
    if not rows and not has_tables(sweep_dir):
        raise InputError(f"sweep={str(sweep_dir)!r}: expected a folder holding run directories")
    if has_tables(sweep_dir):
        here = {row["run"] for row in rows}
        rows += [row for row in kept_frame(sweep_dir).to_dict("records") if row["run"] not in here]
        rows.sort(key=lambda row: row["run"])
    frame = pd.DataFrame(rows)
    measured = [c for c in frame.columns if "/" in c]
    return frame[[c for c in frame.columns if "/" not in c] + measured]


def recorded(sweep_dir: str | os.PathLike) -> pd.DataFrame:
    """The table of a sweep's runs: collected, or where only results were kept (`align keep`), as recorded.

    Raises:
        InputError: As `collect`.
    """
    table = Path(sweep_dir) / RESULTS
    if is_kept(sweep_dir):
        return kept_frame(sweep_dir)
    if any(Path(sweep_dir).glob(f"*/{POINT}")) or not table.is_file():
        return collect(sweep_dir)
    with reading(table, "one row a run, as a report writes it"):
        kept = pd.read_csv(table, dtype={"missing": str}, keep_default_na=False, na_values=[""])
        if not {"run", "missing"} <= set(kept.columns):
            raise InputError(f"{table}: columns run and missing are not there; expected one row a run")
        return kept.fillna({"missing": ""})


def read_trials(run: Path) -> pd.DataFrame:
    """A run's `rollouts.csv`; names of metrics have no slash, and columns of older runs a dot instead.

    Raises:
        InputError: It is no such table: a column is missing, a trial is there twice or in part, or a share is
            not one.
    """
    path = Path(run) / ROLLOUTS
    table = kept_trials(run)
    if table is not None:
        path = Path(run).parent / TRIALS
        measures_of_paths = [name for name in table.columns if name.startswith(PATH) or name == MOVED]
        table = table.drop(columns=measures_of_paths).dropna(axis=1, how="all")
    else:
        with reading(path, "one row a trial, as rollouts write them"):
            if not (content := path.read_bytes()).endswith(b"\n"):  # its last number may be half of one
                raise ValueError("its last line has no end, as of a copy cut short")
            table = pd.read_csv(io.BytesIO(content)).rename(columns=lambda name: name.replace("/", "."))
    absent = {"world", "seed", "score"} - set(table.columns)
    absent |= {"success"} if shown_success(table.columns) is None else set()
    if absent:
        raise InputError(f"{path}: columns {sorted(absent)} are missing, expected one row a trial")
    if not len(table) or table[["world", "seed"]].isna().any(axis=None):
        raise InputError(f"{path}: {len(table)} trials, some without world or seed; expected one row a trial")
    if len(twice := table[table.duplicated(["world", "seed"])]):
        raise InputError(f"{path}: trial {twice['seed'].iloc[0]} of {twice['world'].iloc[0]} is there twice")
    for world, trials in table.groupby("world", sort=False):
        for name in trials.columns.difference(["world"]):
            values = trials[name].dropna()
            if len(values) not in (0, len(trials)):
                raise InputError(f"{path}: {len(trials) - len(values)} trials of {world} lack {name}")
            if not pd.api.types.is_numeric_dtype(values):
                raise InputError(f"{path}: {name} of {world} is not all numbers")
            if Metric("rollout", str(world), name).bounds == (0.0, 1.0) and not values.between(0, 1).all():
                worst = values.loc[(values - 0.5).abs().idxmax()]
                raise InputError(f"{path}: {name} of {world} is {worst:g} in a trial; expected 0 to 1")
    return table


def held_out(run: Path) -> dict[str, pd.DataFrame]:
    """By domain, real first, how well a run's policy does on each held-out episode; empty in older runs.

    Returns:
        Columns `HELD_OUT`, means over an episode's windows, by episode number.

    Raises:
        InputError: The embeddings cannot be read.
    """
    path = Path(run) / EMBEDDINGS
    if not is_there(path):
        return kept_episodes(run)
    stored = read_arrays(path, (*HELD_OUT, "domain", "episode"))
    if not set(HELD_OUT) <= set(stored):
        return {}
    with reading(path, "what align fit or align embed wrote"):
        table = pd.DataFrame({name: stored[name] for name in (*HELD_OUT, "domain", "episode")})
        if not np.isfinite(table.to_numpy(float)).all():
            raise InputError(f"{path}: errors on held-out windows are not all finite")
        return {
            domain.label: table[table["domain"] == domain].groupby("episode")[list(HELD_OUT)].mean()
            for domain in (Domain.REAL, Domain.SIM)
            if (table["domain"] == domain).any()
        }


def has_trials(run: Path) -> bool:
    """Whether a run left trials, or they were kept of it."""
    return is_there(run / ROLLOUTS) or kept_trials(run) is not None


def measures(trials: pd.DataFrame) -> list[str]:
    """The columns of `rollouts.csv` that say how trials went, those left out that a world does not have."""
    numbers = trials.drop(columns=list(RESERVED), errors="ignore").select_dtypes(["number", "bool"])
    return list(numbers.dropna(axis=1, how="all").columns)


def axis_value(value: object) -> object:
    """A value of an axis as tables have it: what is no number or word is told as JSON."""
    return value if isinstance(value, int | float | str | None) else json.dumps(value)


def _row(run: Path) -> dict:
    row: dict = {"run": run.name, "missing": ", ".join(missing(run))}
    if is_there(run / POINT):
        for axis, value in read_json(run / POINT).items():
            if "/" in axis or axis in ("run", "missing"):
                raise InputError(
                    f"{run / POINT}: axis {axis!r}, expected a name without '/', not run or missing"
                )
            row[axis] = axis_value(value)
    if is_there(run / SUMMARY):
        row |= {f"summary/{name}": value for name, value in read_json(run / SUMMARY).items()}
    if is_there(run / TAKEN_OVER):
        with reading(run / TAKEN_OVER):
            taken = read_json(run / TAKEN_OVER)
            row[ORIGIN] = f"{taken['sweep']}/{taken['run']}"
    if is_there(run / ROLLOUTS):
        row |= _rollouts(run)
        for world, moved in motion(run).items():
            row |= {str(Metric("motion", world, name)): moved[name].median() for name in MEASURES}
    for domain, episodes in held_out(run).items():
        for name in HELD_OUT:
            metric = Metric("held_out", domain, name)
            row |= dict(zip((str(metric), *metric.ends), _over_episodes(episodes[name]), strict=True))
    site = row.get("summary/site")
    for name, interpret in ((PROBE, _probe), (TASK_PROBE, partial(_tasks, site)), (GEOMETRY, _geometry)):
        if is_there(run / name):  # older sweeps do without some
            with reading(run / name, "what align probe wrote"):
                row |= interpret(read_json(run / name))
    return row


def _over_episodes(errors: pd.Series) -> Interval:
    """The mean error of one run over held-out episodes; of one episode the ends are not known."""
    values = errors.to_numpy(float)[None]
    if values.size < 2:
        return Interval(float(values.mean()), np.nan, np.nan)
    value, low, high = crossed.mean(values).interval()
    return Interval(value, max(low, 0.0), high)


def _rollouts(run: Path) -> dict:
    table, row = read_trials(run), {}
    for world, trials in table.groupby("world", sort=False):
        metric = partial(Metric, "rollout", world)
        row[str(metric("trials"))] = len(trials)
        rates = [name for name in measures(trials) if is_rate(name)]
        for name in (name for name in measures(trials) if name not in rates):
            row[str(metric(name))] = trials[name].mean()
        ends = (np.nan, np.nan)
        if len(trials) > 1:
            ends = rate(trials["score"].to_numpy(float)[None])[1:]
        row |= zip(metric("score").ends, ends, strict=True)
        for name in rates:
            count = int(trials[name].sum())
            found = _exact(count, len(trials))
            row |= {str(metric(name)): found.value, metric(name).count: count}
            row |= zip(metric(name).ends, found[1:], strict=True)
    return row


_exact = cache(blaker)


def _probe(result: dict) -> dict:
    row = {}
    for site, found in result["sites"].items():
        for name in PROBED:
            row |= _interval(Metric("probe", site, name), found.get(name))
        row |= _interval(Metric("probe", site, "mlp_auc"), found.get("mlp", {}).get("auc"))
        for control in ("shuffled", "real_vs_real", "untrained"):
            if control in found:
                value = Interval.from_dict(found[control]["auc"]).value
                row[str(Metric("probe", site, f"auc_{control}"))] = value
    return row


def _tasks(site: str | None, result: dict) -> dict:
    """R² of the tasks at one site, under the names of `TASKS`."""
    found, row = result["sites"].get(site, {}), {}
    for name, (task, cell) in TASKS.items():
        row |= _interval(Metric("task", "aligned", name), found.get(task, {}).get(cell))
    return row


def _interval(metric: Metric, numbers: dict | None) -> dict:
    """Columns of an estimate and its interval; none where it was not measured."""
    if numbers is None:
        return {}
    value, low, high = map(float, Interval.from_dict({name: numbers[name] for name in Interval._fields}))
    return dict(zip((str(metric), *metric.ends), (value, low, high), strict=True))


def _geometry(result: dict) -> dict:
    sites = dict(result["sites"])
    if result["aligned"] in sites:
        sites = {"aligned": sites[result["aligned"]]} | sites
    row = {}
    for site, found in sites.items():
        for name, numbers in (("a_distance", found["a_distance"]), ("mixing", found["mixing"]["mixing"])):
            row |= _interval(Metric("geometry", site, name), numbers)
        row[str(Metric("geometry", site, "mmd_p"))] = found["tests"]["mmd"]["p_value"]
    return row
