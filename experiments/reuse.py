"""Runs that another sweep has finished already: taken over, not trained again.

A training follows from its configuration, its seed and its data, so the reference arm of several sweeps
needs to be trained but once, and a sweep can be trained on several machines. A run directory is copied; of
what `align keep` kept of a sweep a run's trials and numbers are, which is all that reports of a sweep read.
"""

import copy
import shutil
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from align.domain import Domain
from align.errors import InputError
from align.experiments.checking import without_slurm
from align.experiments.options import get_option, set_option
from align.files import TEMPORARY, atomic_path, check_kinds_below, write_json, write_text
from align.run.config import read_yaml
from align.run.layout import CONFIG, GRID, KEPT_RUNS, PROVENANCE, REQUEST, SECONDS, TAKEN_OVER, runs
from align.run.moved import renamed
from align.run.reading import is_there, read_json, reading
from align.run.state import is_begun, is_finished

PLACES = ("run", "data.cache", "data.gating.annotation", *(f"data.{domain.label}" for domain in Domain))
"""Options that say where something lies; whether it holds the same is looked at."""
PRECISION, AUTO = "trainer.precision", "auto"
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
    search = _Search(asked, others, folder, is_same)
    for name in search.open:
        if search.has(folder / name) and not search.is_same(name, folder / name):
            raise InputError(
                f"out={str(folder)!r}: {name} was taken over ({KEPT_RUNS}) and had another configuration; "
                "nothing was overwritten: choose another directory"
            )
    everything = search.all()
    found = search.without_needed(everything)
    told = [
        f"{name}: trained here, since a run goes on from it and {run} has no checkpoint"
        for name, run in everything.items()
        if name not in found
    ]
    tables = {name: (run.parent, run.name) for name, run in found.items() if not is_begun(run)}
    if new := {name: where for name, where in tables.items() if where != (folder, name)}:
        from align.analysis.commands import take  # late, as it takes seconds

        take(folder, new, {name: asked[name].point for name in new})
    for name, run in found.items():
        if is_begun(run):
            check_kinds_below(run)
            with atomic_path(folder / name) as target:
                left_out = shutil.ignore_patterns(f"{TEMPORARY}*", SECONDS)
                shutil.copytree(run, target, ignore=left_out, ignore_dangling_symlinks=True)
                if not is_there(run / TAKEN_OVER):  # of a copy, where the first came from
                    write_json(target / TAKEN_OVER, {"sweep": run.parent.name, "run": run.name})
        elif (folder / name).is_dir():  # it was claimed and never began
            shutil.rmtree(folder / name)
        if run != folder / name:
            other = search.other_precision(name, run)
            mixed = f", in {other}, which this machine would not train in" if other else ""
            told.append(f"{name}: taken over from {run}{_trained_at(search.provenance(run))}{mixed}")
    return told, set(tables)


def would_take_over(
    asked: Mapping[str, Asked],
    folder: Path,
    others: Finished,
    unmade: Collection[str] = (),
    is_same: Callable | None = None,
) -> dict[str, Path]:
    """What `take_over` would take, by the names of this sweep's runs; nothing is copied.

    Args:
        asked, folder, others, is_same: As of `take_over`.
        unmade: Names of runs that cannot be compared yet, as there is nothing at the place of their stores:
            they are not taken over.
    """
    search = _Search(asked, others, folder, is_same)
    return search.without_needed(search.all(unmade))


