"""Task probes: how well can action, block pose and pusher position be read from an embedding?

Ridge regression, in four cells: trained and tested on either domain. Within a domain it is
cross-validated by episode; across domains it is trained on all of one and tested on all of the other.
Features and targets are standardised by the training windows, and the penalty is chosen among them, by
another split by episode. Each is repeated with the embeddings of an untrained policy: what those hold, the
training did not put there.
"""

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from align.analysis.reports.probe import Embeddings, load_embeddings
from align.analysis.statistics.cross_validation import FOLDS, INNER_FOLDS, standardise
from align.analysis.statistics.intervals import LEVEL, Interval, percentile
from align.domain import Domain
from align.errors import InputError
from align.files import write_json
from align.run.layout import EMBEDDINGS, TASK_PROBE, TASK_PROBE_PICTURE
from align.seeding import numpy_rng

PENALTIES = (1e-3, 1e-2, 1e-1, 1.0, 10.0)  # a window and standardised feature
CELLS = tuple((train, test) for train in Domain for test in Domain)
DRAWS = 1000


@dataclass(frozen=True)
class Decoded:
    """How well one task is read from one embedding: R² by (training domain, test domain)."""

    cells: dict[tuple[Domain, Domain], Interval]
    each: dict[tuple[Domain, Domain], list[float]]  # of each dimension of the task

    def summary(self) -> dict:
        """The numbers of `task_probe.json`."""
        return {
            f"{train.label}_to_{test.label}": {
                **self.cells[train, test].as_dict(),
                "each": [float(r) if np.isfinite(r) else None for r in self.each[train, test]],
            }
            for train, test in CELLS
        }


def task_probe_run(run_dir: str | os.PathLike, seed: int = 0) -> dict | None:
    """Decode the tasks of a finished run from its embeddings; writes `task_probe.json` and `task_probe.png`.

    Args:
        run_dir: Run directory with `embeddings.npz`, as `align fit` and `align embed` write it.
        seed: Of folds and bootstraps.

    Returns:
        The content of `task_probe.json`: {"level", "seed", "sites": {site: {task: {"sim_to_real": {"value",
        "low", "high", "each"}, ..., "untrained": {the same}}}}}; None where the embeddings are of an older
        run that kept no tasks.

    Raises:
        InputError: As `reports.probe.load_embeddings`, or an array of a task that is not finite.
    """
    from align.analysis.figures.task_probe import task_figure  # matplotlib takes a second to load

    run_dir = Path(run_dir)
    sites = load_embeddings(run_dir, seed)
    tasks = load_tasks(run_dir, sites[0].row)
    if not tasks:
        return None
    found = {d.site: decode(d.x, tasks, d, seed) for d in sites}
    initial = {d.site: decode(d.untrained, tasks, d, seed) for d in sites if d.untrained is not None}
    result = {"level": LEVEL, "seed": seed, "sites": {}}
    for site, by_task in found.items():
        result["sites"][site] = {name: decoded.summary() for name, decoded in by_task.items()}
        for name, decoded in initial.get(site, {}).items():
            result["sites"][site][name]["untrained"] = decoded.summary()
    task_figure(found, initial, run_dir / TASK_PROBE_PICTURE)
    write_json(run_dir / TASK_PROBE, result)
    return result


def load_tasks(run_dir: str | os.PathLike, row: np.ndarray) -> dict[str, np.ndarray]:
    """What is to be decoded, (n, q) by task, of the rows of `embeddings.npz`; empty for an older run.

    "action" (the demonstrated ones, normalised) and "pusher" (`agent_pos`); and of the state, if kept,
    "block_pose" (x, y, cos θ, sin θ) where it is Push-T's (pusher x, y, block x, y, θ), else "state" whole.

    Raises:
        InputError: An array is not finite or has another number of rows.
    """
    path = Path(run_dir) / EMBEDDINGS
    with np.load(path, allow_pickle=False) as archive:
        names = [name for name in ("action", "agent_pos", "state") if name in archive.files]
        arrays = {name: archive[name].astype(np.float64) for name in names}
        n = len(archive["domain"])
    for name, values in arrays.items():
        if values.ndim != 2 or len(values) != n or not np.isfinite(values).all():
            raise InputError(f"{path}: {name} of shape {values.shape}: expected finite numbers, ({n}, ...)")
    arrays = {name: values[row] for name, values in arrays.items()}
    tasks = {"action": arrays["action"]} if "action" in arrays else {}
    if "state" in arrays:
        state, position = arrays["state"], arrays.get("agent_pos")
        if position is not None and state.shape[1] == 5 and np.array_equal(state[:, :2], position):
            angle = state[:, 4:]
            tasks["block_pose"] = np.concatenate([state[:, 2:4], np.cos(angle), np.sin(angle)], axis=1)
        else:
            tasks["state"] = state
    return tasks | ({"pusher": arrays["agent_pos"]} if "agent_pos" in arrays else {})


