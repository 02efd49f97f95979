"""How smooth the rollouts of a run are, from the paths that it kept: `paths.npz`; successful trials only."""

import os
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from align.analysis.reports.run_config import callback_options
from align.analysis.statistics.intervals import DRAWS, LEVEL, Interval, percentile, resampling_weights
from align.analysis.statistics.smoothness import auc, path_length, smoothness
from align.errors import InputError
from align.paths import PATHS, read_paths
from align.seeding import numpy_rng

MEASURES = {
    "acceleration": "Mean squared acceleration",
    "jerk": "Mean squared jerk",
    "turning": "Turning (rad)",
    "detour": "Length / beeline",
}
"""Measures of a path by name, with their titles; see `align.analysis.statistics.smoothness`."""


def motion(run: str | os.PathLike) -> dict[str, pd.DataFrame]:
    """Measures of each trial of a run, of the worlds that kept paths.

    Args:
        run: Run directory; the first column of its `rollouts.csv` named success... says which succeeded.

    Returns:
        By world, a row a trial, indexed by its seed, and a column a measure: NaN where the trial failed, or
        did not move. Paths are compared at equal distances along them: their speed does not count.

    Raises:
        InputError: The paths are of other trials than `rollouts.csv`.
    """
    files = [Path(run) / name for name in (PATHS, "rollouts.csv")]
    return _motion(Path(run), *(f.stat().st_mtime_ns for f in files)) if files[0].is_file() else {}


@lru_cache(maxsize=512)
def _motion(run: Path, *_written: int) -> dict[str, pd.DataFrame]:
    trials = pd.read_csv(run / "rollouts.csv").set_index(["world", "seed"])
    success = next(column for column in trials.columns if column.startswith("success"))
    tables = {}
    for world, paths in read_paths(run / PATHS).items():
        if world not in trials.index or set(trials.loc[world].index) != set(paths):
            raise InputError(f"{run / PATHS}: world {world!r} has other trials than rollouts.csv")
        good = {s: p for s, p in paths.items() if trials.loc[(world, s), success] and path_length(p) > 0}
        rows = measure(list(good.values())).set_axis(pd.Index(list(good), dtype=int))
        tables[world] = rows.reindex(list(paths))
    return tables


def repeated(run: str | os.PathLike, world: str) -> bool:
    """Whether trials of a world were configured to repeat queries: they tell how much answers differ."""
    worlds = [options.get("worlds", {}).get(world) for options in callback_options(run)]
    options = [w.get("init_args") or {} for w in worlds if isinstance(w, dict)]
    return any(o.get("repeats", 1) > 1 for o in options)


def measure(paths: Sequence[np.ndarray]) -> pd.DataFrame:
    """`MEASURES` of some paths (T, D), a row each."""
    found = smoothness(paths)
    beeline = np.array([np.linalg.norm(path[-1] - path[0]) for path in paths])
    detour = np.divide(found.length, beeline, out=np.full(len(paths), np.nan), where=beeline > 0)
    columns = (found.acceleration, found.jerk, found.turning, detour)
    return pd.DataFrame(dict(zip(MEASURES, columns, strict=True)))


def hierarchical_median(
    values: np.ndarray, seed: int = 0, level: float = LEVEL, draws: int = DRAWS
) -> Interval | None:
    """The median over training seeds and trials, both resampled.

    Of n training seeds n − 1 are drawn (Rao & Wu 1988): n draws would show too little of how much trainings
    differ where they are few. `intervals.resampling_weights` does as much for means.

    Args:
        values: (training seeds, trials), NaN where there is nothing to measure. With two or three training
            seeds the interval is, as any from so few, a rough one.
        seed, level, draws: As in `align.analysis.statistics.intervals.bootstrap_mean`.

    Returns:
        None where nothing was measured.
    """
    values = np.asarray(values, float)
    if not np.isfinite(values).any():
        return None
    rng = numpy_rng(seed, "hierarchical median")
    n, trials = values.shape
    rows, columns = _trainings(n, draws, rng), rng.integers(trials, size=(draws, trials))
    resampled = _nanmedian(values[rows[:, :, None], columns[:, None]].reshape(draws, -1))
    return percentile(float(np.nanmedian(values)), resampled, level)


