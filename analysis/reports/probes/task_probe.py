"""Task probes of a run's embeddings; see `statistics.probing.task_probe`."""

import os
from pathlib import Path

import numpy as np

from align.analysis.reports.probes.arrays import check_values
from align.analysis.reports.probes.probe import load_embeddings
from align.analysis.statistics.intervals import LEVEL
from align.analysis.statistics.probing.task_probe import decode
from align.errors import InputError
from align.files import write_json
from align.run.layout import EMBEDDINGS, TASK_PROBE, TASK_PROBE_PICTURE, title
from align.run.reading import read_arrays


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
        InputError: As `reports.probes.probe.load_embeddings`, or an array of a task that is not finite.
    """
    from align.analysis.figures.style import save  # matplotlib takes a second to load
    from align.analysis.figures.task_probe import task_figure

    run_dir = Path(run_dir)
    sites = load_embeddings(run_dir)
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
    save(task_figure(found, initial, title(run_dir)), run_dir / TASK_PROBE_PICTURE)
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
    stored = read_arrays(path, ("domain", "action", "agent_pos", "state"))
    n = len(stored.pop("domain"))
    for name, values in stored.items():
        check_values(path, name, values)
        if values.ndim != 2 or len(values) != n:
            raise InputError(f"{path}: {name} of shape {values.shape}: expected finite numbers, ({n}, ...)")
    arrays = {name: values[row].astype(np.float64) for name, values in stored.items()}
    tasks = {"action": arrays["action"]} if "action" in arrays else {}
    if "state" in arrays:
        state, position = arrays["state"], arrays.get("agent_pos")
        if position is not None and state.shape[1] == 5 and np.array_equal(state[:, :2], position):
            angle = state[:, 4:]
            tasks["block_pose"] = np.concatenate([state[:, 2:4], np.cos(angle), np.sin(angle)], axis=1)
        else:
            tasks["state"] = state
    return tasks | ({"pusher": arrays["agent_pos"]} if "agent_pos" in arrays else {})
