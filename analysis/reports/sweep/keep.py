"""What is kept of a sweep when its runs are not."""

import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from align.analysis.reports.sweep import kept
from align.analysis.reports.sweep.arm import as_point
from align.analysis.reports.sweep.kept import made_as
from align.analysis.reports.sweep.metric import Metric
from align.analysis.reports.sweep.run_paths import motion, repeated
from align.analysis.reports.sweep.run_table import collect, has_trials, held_out, read_trials
from align.analysis.reports.sweep.stores import stores
from align.analysis.reports.sweep.trained import recorded_of, took, trained_with
from align.errors import InputError
from align.files import (
    TEMPORARY,
    atomic_path,
    check_kinds_below,
    check_writable,
    user_path,
    write_json,
    write_text,
)
from align.run.config import read_yaml
from align.run.layout import (
    CONFIG,
    GEOMETRY,
    GEOMETRY_PICTURE,
    GRID,
    PROBE,
    PROBE_PICTURE,
    PROBE_STEPS_PICTURE,
    PROVENANCE,
    RESULTS,
    ROLLOUTS_PICTURE,
    TAKEN_OVER,
    TASK_PROBE,
    TASK_PROBE_PICTURE,
)
from align.run.locks import LOCK, REPORT_LOCK, held
from align.run.reading import is_there, read_json

COMMAND = "command.txt"
TIMES = "times.json"
"""How long the runs took, and how many ran at once."""
PLACES = ("sim", "real", "initial", "reference", "annotation", "cache", "run")
"""Options that say where something lies."""
KEPT = ("*.csv", "*.md", "*.json", "*.png")  # of the sweep directory itself
OF_ONE_RUN = (
    CONFIG,
    PROBE,
    PROBE_PICTURE,
    PROBE_STEPS_PICTURE,
    TASK_PROBE,
    TASK_PROBE_PICTURE,
    GEOMETRY,
    GEOMETRY_PICTURE,
    ROLLOUTS_PICTURE,
)


def keep(
    sweep_dir: str | os.PathLike,
    results_dir: str | os.PathLike,
    command: str,
    facts: Mapping[str, Any] | None = None,
) -> list[Path]:
    """Copy what is worth keeping: tables, figures, every trial, and configuration and probe of one run.

    With what the runs were trained, and how long that took, is told of all of them, counted.

    Args:
        sweep_dir: A sweep that was reported on.
        results_dir: Where to. A folder there is replaced at once by one that holds its files, too, but for
            those of the same names.
        command: The command line that made the sweep, recorded in `command.txt`.
        facts: What reports take from files of runs that are not kept, by its name, as JSON.

    Returns:
        The files written.

    Raises:
        InputError: The sweep has no `results.csv`, what would be kept is too large, or the folder cannot be
            replaced: nothing is written.
    """
    sweep_dir, results_dir = Path(sweep_dir), Path(results_dir)
    if not (sweep_dir / RESULTS).is_file():
        raise InputError(f"sweep={str(sweep_dir)!r}: expected a sweep with {RESULTS}, made by its report")
    place = _place(results_dir, sweep_dir)
    found = [p for pattern in KEPT for p in sorted(sweep_dir.glob(pattern))]
    frame = collect(sweep_dir)
    run = next((sweep_dir / name for name in _shown(sweep_dir, frame)), sweep_dir)
    sources = {path.name: path for path in found if inside(path, sweep_dir)}
    sources |= {name: run / name for name in OF_ONE_RUN if inside(run / name, run)}
    links = [path for path in (*found, *(run / name for name in OF_ONE_RUN)) if path.is_symlink()]
    if led := sorted({path.name for path in links} - set(sources)):
        print(f"{sweep_dir}: links that lead out of it are not kept: {', '.join(led)}")
    with tempfile.TemporaryDirectory() as folder:
        trials = _trials([sweep_dir / name for name in frame["run"]])
        known = {"name": made_as(sweep_dir), kept.REPEATED: _repeated(sweep_dir, frame), **(facts or {})}
        known[kept.MADE] = {name: made for name in frame["run"] if (made := _made(sweep_dir / name))}
        if episodes := {name: found for name in frame["run"] if (found := _episodes(sweep_dir / name))}:
            known[kept.EPISODES] = episodes
            known[kept.STORES] = {name: stores(sweep_dir / name) for name in episodes}
        tables = kept.write(Path(folder), trials, frame, known)
        sources |= {path.name: path for path in (*tables, *_trained(Path(folder), sweep_dir, frame))}
        if CONFIG in sources:
            write_text(Path(folder) / CONFIG, _without_folders(sources[CONFIG]))
            sources[CONFIG] = Path(folder) / CONFIG
        _check_size(sweep_dir, sources, len(trials))
        write_text(Path(folder) / COMMAND, f"{command}\n")
        sources[COMMAND] = Path(folder) / COMMAND
        both = held(place, "align keep"), held(place, "align keep", report=True)
        with both[0], both[1], atomic_path(place) as whole:
            _begin(whole, place)
            for name, source in sources.items():
                (whole / name).unlink(missing_ok=True)  # maybe another name of the file that is there now
                shutil.copyfile(source, whole / name)
    return [results_dir / name for name in sources]