def hierarchical_ratio(
    values: np.ndarray, reference: np.ndarray, seed: int = 0, level: float = LEVEL, draws: int = DRAWS
) -> Interval | None:
    """The median ratio to the reference on the trials that both have: over both's training seeds and trials.

    The median of each alone is of the trials that it succeeds in, which may be the easy ones.

    Args:
        values, reference: (training seeds, trials) positive, the same trials in one order; NaN where there is
            nothing to measure. Every training is compared with every training of the reference, and a trial
            counts as often as two of them have it. Training seeds are resampled as in `hierarchical_median`.
        seed, level, draws: As in `align.analysis.statistics.intervals.bootstrap_mean`.

    Returns:
        None where no trial was measured in both.
    """
    values, reference = (np.where(np.asarray(v) > 0, v, np.nan) for v in (values, reference))
    ratios = np.log(values)[:, None] - np.log(reference)[None]  # (n, m, t)
    if not np.isfinite(ratios).any():
        return None
    rng = numpy_rng(seed, "hierarchical ratio")
    n, m, trials = ratios.shape
    rows, columns = _trainings(n, draws, rng), _trainings(m, draws, rng)
    shared = rng.integers(trials, size=(draws, trials))
    resampled = ratios[rows[:, :, None, None], columns[:, None, :, None], shared[:, None, None, :]]
    medians = _nanmedian(resampled.reshape(draws, -1))
    return percentile(float(np.exp(np.nanmedian(ratios))), np.exp(medians[np.isfinite(medians)]), level)


def hierarchical_auc(
    values: np.ndarray, reference: np.ndarray, seed: int = 0, level: float = LEVEL, draws: int = DRAWS
) -> Interval | None:
    """Probability that a value is above one of the reference: over training seeds, trials and the reference.

    Args:
        values: (training seeds, trials), NaN where there is nothing to measure.
        reference: (m,) finite values; all three are resampled.
        seed, level, draws: As in `align.analysis.statistics.intervals.bootstrap_mean`.

    Returns:
        None where nothing was measured.
    """
    values, reference = np.asarray(values, float), np.asarray(reference, float)
    measured = np.isfinite(values)
    if not measured.any():
        return None
    above = (np.sign(values[..., None] - reference) + 1) / 2  # (n, t, m), ties counted half
    rng = numpy_rng(seed, "hierarchical auc")
    columns = resampling_weights(len(reference), draws, rng)
    each = np.nan_to_num(above) @ columns.T  # (n, t, draws)
    n, t = values.shape
    rows = np.stack([np.bincount(r, minlength=n) for r in _trainings(n, draws, rng)])
    trials = rng.multinomial(t, np.full(t, 1 / t), draws)
    weights = np.einsum("dn,dt,nt->ntd", rows, trials, measured)
    with np.errstate(invalid="ignore"):
        drawn = (weights * each).sum((0, 1)) / weights.sum((0, 1))
    return percentile(auc(values[measured], reference), drawn[np.isfinite(drawn)], level, bounds=(0, 1))


def _trainings(n: int, draws: int, rng: np.random.Generator) -> np.ndarray:
    """Which of n training seeds each resample holds, n − 1 of them (draws, max(1, n − 1))."""
    return rng.integers(n, size=(draws, max(1, n - 1)))


def _nanmedian(values: np.ndarray) -> np.ndarray:
    """The median (k,) of each row (k, n), NaN left out; `numpy.nanmedian` takes rows one at a time."""
    ordered = np.sort(values, axis=1)  # NaN last
    found = np.isfinite(values).sum(1)
    middle = [
        np.take_along_axis(ordered, np.maximum(i, 0)[:, None], 1) for i in ((found - 1) // 2, found // 2)
    ]
    return np.where(found > 0, (middle[0] + middle[1])[:, 0] / 2, np.nan)
