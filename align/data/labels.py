"""What stores call columns and measure them in, and whether two stores contradict each other."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from align.data.columns import Column
from align.data.readers.reader import Reader
from align.data.rotations import TRANSFORMS
from align.errors import InputError

_SPELLINGS = {
    "m": ("meter", "meters", "metre", "metres"),
    "cm": ("centimeter", "centimeters", "centimetre", "centimetres"),
    "mm": ("millimeter", "millimeters", "millimetre", "millimetres"),
    "rad": ("radian", "radians"),
    "deg": ("degree", "degrees", "°"),
    "px": ("pixel", "pixels"),
    "s": ("sec", "second", "seconds"),
    "%": ("percent",),
    "": ("1", "none", "null", "-", "dimensionless", "unitless"),
}
_CALLED = {other: unit for unit, others in _SPELLINGS.items() for other in others}
_PER = re.compile(r"\s*(?:/|\bper\b)\s*")


@dataclass(frozen=True)
class Labels:
    """Of the columns that a policy sees of "action" or "agent_pos", side by side, what the store says.

    Attributes:
        names: What each is called; None where the store does not say, or keys ask for another form.
        units: The unit of each, likewise.
    """

    names: tuple[str | None, ...]
    units: tuple[str | None, ...]


def labels_of(reader: Reader, columns: Sequence[Column], widths: Sequence[int]) -> Labels:
    """What a store says of what `align.data.columns.take_columns` brings.

    Args:
        reader: The store.
        columns: What is taken.
        widths: How many columns a policy sees of each; see `align.data.columns.column_forms`.

    Raises:
        InputError: A key takes for radians what the store says is in degrees, or the reverse.
    """
    names: list[str | None] = []
    units: list[str | None] = []
    for column, width in zip(columns, widths, strict=True):
        own = reader.names(column.name), reader.units(column.name)
        called, measured = (list(said or [])[column.start : column.stop] for said in own)
        if column.how is None:
            names += called if len(called) == width else [None] * width
            units += measured if len(measured) == width else [None] * width
            continue
        if TRANSFORMS[column.how].columns == 1:
            wrong = {"rad", "deg"} - {"rad" if column.how == "radians" else "deg"}
            if said := [unit for unit in measured if _unit(unit) in wrong]:
                raise InputError(f"store {reader.path}: {column}: the store says that it is in {said[0]}")
        names += [None] * width
        units += [None] * width
    return Labels(tuple(names), tuple(units))


def check_labels(name: str, label: str, ours: Labels, theirs: Labels) -> None:
    """Refuse columns of one number that are different things, as far as both stores say what they are.

    Args:
        name: "action" or "agent_pos".
        label: Whose they are, for messages: "sim (a.zarr), real (b.zarr)".
        ours: Of one store.
        theirs: Of another, as many.

    Raises:
        InputError: Names are the same in another order, or units differ.
    """
    swapped = _swapped(ours.names, theirs.names)
    if swapped:
        told = (", ".join(str(names[n]) for n in swapped) for names in (ours.names, theirs.names))
        raise InputError(
            f"{name}: columns {swapped} of {label} are {' and '.join(f'[{each}]' for each in told)} by their "
            "own word; expected one order; data.sim_keys and data.real_keys take columns in any"
        )
    pairs = zip(map(_unit, ours.units), map(_unit, theirs.units), strict=True)
    differ = [n for n, (a, b) in enumerate(pairs) if a and b and a != b]
    if differ:
        n = differ[0]
        raise InputError(
            f"{name}: columns {differ} of {label} are in {ours.units[n]} and in {theirs.units[n]} by their "
            "own word; expected one unit"
        )


def other_names(ours: Labels, theirs: Labels) -> tuple[str, str] | None:
    """What columns are called in either of two stores, of those that are not called alike; None of none."""
    pairs = [
        (a, b) for a, b in zip(ours.names, theirs.names, strict=True) if a and b and _plain(a) != _plain(b)
    ]
    return (", ".join(a for a, _ in pairs), ", ".join(b for _, b in pairs)) if pairs else None


def _swapped(ours: Sequence[str | None], theirs: Sequence[str | None]) -> list[int]:
    """Columns whose names are those of other columns in the other store, all of them among themselves.

    A cycle is an order; a chain, as of joints that are counted from 0 and from 1, may be a spelling.
    """
    a, b = ([_plain(name) if name else None for name in names] for names in (ours, theirs))
    place = {name: n for n, name in enumerate(b) if name and b.count(name) == 1}
    follows = {n: place[name] for n, name in enumerate(a) if name in place and a.count(name) == 1}
    found = []
    for start in follows:
        n, seen = follows[start], 0
        while n != start and n in follows and seen < len(a):
            n, seen = follows[n], seen + 1
        if n == start and follows[start] != start:
            found.append(start)
    return found


def _plain(name: str) -> str:
    """A name without case and punctuation."""
    return re.sub(r"[\W_]+", "", name.casefold()) or name


def _unit(unit: str | None) -> str:
    """A unit in one spelling, "" of what has none."""
    parts = _PER.split((unit or "").strip().strip("[]()").casefold())
    return "/".join(_CALLED.get(part, part) for part in parts)