def _place(results_dir: Path, sweep_dir: Path) -> Path:
    """Where what is kept comes to lie, as a folder that is replaced as a whole.

    Raises:
        InputError: It cannot be.
    """
    place, sweep, here = (Path(os.path.realpath(path)) for path in (results_dir, sweep_dir, "."))
    for what, other in (("the sweep itself", sweep), ("the current folder", here)):
        if other.is_relative_to(place):
            raise InputError(
                f"results={str(results_dir)!r}: is {what}, or holds it; expected a folder that can be "
                "replaced as a whole"
            )
    if place.exists() and not place.is_dir():
        raise InputError(f"results={str(results_dir)!r}: a file; expected a folder to write to")
    check_writable(place / RESULTS)
    check_writable(place)
    return place


def _begin(whole: Path, place: Path) -> None:
    """Have in the new folder all that the old one holds: whatever is not replaced stays."""
    if not place.exists():
        whole.mkdir()
        return
    check_kinds_below(place)
    left_out = shutil.ignore_patterns(LOCK, REPORT_LOCK, f"{TEMPORARY}*")
    shutil.copytree(place, whole, symlinks=True, ignore=left_out, copy_function=_link)


def _link(source: str, target: str) -> None:
    """A second name of a file, where the system has such, or else a copy."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def inside(path: Path, folder: Path) -> bool:
    """Whether there is such a file, and its content lies in the folder: a link in a sweep of somebody else's
    may lead to any file, and what is kept is there to be published."""
    return path.is_file() and path.resolve().is_relative_to(folder.resolve())


def _shown(sweep_dir: Path, frame: pd.DataFrame) -> list[str]:
    """Names of the runs that are there: first those of which all is, of these those that are no copies, whose
    pictures another sweep has, and of these the reference's."""
    wanted = (read_json(sweep_dir / GRID).get("reference") if is_there(sweep_dir / GRID) else None) or {}
    values = [frame[axis] if axis in frame else [object()] * len(frame) for axis in wanted]
    at = [
        all(as_point(v) == as_point(w) for v, w in zip(row, wanted.values(), strict=True))
        for row in zip(*values, strict=True)
    ] or [True] * len(frame)
    copied = [is_there(sweep_dir / name / TAKEN_OVER) for name in frame["run"]]
    order = frame.assign(lacking=frame["missing"] != "", copied=copied, other=[not there for there in at])
    order = order.sort_values(["lacking", "copied", "other"], kind="stable")
    return [name for name in order["run"] if (sweep_dir / name).is_dir()]


