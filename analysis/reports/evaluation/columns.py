"""Which column of a sheet says what: by the names people give them, or as they were told."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from align.analysis.reports.evaluation.sheet import Sheet
from align.errors import InputError, shown

NAMES = {
    "arm": [
        ["arm"],
        ["policy", "policy name", "method", "model", "model name", "algorithm", "variant", "controller",
         "agent", "checkpoint", "ckpt"],
    ],
    "start": [
        ["start", "start id", "starting condition", "start condition", "starting position", "start position",
         "starting pose", "start pose", "initial condition", "initial state", "initial pose",
         "initial position", "init", "init id", "ic", "trial seed", "env seed",
         "environment seed", "scene", "scene id", "setup"],
        ["trial", "trial id", "trial number", "trial no", "trial #", "episode", "episode ix", "episode index",
         "episode id", "rollout", "rollout id"],
    ],
    "training": [["training", "training seed", "train seed", "training run", "training id", "model seed",
                  "policy seed", "checkpoint seed", "ckpt seed"]],
    "outcome": [
        ["success", "successful", "succeeded", "task success", "is success", "solved"],
        ["outcome", "result", "pass", "passed"],
        ["score", "partial credit", "credit", "progress", "task progress", "completion", "task completion",
         "max reward", "coverage", "rating", "grade", "points"],
    ],
    "predicted": [
        ["predicted", "prediction", "predicted score", "predicted success", "simulated", "simulated score",
         "simulated success", "sim score", "sim success", "score sim", "success sim", "simulation", "sim"],
    ],
    "repeat": [["repeat", "repetition", "rep", "attempt", "try"]],
}  # fmt: skip
"""By what a column says, its usual names: those of an earlier list go before those of a later one."""
SEED = "seed"
"""Of trainings, or of starts: see `find_columns`."""
PERCENT = re.compile(r"%|\bpercent\b|\bpct\b", re.I)
BRACKETS = re.compile(r"\([^()]*\)|\[[^\[\]]*\]")  # whose search ends at the next one, however many there are
NONE = "none"


@dataclass(frozen=True)
class Columns:
    """Where each thing stands in a row: the places of its columns; None where the file does not say it.

    Attributes:
        start: Several columns make one start, e.g. x and y.
        wide: Columns that hold the outcomes of one arm each; there is then neither `arm` nor `outcome`.
        by_row: A row of `wide` columns is a start, for no column says it.
    """

    arm: int | None
    start: tuple[int, ...]
    training: int | None
    outcome: int | None
    predicted: int | None
    repeat: int | None
    wide: tuple[int, ...]
    by_row: bool = False


def find_columns(
    sheet: Sheet, given: Mapping[str, str | Sequence[str] | None], wide: Sequence[str] = ()
) -> tuple[Columns, list[str]]:
    """The columns of a sheet, and what there is to say about the choice.

    A column `seed` is of the starts if no arm has one twice, else of the trainings, unless it is told or the
    other is known.

    Args:
        sheet: The file.
        given: By what a column says, the name of the column as a user told it, or `none`.
        wide: Names of the columns that hold the outcomes of one arm each.

    Raises:
        InputError: A column that was told is not there, several may be meant, or none says how trials went.
    """
    found: dict[str, tuple[int, ...]] = {}
    told = {
        role: [names] if isinstance(names, str) else list(names) for role, names in given.items() if names
    }
    for role in NAMES:
        if role in told:
            places = () if told[role] == [NONE] else tuple(_place(sheet, role, name) for name in told[role])
            found[role] = places
    across = tuple(_place(sheet, "wide", name) for name in wide)
    taken = {place for places in found.values() for place in places} | set(across)
    for role, groups in NAMES.items():
        if role not in found and not (across and role in ("arm", "outcome")):
            found[role] = _usual(sheet, role, groups, taken)
            taken |= set(found[role])
    counters = [
        i for i, name in enumerate(sheet.header) if _plain(name) in NAMES["start"][1] and i not in taken
    ]
    if not found["repeat"] and "repeat" not in told and len(counters) == 1:
        found["repeat"] = (counters[0],)  # beside a start, the trial's number tells repeats of it apart
    notes = []
    seed = next((i for i, n in enumerate(sheet.header) if _plain(n) == SEED and i not in taken), None)
    if seed is not None and "start" not in told and "training" not in told:
        role = _seed_of(sheet, seed, found)
        if role is not None:
            found[role] = (seed,)
            why = "no arm has one twice" if role == "start" else "arms have several trials of each"
            notes.append(f"{sheet.header[seed]!r} is the {role}'s, since {why} (--{role} {NONE} if not)")
    if not across and not found["outcome"]:
        raise InputError(
            f"{sheet.path}: no column says how trials went, among {_all(sheet)}; expected one row a trial, "
            "and --outcome COLUMN, or the columns of the arms, --wide '[A, B]'"
        )
    one = {role: places[0] if places else None for role, places in found.items()}
    return Columns(
        one.get("arm"),
        found["start"],
        one["training"],
        one.get("outcome"),
        one["predicted"],
        one["repeat"],
        across,
        bool(across) and not found["start"] and "start" not in told,
    ), notes


def described(sheet: Sheet, columns: Columns) -> str:
    """What each column was taken for, and those that were not used."""
    parts, used = [], set(columns.wide)
    for role in ("arm", "start", "training", "outcome", "predicted", "repeat"):
        place = getattr(columns, role)
        places = place if isinstance(place, tuple) else () if place is None else (place,)
        used |= set(places)
        if places:
            parts.append(f"{role} is {' and '.join(repr(sheet.header[i]) for i in places)}")
    if columns.wide:
        parts.append(f"an arm each is {' and '.join(repr(sheet.header[i]) for i in columns.wide)}")
    unused = [repr(name) for i, name in enumerate(sheet.header) if i not in used]
    return "; ".join(parts) + (f"; not used: {', '.join(unused)}" if unused else "")


def _place(sheet: Sheet, role: str, name: str) -> int:
    places = [i for i, there in enumerate(sheet.header) if there == name]
    places = places or [i for i, there in enumerate(sheet.header) if there.casefold() == name.casefold()]
    if len(places) != 1:
        number = "no column" if not places else f"{len(places)} columns"
        raise InputError(f"{sheet.path}: --{role} {name}: {number} of this name, among {_all(sheet)}")
    return places[0]


def _usual(sheet: Sheet, role: str, groups: Sequence[Sequence[str]], taken: set[int]) -> tuple[int, ...]:
    for group in groups:
        places = [i for i, name in enumerate(sheet.header) if _plain(name) in group and i not in taken]
        if len(places) > 1:
            several = " and ".join(repr(sheet.header[i]) for i in places)
            raise InputError(f"{sheet.path}: columns {several} may each be the {role}; say --{role} COLUMN")
        if places:
            return (places[0],)
    return ()


def _seed_of(sheet: Sheet, seed: int, found: Mapping[str, tuple[int, ...]]) -> str | None:
    if found["start"]:
        return None if found["training"] else "training"
    keys = [(*(row.cells[i] for i in found.get("arm", ())), row.cells[seed]) for row in sheet.rows]
    if len(keys) == len(set(keys)):
        return "start"
    return None if found["training"] else "training"


def _plain(name: str) -> str:
    """A column's name without case, punctuation and what stands in brackets."""
    name = BRACKETS.sub(" ", PERCENT.sub(" ", name.casefold()))
    return " ".join(re.sub(r"[_\-.:?/]", " ", name).split())


def _all(sheet: Sheet) -> str:
    return ", ".join(map(shown, sheet.header))
