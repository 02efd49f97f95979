"""What the files of a run and of a sweep are called, and which folders of a sweep are runs."""

import os
from pathlib import Path

CONFIG = "config.yaml"
"""The resolved configuration of `align fit`; see `align.run.config`."""
PROVENANCE = "provenance.json"
"""What the run was made with; see `align.run.provenance`."""
LAST_CHECKPOINT = "checkpoints/last.ckpt"
PROGRESS = "progress.json"
"""How far training has come."""
SUMMARY = "summary.json"
"""What was trained and the last metrics; `align fit` writes it when all else of its own is there."""

EMBEDDINGS = "embeddings.npz"
PAIRED = "paired.npz"
"""Embeddings of the same states in both worlds; see `align.embeddings`."""

ROLLOUTS = "rollouts.csv"
"""A row a trial."""
ROLLOUTS_PICTURE = "rollouts.png"
ROLLOUTS_FILM = "rollouts.gif"
PATHS = "paths.npz"
"""Executed paths of the trials; see `align.run.paths`."""

PROBE = "probe.json"
PROBE_PICTURE = "probe.png"
PROBE_SCORES = "probe_scores.csv"
"""A row a held-out window: its score out of fold."""
PROBE_STEPS_PICTURE = "probe_steps.png"
TASK_PROBE = "task_probe.json"
TASK_PROBE_PICTURE = "task_probe.png"
GEOMETRY = "geometry.json"
GEOMETRY_PICTURE = "geometry.png"

REQUEST = "request.yaml"
"""What a sweep asks of the run: options of `align fit`."""
POINT = "point.json"
"""The run's value on each axis of the sweep."""
LOG = "log.txt"
SECONDS = "seconds.json"
"""Wall time of the sweep's commands for the run, if none was interrupted."""
TAKEN_OVER = "taken_over.json"
"""Which run of which sweep this is a copy of."""
LAUNCHED = ".launched"
"""Folder whose lock a sweep's launcher holds while it executes the run."""
TOGETHER = "together.json"
"""Instead of a request: the directories of runs that a sweep trains together."""

GRID = "grid.json"
"""What a sweep says of itself: its title, its runs in order, its reference arm."""
RESULTS = "results.csv"
"""A row a run of the sweep."""
KEPT_TRIALS, KEPT_RUNS = "trials.csv.gz", "runs.json.gz"
"""All trials, and all numbers, of runs of which the directories were not kept."""
REPORT = "report"
"""Folder of the dashboard: of a run what its projector shows, of a sweep its figures."""
TRAINING_EVENTS = "events.out.tfevents.*"
"""What TensorBoard's logger writes, and all that is in such files beside it."""
EVENTS = "events.out.tfevents.report"
"""What the dashboard adds to the events of a training, in a file beside them: one run in TensorBoard."""
SWEEP_EVENTS = "events.out.tfevents.sweep"
"""What the dashboard of a sweep adds to those of a run."""
PROJECTOR = "projector_config.pbtxt"
"""Where TensorBoard's projector finds what it shows of a run."""


def title(run: str | os.PathLike) -> str:
    """What pictures call a run: its directory, below its sweep's where it is of one."""
    run = Path(run).absolute()
    return f"{run.parent.name}/{run.name}" if (run / POINT).is_file() else run.name


def runs(sweep: str | os.PathLike) -> list[Path]:
    """The run directories of a sweep, sorted: its folders, but for hidden ones and its report."""
    return sorted(p for p in Path(sweep).glob("*") if p.is_dir() and _may_hold_runs(p.name))


def holding(folder: str | os.PathLike, name: str) -> list[Path]:
    """The folders that hold a file of this name, sorted: `folder` and those anywhere below it that may be
    runs or sweeps."""
    folder = Path(folder)
    found = (file.parent for file in folder.glob(f"**/{name}"))
    return sorted(p for p in found if all(map(_may_hold_runs, p.relative_to(folder).parts)))


def _may_hold_runs(name: str) -> bool:
    """Whether a folder of this name may: hidden ones are being written, or of a launcher."""
    return not name.startswith(".") and name not in (REPORT, "figures")