class _Search:
    """Finds which finished run is the same as one that is asked for; each question is answered once.

    Attributes:
        open: Names of the runs that have not begun.
    """

    def __init__(self, asked: Mapping[str, Asked], others: Finished, folder: Path, is_same: Callable | None):
        if is_same is None and others:
            from align.experiments.dry_fit import is_same  # late, as it takes seconds
        self.open = [name for name in asked if others and not is_begun(folder / name)]
        self._asked, self._folder, self._compare_runs = asked, folder, is_same
        self._recorded = dict(sorted(others, key=lambda other: not is_begun(other[0])))  # directories first
        self.is_same = cache(self._is_same)
        self._completed = cache(self._complete)

    def has(self, run: Path) -> bool:
        """Whether a run is among those that are finished."""
        return run in self._recorded

    def find(self, name: str) -> Path | None:
        """The first finished run that is the same, a directory if there is one; None where none is.

        Where `auto` is asked for, one of the precision that it is here goes before one of another.
        """
        same = (run for run in self._recorded if self.is_same(name, run))
        if (first := next(same, None)) is None or not self.other_precision(name, first):
            return first
        return next((run for run in same if not self.other_precision(name, run)), first)

    def other_precision(self, name: str, run: Path) -> str | None:
        """The precision of a kept run, where it is another than the one asked for would have here."""
        if is_begun(run):  # compared with all the rest
            return None
        asked = self._completed(name)
        here = get_option(asked, PRECISION, AUTO)
        if here == AUTO:
            from align.step.precision import resolve_precision  # late, as it takes seconds

            here = resolve_precision(get_option(asked, "trainer.accelerator", AUTO))
        there = get_option(self._recorded[run], PRECISION)
        return None if there in (None, here) else there

    def all(self, but: Collection[str] = ()) -> dict[str, Path]:
        """By the names of runs that have not begun, the finished run that is the same, where there is one."""
        found = {name: self.find(name) for name in self.open if name not in but}
        return {name: run for name, run in found.items() if run is not None}

    def without_needed(self, found: Mapping[str, Path]) -> dict[str, Path]:
        """Without kept runs that a run goes on from which is to be trained: it needs their checkpoints."""
        found = dict(found)
        while needed := {
            parent
            for name in self.open
            if name not in found
            for parent in self._asked[name].after.values()
            if parent in found and not is_begun(found[parent])
        }:
            found = {name: run for name, run in found.items() if name not in needed}
        return found

    def provenance(self, run: Path) -> Mapping[str, Any]:
        """What a finished run was made with."""
        if is_begun(run):
            with reading(run / PROVENANCE):
                return read_json(run / PROVENANCE)
        return _complete_of(run.parent)[run.name]["provenance"]

    def _is_same(self, name: str, run: Path) -> bool:
        after = self._asked[name].after
        recorded = self._recorded[run]
        if is_begun(run):
            asked = _plain(self._asked[name].config)
            if after or any(_contradictions(recorded, asked, {*PLACES, *after})):
                return False
            return self._compare(run, asked, False)
        asked = self._completed(name)
        if any(_contradictions(recorded, asked, {*PLACES, *after, PRECISION})):
            return False
        if run.parent == self._folder:  # what it went on from was the same when it was taken over
            return run.name == name and self._compare_kept(run, name)
        return self._went_on_from_the_same(run, after) and self._compare_kept(run, name)

    def _went_on_from_the_same(self, run: Path, after: Mapping[str, str]) -> bool:
        """Whether what a kept run went on from is what the run that is asked for will."""
        for option, parent in after.items():
            there = run.parent / Path(get_option(self._recorded[run], option) or "").name
            if not self.has(there) or not self.is_same(parent, there):
                return False
        return True

    def _without(self, name: str) -> dict[str, Any]:
        """What a run asks for, but for what it goes on from."""
        asked = _plain(self._asked[name].config)
        for option in self._asked[name].after:
            set_option(asked, option, None)
        return asked

    def _complete(self, name: str) -> dict[str, Any]:
        """What a run asks for with all defaults, as kept runs were recorded."""
        from align.experiments.dry_fit import completed  # late, as it takes seconds

        with _written(self._without(name)) as path:
            return completed(path)

    def _compare(self, run: Path, asked: Mapping[str, Any], after_the_same: bool) -> bool:
        with _written(asked) as path:
            return self._compare_runs(run, path, after_the_same)

    def _compare_kept(self, run: Path, name: str) -> bool:
        """Whether a kept run is the same, by its configuration and the hashes of its stores."""
        asked, recorded = self._without(name), copy.deepcopy(self._recorded[run])
        for option in self._asked[name].after:
            set_option(recorded, option, None)
        for option in PLACES:
            if get_option(recorded, option) is not None and get_option(asked, option) is not None:
                set_option(recorded, option, get_option(asked, option))
        if get_option(asked, PRECISION, AUTO) == AUTO:  # that which it began with, wherever it goes on
            set_option(asked, PRECISION, get_option(recorded, PRECISION, AUTO))
        stores = {store: {"hash": digest} for store, digest in self.provenance(run)["data"].items()}
        with tempfile.TemporaryDirectory() as aside:
            write_text(Path(aside) / CONFIG, yaml.safe_dump(recorded, sort_keys=False))
            write_json(Path(aside) / PROVENANCE, {"data": stores})
            return self._compare(Path(aside), asked, bool(self._asked[name].after))


def _plain(config: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration as its file would be read."""
    return renamed(yaml.safe_load(yaml.safe_dump(dict(config))))


@contextmanager
def _written(config: Mapping[str, Any]) -> Iterator[Path]:
    """A file of a configuration, for as long as it is looked at."""
    with tempfile.TemporaryDirectory() as aside, without_slurm():
        path = Path(aside) / "asked.yaml"
        path.write_text(yaml.safe_dump(dict(config), sort_keys=False), encoding="utf-8")
        yield path


def _kept(sweep: Path) -> Finished:
    """Runs of which a folder has tables and no directories that have begun, and their configurations."""
    known = _complete_of(sweep)
    return [
        (sweep / name, renamed(how["config"])) for name, how in known.items() if not is_begun(sweep / name)
    ]


def _complete_of(sweep: Path) -> Mapping[str, Mapping[str, Any]]:
    """How each complete run of which a folder has tables was made."""
    if not (sweep / KEPT_RUNS).is_file():
        return {}
    from align.analysis.commands import complete  # late, as it takes seconds

    return complete(sweep)


def _contradictions(there: Any, here: Any, apart: Collection[str], above: str = "") -> Iterator[str]:
    """Options to which two requests give different values, but for some `apart`.

    What only one of them gives may be the other's default.
    """
    if above in apart:
        return
    if isinstance(there, list) and isinstance(here, list) and len(there) == len(here):
        there, here = dict(enumerate(there)), dict(enumerate(here))
    if isinstance(there, Mapping) and isinstance(here, Mapping):
        for key in {*there} & {*here}:
            yield from _contradictions(there[key], here[key], apart, f"{above}.{key}" if above else str(key))
    elif there != here:
        yield above


def _trained_at(provenance: Mapping[str, Any]) -> str:
    """The commit of a run's training, in words, where it is recorded."""
    commit, _, changes = str(provenance.get("commit") or "").partition("+")
    return f", trained at commit {commit[:7]}{changes and ' with changes'}" if commit else ""
