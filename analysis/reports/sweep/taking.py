"""Runs of which only results were kept, in another sweep: their trials and numbers, without checkpoints."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from align.analysis.reports.sweep import kept
from align.analysis.reports.sweep.run_table import axis_value
from align.analysis.reports.sweep.stores import stores
from align.run.reading import reading


def complete(sweep: str | os.PathLike) -> dict[str, dict[str, Any]]:
    """How each complete run was made of which a folder holds what was kept, by its name; see `kept.made`.

    Raises:
        InputError: What was kept is damaged.
    """
    if not kept.has_tables(sweep):
        return {}
    frame = kept.kept_frame(sweep)
    whole = set(frame.loc[frame["missing"] == "", "run"])
    return {name: how for name, how in kept.made(sweep).items() if name in whole}


def take(
    folder: str | os.PathLike,
    taken: Mapping[str, tuple[Path, str]],
    points: Mapping[str, Mapping[str, object]],
) -> None:
    """Write the tables of kept runs that lie beside a sweep's run directories.

    Args:
        folder: The sweep.
        taken: By the name that a run has here, the folder that has its tables and its name there: all of
            them, those too that the sweep itself has tables of already.
        points: By the name that a run has here, its value on each axis of the sweep.

    Raises:
        InputError: What was kept is damaged.
    """
    folder = Path(folder)
    before = list(kept.kept_frame(folder)["run"]) if kept.has_tables(folder) else []
    taken = {**{name: (folder, name) for name in before}, **taken}
    rows, tables, facts = [], [], []
    sources = list(dict.fromkeys(where for where, _ in taken.values()))
    for source in sources:
        names = [(here, there) for here, (where, there) in taken.items() if where == source]
        recorded = kept.kept_frame(source).set_index("run").to_dict("index")
        for here, there in names:
            row = {"run": here, **recorded[there]}
            origin = f"{kept.made_as(source)}/{there}"
            rows.append(row if source == folder else _row(row, points[here], origin))
            if (trials := kept.trials_of(source, there)) is not None:
                tables.append(trials.assign(run=here))
        whole = len(sources) == 1 and {there for _, there in names} == set(recorded)
        facts.append(_facts(source, names, its_own=source == folder or (whole and _is_of(source, folder))))
    nothing = pd.DataFrame(columns=["run", "world", "seed"])
    trials = pd.concat(tables or [nothing], ignore_index=True)
    trials.insert(0, "run", trials.pop("run"))
    kept.write(folder, trials, pd.DataFrame(rows), _joined(facts))


def _is_of(source: Path, folder: Path) -> bool:
    """Whether a folder is what was kept of a sweep of this name."""
    return kept.made_as(source) == folder.absolute().name


def _row(recorded: Mapping[str, Any], point: Mapping[str, object], origin: str) -> dict[str, Any]:
    """The row of a run at another point, with what was measured of it."""
    axes = {axis: axis_value(value) for axis, value in point.items()}
    measured = {column: value for column, value in recorded.items() if "/" in column}
    if not pd.isna(measured.get(kept.ORIGIN)):
        origin = measured[kept.ORIGIN]  # it was a copy there, too
    return {"run": recorded["run"], "missing": "", **axes, **measured, kept.ORIGIN: origin}


def _facts(source: Path, names: Sequence[tuple[str, str]], its_own: bool) -> dict[str, Any]:
    """What was kept beside the tables, of some runs by other names.

    Args:
        source: The folder.
        names: Names that runs are to have, and those that they have there.
        its_own: Whether these are the runs that arms of the same sweep had there, no more and no fewer.
    """
    known = kept.facts(source)
    with reading(source / kept.RUNS, "what align keep wrote"):
        found: dict[str, Any] = {
            fact: {here: known[fact][there] for here, there in names if there in known[fact]}
            for fact in (kept.EPISODES, kept.MADE)
            if fact in known
        }
        found[kept.STORES] = {here: told for here, there in names if (told := stores(source / there))}
        found[kept.REPEATED] = list(known.get(kept.REPEATED, []))
        found[kept.PLANS] = {world: told for world, told in known.get(kept.PLANS, {}).items() if told}
        found[kept.OWN_DISTANCE] = dict(known.get(kept.OWN_DISTANCE, {})) if its_own else {}
    return found


def _joined(facts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Facts of several folders as those of one; where two say something of the same, the first one."""
    found: dict[str, Any] = {}
    for known in facts:
        for fact, told in known.items():
            if isinstance(told, Mapping):
                found[fact] = {**told, **found.get(fact, {})}
            else:
                found[fact] = sorted({*found.get(fact, []), *told})
    return found