def _made(run: Path) -> dict[str, Any] | None:
    """A run's configuration, as text, and with what it was trained; None where it recorded neither."""
    if not run.is_dir():
        known = kept.made(run.parent).get(run.name)
        return known and {"config": known["text"], "provenance": known["provenance"]}
    if not is_there(run / CONFIG):
        return None
    return {"config": _without_folders(run / CONFIG), "provenance": recorded_of(run)}


def _without_folders(config: Path) -> str:
    """A configuration with the stores and runs of a machine's folders by their names alone."""

    def shorter(value: Any, option: str = "") -> Any:
        if isinstance(value, Mapping):
            return {name: shorter(each, name) for name, each in value.items()}
        if isinstance(value, list):
            of_stores = option in PLACES and all(isinstance(each, str) for each in value)
            return _names(value) if of_stores else [shorter(each) for each in value]
        return _names([value])[0] if isinstance(value, str) and option in PLACES else value

    return yaml.safe_dump(shorter(read_yaml(config)), sort_keys=False, allow_unicode=True)


def _names(places: list[str]) -> list[str]:
    """Absolute paths by so many of their last parts as tell them apart; others as they are."""
    parts = [user_path(place).parts for place in places]
    depth = 1
    while len({p[-depth:] for p in parts}) < len(set(parts)):
        depth += 1
    return [
        str(Path(*p[-depth:])) if user_path(place).is_absolute() else place
        for place, p in zip(places, parts, strict=True)
    ]


def _trained(folder: Path, sweep_dir: Path, frame: pd.DataFrame) -> list[Path]:
    """Write what is known of how the runs were trained; returns the files."""
    runs = [sweep_dir / name for name in frame["run"]]
    told = {PROVENANCE: trained_with(runs), TIMES: took(runs)}
    for name, content in told.items():
        if content is not None:
            write_json(folder / name, content)
    return [folder / name for name, content in told.items() if content is not None]


def _check_size(sweep_dir: Path, sources: Mapping[str, Path], trials: int) -> None:
    sizes = {name: path.stat().st_size for name, path in sources.items()}
    if (total := sum(sizes.values())) > kept.MOST_BYTES:
        largest = sorted(sizes, key=lambda name: -sizes[name])[:3]
        names = ", ".join(f"{name} {sizes[name] / 1e6:.1f}" for name in largest)
        raise InputError(
            f"sweep={str(sweep_dir)!r}: {total / 1e6:.1f} MB would be kept, of {trials} trials; expected at "
            f"most {kept.MOST_BYTES / 1e6:.0f} MB (the largest: {names}); keep a part of it"
        )


def _trials(runs: Sequence[Path]) -> pd.DataFrame:
    """Every trial of every run, with how its path moved where it was kept."""
    tables = []
    for run in runs:
        if not has_trials(run):
            continue
        table = read_trials(run)
        table.insert(0, "run", run.name)
        for world, moved in motion(run).items():
            here = table["world"] == world
            rows = moved.reindex(table.loc[here, "seed"])
            table.loc[here, kept.MOVED] = 1
            for name in moved.columns:
                table.loc[here, kept.PATH + name] = rows[name].to_numpy()
        tables.append(table)
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=["run", "world", "seed"])


def _episodes(run: Path) -> dict[str, dict[str, list[float]]]:
    """How well a run's policy did on each held-out episode, by domain."""
    tables = {domain: table.rename_axis("episode").reset_index() for domain, table in held_out(run).items()}
    return {domain: {name: table[name].tolist() for name in table} for domain, table in tables.items()}


def _repeated(sweep_dir: Path, frame: pd.DataFrame) -> list[str]:
    """The worlds whose trials repeat queries."""
    worlds = {m.place for m in Metric.among(frame.columns) if m.kind == "rollout"}
    return [w for w in sorted(worlds) if any(repeated(sweep_dir / run, w) for run in frame["run"])]
