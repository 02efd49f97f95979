"""Runs that another sweep has finished already: taken over, not trained again.

A training follows from its configuration, its seed and its data, so the reference arm of several sweeps
needs to be trained but once, and a sweep can be trained on several machines. A run directory is copied; of
what `align keep` kept of a sweep a run's trials and numbers are, which is all that reports of a sweep read.
"""

import shutil
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from align.domain import Domain
from align.errors import InputError
from align.experiments.checking import without_slurm
from align.experiments.options import get_option, set_option
from align.files import TEMPORARY, atomic_path, write_json
from align.run.config import read_yaml
from align.run.layout import CONFIG, GRID, KEPT_RUNS, PROVENANCE, REQUEST, SECONDS, TAKEN_OVER, runs
from align.run.moved import renamed
from align.run.reading import is_there, read_json, reading
from align.run.state import is_begun, is_finished

PLACES = ("run", "data.cache", "data.gating.annotation", *(f"data.{domain.label}" for domain in Domain))
"""Options that say where something lies; whether it holds the same is looked at."""
Finished = list[tuple[Path, dict[str, Any]]]
"""Finished runs, of kept ones where their directories were, and what was asked of each."""


class Asked(NamedTuple):
    """A run of the sweep.

    Attributes:
        config: What it asks of `align fit`.
        point: Its value on each axis.
        after: By option, the name of the run of this sweep that it goes on from.
    """

    config: Mapping[str, Any]
    point: Mapping[str, object]
    after: Mapping[str, str]


def finished_elsewhere(sweeps: Sequence[str], folder: Path) -> Finished:
    """The finished runs of other sweeps, and of this one those that were taken over as tables.

    Args:
        sweeps: Directories of the others, or folders that `align keep` wrote.
        folder: The directory of this one.

    Raises:
        InputError: A directory is not a sweep, or is this one.
    """
    found = list(_kept(folder))
    for sweep in map(Path, sweeps):
        if not (sweep / GRID).is_file():
            raise InputError(f"reuse={str(sweep)!r}: expected the directory of a sweep, which holds {GRID}")
        if sweep.resolve() == folder.resolve():
            raise InputError(f"reuse={str(sweep)!r}: is this sweep itself; expected another one's directory")
        for run in runs(sweep):
            if is_finished(run) and all((run / name).is_file() for name in (REQUEST, CONFIG, PROVENANCE)):
                found.append((run, renamed(read_yaml(run / REQUEST))))
        found += _kept(sweep)
    return found


def kept_here(folder: Path) -> set[str]:
    """Names of a sweep's runs that were taken over as tables, and have no directory."""
    return {run.name for run, _ in _kept(folder)}


def take_over(
    asked: Mapping[str, Asked], folder: Path, others: Finished, is_same: Callable | None = None
) -> tuple[list[str], set[str]]:
    """Take finished runs of other sweeps to the places of runs of this one that are the same and not begun.

    The same are runs whose configurations are, with all defaults as they are now, on stores that hold the
    same wherever they lie. Directories are copied; of one that goes on from another run none is. Kept runs
    have no checkpoints: what goes on from another is taken if that is the same too, and none is taken that a
    run goes on from which is yet to be trained.

    Args:
        asked: The runs of this sweep by their names.
        folder: The directory of this sweep.
        others: Finished runs, of other sweeps and kept ones of this.
        is_same: Says of a run's directory, the path of a configuration, and whether what the run went on from
            is the same, whether they are; by default by what `align fit` makes of the configuration.

    Returns:
        A line a run that was taken over, from where, and at which commit it was trained; and the names of
        those that the sweep has as tables, now or from before.

    Raises:
        InputError: A run that this sweep has taken over before is no longer the same.
    """
    if is_same is None and others:
        from align.experiments.dry_fit import is_same  # late, as it takes seconds
    search = _Search(asked, others, folder, is_same)
    open_ = [name for name in asked if others and not is_begun(folder / name)]
    found = {name: run for name in open_ if (run := search.find(name)) is not None}
    before = {run.name for run, _ in others if run.parent == folder}
    for name in open_:
        if name in before and found.get(name) != folder / name:
            raise InputError(
                f"out={str(folder)!r}: {name} was taken over ({KEPT_RUNS}) and had another configuration; "
                "nothing was overwritten: choose another directory"
            )
    while needed := {
        parent
        for name in open_
        if name not in found
        for parent in asked[name].after.values()
        if parent in found and not found[parent].is_dir()
    }:
        found = {name: run for name, run in found.items() if name not in needed}
    tables = {name: (run.parent, run.name) for name, run in found.items() if not run.is_dir()}
    if set(tables.values()) - {(folder, name) for name in before}:
        from align.analysis.commands import take  # late, as it takes seconds

        take(folder, tables, {name: asked[name].point for name in tables})
    told = []
    for name, run in found.items():
        if run.is_dir():
            with atomic_path(folder / name) as copy:
                shutil.copytree(run, copy, ignore=shutil.ignore_patterns(f"{TEMPORARY}*", SECONDS))
                if not is_there(run / TAKEN_OVER):  # of a copy, where the first came from
                    write_json(copy / TAKEN_OVER, {"sweep": run.parent.name, "run": run.name})
        if run != folder / name:
            told.append(f"{name}: taken over from {run}{_trained_at(search.provenance(run))}")
    return told, set(tables)