def decode(
    x: np.ndarray, tasks: Mapping[str, np.ndarray], data: Embeddings, seed: int = 0
) -> dict[str, Decoded]:
    """R² of every task in all four cells; the tasks share the work but not the penalty.

    R² is 1 − (squared error) / (squared deviation from the mean of the test windows), a dimension of the
    task at a time, averaged over those that vary. Across domains it may be far below 0: a constant would
    be 0 at best. The interval is a bootstrap over test episodes; it takes the regression as it is, and within
    a domain is stretched for overlapping training folds as in `align.analysis.statistics.discrimination`.

    Args:
        x: (N, D) embeddings.
        tasks: (N, q) of each, what is decoded.
        data: Their `domain` and `episode`.
        seed: Of folds and bootstraps.
    """
    rows = {d: np.flatnonzero(data.domain == d) for d in Domain}
    y, ends = np.concatenate(list(tasks.values()), axis=1), np.cumsum([t.shape[1] for t in tasks.values()])
    part = {name: slice(end - tasks[name].shape[1], end) for name, end in zip(tasks, ends, strict=True)}
    decoded = {name: Decoded({}, {}) for name in tasks}
    for train, test in CELLS:
        rng = numpy_rng(seed, "task folds", int(train), int(test))
        a, b = rows[train], rows[test]
        if train == test:
            fold = episode_folds(data.episode[a], FOLDS, rng)
            predicted, folds = np.zeros_like(y[a]), int(fold.max()) + 1
            for k in range(folds):
                inside, outside = a[fold != k], a[fold == k]
                predicted[fold == k] = ridge(
                    x[inside], y[inside], data.episode[inside], x[outside], rng, part.values()
                )
        else:
            predicted, folds = ridge(x[a], y[a], data.episode[a], x[b], rng, part.values()), 1
        for name, columns in part.items():
            r2 = _r2(y[b, columns], predicted[:, columns], data.episode[b], folds, seed)
            decoded[name].cells[train, test], decoded[name].each[train, test] = r2
    return decoded


def episode_folds(cluster: np.ndarray, folds: int, rng: np.random.Generator) -> np.ndarray:
    """The fold (N,) of each window: episodes dealt out in random order, no more folds than episodes."""
    episodes, index = np.unique(cluster, return_inverse=True)
    return (rng.permutation(len(episodes)) % min(folds, len(episodes)))[index]


def ridge(
    x: np.ndarray,
    y: np.ndarray,
    cluster: np.ndarray,
    test: np.ndarray,
    rng: np.random.Generator,
    parts: Collection[slice] = (slice(None),),
) -> np.ndarray:
    """Predictions (M, q) for `test` (M, D), by ridge regression on `x` (N, D) and `y` (N, q).

    Minimises |Y − X W|² / N + C |W|² of standardised X and Y, with the C of `PENALTIES` of least error on
    held-out episodes of a grouped cross-validation: one C for each of `parts`, columns of `y`.
    """
    fold = episode_folds(cluster, INNER_FOLDS, rng)
    errors = np.zeros((len(PENALTIES), y.shape[1]))
    for k in range(int(fold.max()) + 1 if fold.max() > 0 else 0):
        inside, outside = fold != k, fold == k
        scale = _deviation(y[inside])
        for i, predicted in enumerate(_ridge_path(x[inside], y[inside], x[outside], PENALTIES)):
            errors[i] += np.sum(((predicted - y[outside]) / scale) ** 2, axis=0)
    path = _ridge_path(x, y, test, PENALTIES)
    chosen = np.zeros((len(test), y.shape[1]))
    for part in parts:
        chosen[:, part] = path[int(np.argmin(errors[:, part].sum(1)))][:, part]
    return chosen


def _ridge_path(
    x: np.ndarray, y: np.ndarray, test: np.ndarray, penalties: Sequence[float]
) -> list[np.ndarray]:
    """Predictions for `test`, a penalty at a time, from the eigenvalues of the smaller Gram matrix."""
    x, test = (a.astype(np.float64) for a in standardise(x, test))
    mean, scale = y.mean(0), _deviation(y)
    y = (y - mean) / scale
    n, d = x.shape
    if d <= n:
        size, axes = np.linalg.eigh(x.T @ x / n)
        left, right = test @ axes, axes.T @ (x.T @ y) / n
    else:  # the same by W = Xᵀ A
        size, axes = np.linalg.eigh(x @ x.T / n)
        left, right = test @ (x.T @ axes), axes.T @ y / n
    return [(left / (np.maximum(size, 0) + c)) @ right * scale + mean for c in penalties]


def _deviation(y: np.ndarray) -> np.ndarray:
    """Standard deviations (q,); 1 where there is none."""
    scale = y.std(0)
    return np.where(scale > 1e-9 * (1 + np.abs(y).max(0)), scale, 1.0)


def _r2(
    y: np.ndarray, predicted: np.ndarray, cluster: np.ndarray, folds: int, seed: int
) -> tuple[Interval, list[float]]:
    """R² with its interval over episodes, and R² of each dimension (NaN where it does not vary)."""
    y, predicted = y - y.mean(0), predicted - y.mean(0)
    varies = y.std(0) > 1e-9 * (1 + np.abs(y).max(0))
    episodes, index = np.unique(cluster, return_inverse=True)

    def totals(values: np.ndarray) -> np.ndarray:
        return np.stack([np.bincount(index, column) for column in values.T], axis=1)  # (E, q)

    rng = numpy_rng(seed, "task episodes")
    n = len(episodes)
    weight = np.vstack([np.ones(n), rng.multinomial(n, np.full(n, 1 / n), size=DRAWS)])
    counts = weight @ np.bincount(index).astype(float)  # (1 + draws,)
    spread = weight @ totals(y**2) - (weight @ totals(y)) ** 2 / counts[:, None]
    with np.errstate(invalid="ignore", divide="ignore"):
        values = 1 - (weight @ totals((predicted - y) ** 2)) / spread  # (1 + draws, q)
    each = np.where(varies, values[0], np.nan)
    if not varies.any():
        return Interval(np.nan, np.nan, np.nan), each.tolist()
    means = values[:, varies].mean(1)
    means = np.where(np.isfinite(means), means, np.nan)  # a resample of one still episode has no R²
    stretch = np.sqrt(n / max(n - 1, 1) * (1 + folds / (folds - 1) if folds > 1 else 1))
    return percentile(means[0], np.minimum(means[0] + stretch * (means[1:] - means[0]), 1)), each.tolist()
