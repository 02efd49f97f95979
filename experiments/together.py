"""Which runs of a sweep are trained together: those that differ in seeds alone."""

import contextlib
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from align.errors import InputError
from align.experiments.launch import Job
from align.experiments.options import get_option
from align.files import write_json
from align.run.layout import TOGETHER
from align.run.reading import read_json, reading
from align.run.state import is_fitted

FOLDER = ".together"
"""In a sweep's folder, where a job that trains several runs keeps its log."""
SEEDS = (("run",), ("seed_everything",), ("data", "seed"))
"""Options that runs may differ in."""


def together(
    jobs: Sequence[Job], requests: Mapping[str, Mapping[str, Any]], folder: Path, size: int
) -> list[Job]:
    """The jobs, before them those that train several of them, which these come after.

    Args:
        jobs: One a run.
        requests: What each run asks of `align fit`, by name.
        folder: Directory of the sweep.
        size: So many runs are trained together, at most.
    """
    alike: dict[str, list[Job]] = defaultdict(list)
    for job in jobs:
        if job.state == "waiting" and not is_fitted(job.folder):
            alike[_but_seeds(requests[job.name])].append(job)
    trainers = []
    for runs in alike.values():
        for first in range(0, len(runs) - 1, size):  # one that is left over is no batch
            if len(some := runs[first : first + size]) > 1:
                trainers.append(_trainer(some, folder))
    return [*trainers, *jobs]


def trained_together(folder: Path) -> set[Path]:
    """Runs of the sweeps in a folder whose times are those of several runs that were trained together."""
    found: set[Path] = set()
    for file in folder.glob(f"*/{FOLDER}/*/{TOGETHER}"):
        with contextlib.suppress(InputError), reading(file):
            found |= {file.parents[2] / Path(run).name for run in read_json(file)["runs"]}
    return found


def on_cpu(jobs: Sequence[Job], requests: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether runs are trained together on a CPU."""
    runs = (run for job in jobs for run in job.trains)
    return any(get_option(requests[run.name], "trainer.accelerator") == "cpu" for run in runs)


def _trainer(runs: Sequence[Job], folder: Path) -> Job:
    common = {a: v for a, v in runs[0].point.items() if all(run.point.get(a) == v for run in runs)}
    name = ",".join([*(f"{axis}={value}" for axis, value in common.items()), f"{len(runs)} together"])
    place = folder / FOLDER / runs[0].name
    write_json(place / TOGETHER, {"runs": [str(run.folder) for run in runs]})
    after = tuple(dict.fromkeys(name for run in runs for name in run.after))
    trainer = Job(f"{name} from {runs[0].name}", place, after=after, point=common, trains=runs)
    for run in runs:
        run.after = (*run.after, trainer.name)
    return trainer


def _but_seeds(request: Mapping[str, Any]) -> str:
    """What makes runs alike, as text."""
    kept = json.loads(json.dumps(request))
    for *parents, last in SEEDS:
        within = kept
        for part in parents:
            within = within.get(part, {})
        within.pop(last, None)
    return json.dumps(kept, sort_keys=True)