class _Search:
    """Finds which finished run is the same as one that is asked for; each question is answered once."""

    def __init__(self, asked: Mapping[str, Asked], others: Finished, folder: Path, is_same: Callable | None):
        self._asked, self._others, self._folder, self._is_same = asked, others, folder, is_same
        self._recorded = dict(others)
        self._same = cache(self._find_same)
        self._made = cache(_made)

    def find(self, name: str) -> Path | None:
        """The first finished run that is the same; None where none is."""
        return next((run for run, _ in self._others if self._same(name, run)), None)

    def provenance(self, run: Path) -> Mapping[str, Any]:
        """What a finished run was made with."""
        if run.is_dir():
            with reading(run / PROVENANCE):
                return read_json(run / PROVENANCE)
        return self._made(run.parent)[run.name]["provenance"]

    def _find_same(self, name: str, run: Path) -> bool:
        after = self._asked[name].after
        config = renamed(yaml.safe_load(yaml.safe_dump(dict(self._asked[name].config))))
        if any(_contradictions(self._recorded[run], config, {*PLACES, *after})):
            return False
        if run.parent == self._folder:  # what it went on from was the same when it was taken over
            if run.name != name:
                return False
        elif after and (run.is_dir() or not self._went_on_from_the_same(run, after)):
            return False
        with tempfile.TemporaryDirectory() as aside, without_slurm():
            return self._compare(run, config, after, Path(aside))

    def _went_on_from_the_same(self, run: Path, after: Mapping[str, str]) -> bool:
        """Whether what a kept run went on from is what the run that is asked for will."""
        for option, parent in after.items():
            there = run.parent / Path(get_option(self._recorded[run], option) or "").name
            if there not in self._recorded or not self._same(parent, there):
                return False
        return True

    def _compare(self, run: Path, config: dict[str, Any], after: Mapping[str, str], aside: Path) -> bool:
        for option in after:
            set_option(config, option, None)
        path = aside / "asked.yaml"
        path.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
        if run.is_dir():
            return self._is_same(run, path, False)
        made = self._made(run.parent)[run.name]
        recorded = yaml.safe_load(made["config"])
        for option in after:
            set_option(recorded, option, None)
        for option in PLACES:
            if get_option(recorded, option) is not None and get_option(config, option) is not None:
                set_option(recorded, option, get_option(config, option))
        stores = {name: {"hash": digest} for name, digest in made["provenance"].get("data", {}).items()}
        (aside / CONFIG).write_text(yaml.safe_dump(recorded, sort_keys=False), encoding="utf-8")
        write_json(aside / PROVENANCE, {"data": stores})
        return self._is_same(aside, path, bool(after))


def _kept(sweep: Path) -> Finished:
    """Runs of which a folder has tables and no directories, and what was asked of each."""
    found = {sweep / name: how for name, how in _made(sweep).items() if not (sweep / name).is_dir()}
    return [(run, renamed(yaml.safe_load(how["config"]))) for run, how in found.items()]


def _made(sweep: Path) -> Mapping[str, Mapping[str, Any]]:
    """How each run of which a folder has tables was made."""
    if not (sweep / KEPT_RUNS).is_file():
        return {}
    from align.analysis.commands import made  # late, as it takes seconds

    return made(sweep)


def _contradictions(there: Any, here: Any, apart: Collection[str], above: str = "") -> Iterator[str]:
    """Options to which two requests give different values, but for some `apart`.

    What only one of them gives may be the other's default.
    """
    if isinstance(there, list) and isinstance(here, list) and len(there) == len(here):
        there, here = dict(enumerate(there)), dict(enumerate(here))
    if isinstance(there, Mapping) and isinstance(here, Mapping):
        for key in {*there} & {*here}:
            yield from _contradictions(there[key], here[key], apart, f"{above}.{key}" if above else str(key))
    elif there != here and above not in apart:
        yield above


def _trained_at(provenance: Mapping[str, Any]) -> str:
    """The commit of a run's training, in words, where it is recorded."""
    commit, _, changes = str(provenance.get("commit") or "").partition("+")
    return f", trained at commit {commit[:7]}{changes and ' with changes'}" if commit else ""
