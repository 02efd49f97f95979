"""Runs that another sweep has finished already: taken over, not trained again.

A training follows from its configuration, its seed and its data, so the reference arm of several sweeps
needs to be trained but once.
"""

import inspect
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from align.domain import Domain
from align.errors import InputError
from align.files import TEMPORARY, atomic_path
from align.run.config import read_yaml
from align.run.layout import CONFIG, GRID, PROVENANCE, REQUEST, runs
from align.run.moved import renamed
from align.run.place import at_its_place, rewritten
from align.run.reading import is_there, read_json, reading
from align.run.state import is_begun, is_finished

ABSENT = object()
"""In the place of an option that is not given."""


def take_over(requests: Mapping[str, Mapping[str, Any]], folder: Path, sweeps: Sequence[str]) -> list[str]:
    """Copy finished runs of other sweeps to the places of runs of this one that are the same and not begun.

    The same are runs of the same options, on stores that hold the same wherever they lie. One that goes on
    from another run of its sweep is never taken over.

    Args:
        requests: What each run of this sweep asks of `align fit`, by its name.
        folder: The directory of this sweep.
        sweeps: Directories of the others.

    Returns:
        A line a run that was taken over: from where, and at which commit it was trained.

    Raises:
        InputError: A directory is not a sweep, or is this one.
    """
    others = list(_finished(sweeps, folder))
    told = []
    for name, request in requests.items():
        if is_begun(folder / name):
            continue
        config = renamed(yaml.safe_load(yaml.safe_dump(dict(request))))
        found = next((run for run, recorded in others if _is_same(run, recorded, config)), None)
        if found is not None:
            with atomic_path(folder / name) as copy:
                shutil.copytree(found, copy, ignore=shutil.ignore_patterns(f"{TEMPORARY}*"))
            told.append(f"{name}: taken over from {found}{_trained_at(found)}")
    return told


def _finished(sweeps: Sequence[str], folder: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """The finished runs of other sweeps, and what was asked of each."""
    for sweep in map(Path, sweeps):
        if not (sweep / GRID).is_file():
            raise InputError(f"reuse={str(sweep)!r}: expected the directory of a sweep, which holds {GRID}")
        if os.path.realpath(sweep) == os.path.realpath(folder):
            raise InputError(f"reuse={str(sweep)!r}: is this sweep itself; expected another one's directory")
        for run in runs(sweep):
            if is_finished(run) and (run / REQUEST).is_file():
                yield run, renamed(read_yaml(run / REQUEST))


def _is_same(run: Path, recorded: dict[str, Any], config: dict[str, Any]) -> bool:
    """Whether a run was asked for what `config` asks for, and its stores hold what they did."""
    if not _same_options(run, _without_places(recorded), _without_places(config)):
        return False  # before anything is hashed
    moved, stores = at_its_place(run, recorded, config), [domain.label for domain in Domain]
    same = all(moved.get("data", {}).get(name) == config.get("data", {}).get(name) for name in stores)
    return same and rewritten(run, config) is None


def _without_places(config: dict[str, Any]) -> dict[str, Any]:
    """What a run asks for, but for where it and its data lie."""
    data = {k: v for k, v in config.get("data", {}).items() if k not in {domain.label for domain in Domain}}
    return {**config, "run": None, "data": data}


def _same_options(run: Path, recorded: Mapping[str, Any], config: Mapping[str, Any]) -> bool:
    """Whether two requests ask for the same, where one may say what the other leaves to the defaults."""
    for option, there, here in _differences(recorded, config):
        if there is ABSENT:
            found: Any = read_yaml(run / CONFIG)  # in which every option is
            for part in option:
                found = found.get(part, ABSENT) if isinstance(found, Mapping) else ABSENT
            same = found == here
        else:
            same = here is ABSENT and _default(option) == there
        if not same:
            return False
    return True


def _differences(
    there: Mapping[str, Any], here: Mapping[str, Any], above: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Any, Any]]:
    """The options that differ between two requests, with what either says."""
    for key in {**there, **here}:
        a, b = there.get(key, ABSENT), here.get(key, ABSENT)
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            yield from _differences(a, b, (*above, key))
        elif a != b:
            yield (*above, key), a, b


def _default(option: tuple[str, ...]) -> Any:
    """The default of an option of the module or the data itself; of others it is not known."""
    from align.datamodule import CotrainingData  # late, as it takes seconds
    from align.module import CotrainingModule

    kinds = {"model": CotrainingModule, "data": CotrainingData}
    if len(option) != 2 or option[0] not in kinds:
        return ABSENT
    known = inspect.signature(kinds[option[0]]).parameters.get(option[1])
    return ABSENT if known is None or known.default is known.empty else known.default


def _trained_at(run: Path) -> str:
    """The commit of a run's training, in words, where it is recorded."""
    file = run / PROVENANCE
    if not is_there(file):
        return ""
    with reading(file):
        commit = read_json(file).get("commit")
    return f", trained at commit {str(commit)[:7]}" if commit else ""
