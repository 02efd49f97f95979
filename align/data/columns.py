"""Which columns of which arrays are meant by a key such as "state[:2]" or "pose + gripper"."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from align.data.readers.reader import Reader
from align.data.rotations import TRANSFORMS
from align.errors import InputError

_SLICE = re.compile(r"(?P<name>[^\[\]+]+?)(\[(?P<start>\d*):(?P<stop>\d*)\])?")

_AROUND = re.compile(rf"({'|'.join(TRANSFORMS)})\((.*)\)")

HALF_TURN = {"radians": np.pi, "degrees": 180.0}

Forms = tuple[tuple[str | None, int], ...]
"""Of columns side by side, how the store writes them, one of `TRANSFORMS`, and how many a policy sees."""


@dataclass(frozen=True)
class Column:
    """An array of a store and the columns taken from it: "action", "state[:2]" or "state[3:7]"."""

    name: str
    start: int | None = None
    stop: int | None = None
    how: str | None = None  # one of `align.data.rotations.TRANSFORMS`

    @property
    def whole(self) -> bool:
        """Whether all columns are taken."""
        return self.start is None and self.stop is None and self.how is None

    def __str__(self) -> str:
        """As a key names it."""
        start, stop = ("" if side is None else side for side in (self.start, self.stop))
        columns = self.name if self.start is None and self.stop is None else f"{self.name}[{start}:{stop}]"
        return f"{self.how}({columns})" if self.how else columns


def parse_columns(text: str, what: str | None = None) -> tuple[Column, ...]:
    """Parse `NAME`, `NAME[START:STOP]` or `HOW(NAME[START:STOP])`, or several of them joined by `+`.

    Args:
        text: The key.
        what: What it is the key of, for messages.

    Raises:
        InputError: `text` has another form.
    """
    columns = []
    for part in text.split("+") if isinstance(text, str) else [""]:
        around = _AROUND.fullmatch(part.strip())
        match = _SLICE.fullmatch((around[2] if around else part).strip())
        if match is None:
            which = f"{what}={text!r}" if what else repr(text)
            raise InputError(
                f"keys: {which} is not a key; expected NAME or NAME[START:STOP], as 'state[:2]', or several "
                "joined, as 'pose + gripper'"
            )
        start, stop = (int(match[side]) if match[side] else None for side in ("start", "stop"))
        columns.append(Column(match["name"], start, stop, around and around[1]))
    return tuple(columns)


def take_columns(reader: Reader, columns: Sequence[Column]) -> np.ndarray:
    """All rows of some columns, one array's behind another's, (T, D) float32.

    Raises:
        InputError: There is no such array, or a slice is empty or out of range.
    """
    parts = []
    for column in columns:
        values = reader.vector(column.name)
        width = values.shape[1]
        start, stop = column.start or 0, width if column.stop is None else column.stop
        if not start < stop <= width:
            raise InputError(
                f"store {reader.path}: {reader.label(column.name)} has {width} columns; "
                f"the slice [{start}:{stop}] asks for others or for none"
            )
        values = values[:, start:stop]
        parts.append(values if column.how is None else _transformed(reader, column, values))
    return np.ascontiguousarray(np.concatenate(parts, axis=1))


def column_forms(reader: Reader, columns: Sequence[Column]) -> Forms:
    """How a store writes what `take_columns` brings, a column's behind another's."""
    widths, forms = reader.vectors(), []
    for column in columns:
        # A key may name what is not listed, as an array of a group in the group.
        width = widths[column.name] if column.name in widths else reader.vector(column.name).shape[1]
        start, stop, _ = slice(column.start, column.stop).indices(width)
        angles = column.how is not None and TRANSFORMS[column.how].columns == 1
        forms.append((column.how, 2 * (stop - start) if angles else 6 if column.how else stop - start))
    return tuple(forms)


def beyond_half_a_turn(reader: Reader, columns: Sequence[Column]) -> list[str]:
    """A line for each key of angles that a store writes beyond half a turn of 0, as no policy does."""
    told = []
    for column in columns:
        if column.how not in HALF_TURN:
            continue
        values, half = reader.vector(column.name)[:, column.start : column.stop], HALF_TURN[column.how]
        low, high = float(np.min(values, initial=0)), float(np.max(values, initial=0))
        if max(-low, high) > half * (1 + 1e-3):
            told.append(
                f"{column} lies between {low:.4g} and {high:.4g}; a policy gives angles within half a turn "
                f"of 0, {half:.4g}: the same directions, but turns away for a controller that counts them"
            )
    return told


def _transformed(reader: Reader, column: Column, values: np.ndarray) -> np.ndarray:
    """Angles or rotations (T, D) in coordinates without jumps."""
    transform, label = TRANSFORMS[column.how], f"store {reader.path}: {column}"
    angles = transform.columns == 1
    if not angles and values.shape[1] != transform.columns:
        raise InputError(f"{label}: has {values.shape[1]} columns; expected {transform.columns}")
    values = values.astype(np.float64)
    if transform.fault is not None and (bad := np.flatnonzero(transform.fault(values))).size:
        found = ", ".join(f"{x:.3g}" for x in values[bad[0]])
        raise InputError(f"{label}: row {bad[0]} is no rotation ({found}; {len(bad)} rows are none)")
    return transform.forward(values).astype(np.float32)
