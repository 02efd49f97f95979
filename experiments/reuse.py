"""Runs that another sweep has finished already: taken over, not trained again.

A training follows from its configuration, its seed and its data, so the reference arm of several sweeps
needs to be trained but once.
"""

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from align.domain import Domain
from align.errors import InputError
from align.experiments.checking import without_slurm
from align.files import TEMPORARY, atomic_path, write_json
from align.run.config import read_yaml
from align.run.layout import CONFIG, GRID, PROVENANCE, REQUEST, SECONDS, TAKEN_OVER, runs
from align.run.moved import renamed
from align.run.reading import read_json, reading
from align.run.state import is_begun, is_finished

Finished = list[tuple[Path, dict[str, Any]]]
"""Finished runs, and what was asked of each."""


def finished_elsewhere(sweeps: Sequence[str], folder: Path) -> Finished:
    """The finished runs of other sweeps.

    Args:
        sweeps: Directories of the others.
        folder: The directory of this one.

    Raises:
        InputError: A directory is not a sweep, or is this one.
    """
    found = []
    for sweep in map(Path, sweeps):
        if not (sweep / GRID).is_file():
            raise InputError(f"reuse={str(sweep)!r}: expected the directory of a sweep, which holds {GRID}")
        if sweep.resolve() == folder.resolve():
            raise InputError(f"reuse={str(sweep)!r}: is this sweep itself; expected another one's directory")
        for run in runs(sweep):
            if is_finished(run) and all((run / name).is_file() for name in (REQUEST, CONFIG, PROVENANCE)):
                found.append((run, renamed(read_yaml(run / REQUEST))))
    return found


def take_over(
    requests: Mapping[str, Mapping[str, Any]], folder: Path, others: Finished, is_same: Callable | None = None
) -> list[str]:
    """Copy finished runs of other sweeps to the places of runs of this one that are the same and not begun.

    The same are runs whose configurations are, with all defaults as they are now, on stores that hold the
    same wherever they lie. One that goes on from another run is never taken over.

    Args:
        requests: What each run of this sweep asks of `align fit`, by its name.
        folder: The directory of this sweep.
        others: Finished runs of other sweeps.
        is_same: Says of a run's directory and the path of a configuration whether they are the same; by
            default by what `align fit` makes of the latter.

    Returns:
        A line a run that was taken over: from where, and at which commit it was trained.
    """
    if is_same is None and others:
        from align.experiments.dry_fit import is_same  # late, as it takes seconds
    told = []
    for name, request in requests.items():
        if is_begun(folder / name) or not others:
            continue
        config = renamed(yaml.safe_load(yaml.safe_dump(dict(request))))
        likely = [run for run, recorded in others if not any(_contradictions(recorded, config))]
        with tempfile.TemporaryDirectory() as aside, without_slurm():
            path = Path(aside) / CONFIG
            path.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
            found = next((run for run in likely if is_same(run, path)), None)
        if found is None:
            continue
        with atomic_path(folder / name) as copy:
            shutil.copytree(found, copy, ignore=shutil.ignore_patterns(f"{TEMPORARY}*", SECONDS))
            write_json(copy / TAKEN_OVER, {"sweep": found.parent.name, "run": found.name})
        told.append(f"{name}: taken over from {found}{_trained_at(found)}")
    return told


def _contradictions(there: Mapping[str, Any], here: Mapping[str, Any], above: str = "") -> Iterator[str]:
    """Options to which two requests give different values, but for where the run and its data lie.

    What only one of them gives may be the other's default.
    """
    places = {"run", *(f"data.{domain.label}" for domain in Domain)}
    for key in {*there} & {*here}:
        option, a, b = f"{above}{key}", there[key], here[key]
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            yield from _contradictions(a, b, f"{option}.")
        elif a != b and option not in places:
            yield option


def _trained_at(run: Path) -> str:
    """The commit of a run's training, in words, where it is recorded."""
    with reading(run / PROVENANCE):
        commit, _, changes = str(read_json(run / PROVENANCE).get("commit") or "").partition("+")
    return f", trained at commit {commit[:7]}{changes and ' with changes'}" if commit else ""
