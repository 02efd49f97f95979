"""Runs of which only results were kept, in another sweep: their trials and numbers, without checkpoints."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from align.analysis.reports.sweep import kept
from align.analysis.reports.sweep.run_table import axis_value
from align.run.reading import reading


def made(sweep: str | os.PathLike) -> dict[str, Mapping[str, Any]]:
    """How each complete run was made of which a folder holds what was kept, by its name.

    Returns:
        Of each run `config`, its configuration as YAML, and `provenance`. What was kept before that was told,
        has none.

    Raises:
        InputError: What was kept is damaged.
    """
    if not kept.has_tables(sweep):
        return {}
    frame = kept.kept_frame(sweep)
    complete = set(frame.loc[frame["missing"] == "", "run"])
    found = kept.facts(sweep).get(kept.MADE, {})
    with reading(Path(sweep) / kept.RUNS, "what align keep wrote"):
        return {
            name: {"config": str(how["config"]), "provenance": dict(how["provenance"])}
            for name, how in found.items()
            if name in complete
        }


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
    rows, tables, facts = [], [], []
    for source in dict.fromkeys(where for where, _ in taken.values()):
        names = {there: here for here, (where, there) in taken.items() if where == source}
        recorded = kept.kept_frame(source).set_index("run").loc[list(names)].to_dict("index")
        for there, here in names.items():
            rows.append(_row(recorded[there], here, points[here], f"{kept.made_as(source)}/{there}"))
            if source == folder:
                rows[-1][kept.ORIGIN] = recorded[there][kept.ORIGIN]
            if (trials := kept.kept_trials(source / there)) is not None:
                tables.append(trials.assign(run=here))
        facts.append(_facts(source, names, its_own=kept.made_as(source) == folder.absolute().name))
    trials = (
        pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=["run", "world", "seed"])
    )
    trials.insert(0, "run", trials.pop("run"))
    kept.write(folder, trials, pd.DataFrame(rows), _joined(facts))


def _row(recorded: Mapping[str, Any], name: str, point: Mapping[str, object], origin: str) -> dict[str, Any]:
    """The row of a run by another name and at another point, with what was measured of it."""
    axes = {axis: axis_value(value) for axis, value in point.items()}
    measured = {column: value for column, value in recorded.items() if "/" in column}
    if not pd.isna(measured.get(kept.ORIGIN)):
        origin = measured[kept.ORIGIN]  # it was a copy there, too
    return {"run": name, "missing": "", **axes, **measured, kept.ORIGIN: origin}


def _facts(source: Path, names: Mapping[str, str], its_own: bool) -> dict[str, Any]:
    """What was kept beside the tables, of some runs by other names.

    Args:
        source: The folder.
        names: By the name that a run has there, that which it is to have.
        its_own: Whether the folder is what was kept of the same sweep, the arms of which are the same.
    """
    known = kept.facts(source)
    found = {
        fact: {here: known[fact][there] for there, here in names.items() if there in known[fact]}
        for fact in (kept.EPISODES, kept.STORES, kept.MADE)
        if fact in known
    }
    found |= {kept.REPEATED: known.get(kept.REPEATED, []), kept.PLANS: known.get(kept.PLANS, {})}
    return found | {kept.OWN_DISTANCE: known.get(kept.OWN_DISTANCE, {}) if its_own else {}}


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
