"""Which columns of which arrays are meant by a key such as "state[:2]" or "pose + gripper"."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from align.data.readers.reader import Reader
from align.errors import InputError

_SLICE = re.compile(r"(?P<name>[^\[\]+]+?)(\[(?P<start>\d*):(?P<stop>\d*)\])?")


@dataclass(frozen=True)
class Column:
    """An array of a store and the columns taken from it: "action", "state[:2]" or "state[3:7]"."""

    name: str
    start: int | None = None
    stop: int | None = None

    @property
    def whole(self) -> bool:
        """Whether all columns are taken."""
        return self.start is None and self.stop is None

    def __str__(self) -> str:
        """As a key names it."""
        part = (
            ""
            if self.whole
            else f"[{'' if self.start is None else self.start}:{'' if self.stop is None else self.stop}]"
        )
        return f"{self.name}{part}"


def parse_columns(text: str) -> tuple[Column, ...]:
    """Parse `NAME` or `NAME[START:STOP]`, or several of them joined by `+`.

    Raises:
        InputError: `text` has another form.
    """
    columns = []
    for part in text.split("+") if isinstance(text, str) else [""]:
        match = _SLICE.fullmatch(part.strip())
        if match is None:
            raise InputError(
                f"keys: {text!r} is not a key; expected NAME or NAME[START:STOP], as 'state[:2]', "
                "or several joined, as 'pose + gripper'"
            )
        start, stop = (int(match[side]) if match[side] else None for side in ("start", "stop"))
        columns.append(Column(match["name"], start, stop))
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
        parts.append(values[:, start:stop])
    return np.ascontiguousarray(np.concatenate(parts, axis=1))
