"""Which columns of a store's array are meant by a key such as "state[:2]"."""

import re
from dataclasses import dataclass

from align.errors import InputError

_SLICE = re.compile(r"(?P<name>[^\[\]]+)(\[(?P<start>\d*):(?P<stop>\d*)\])?")


@dataclass(frozen=True)
class Column:
    """A key of `data/` and the columns taken from it: "action", "state[:2]" or "state[3:7]"."""

    name: str
    start: int | None = None
    stop: int | None = None

    @classmethod
    def parse(cls, text: str) -> "Column":
        """Parse `name` or `name[start:stop]`.

        Raises:
            InputError: `text` has another form.
        """
        match = _SLICE.fullmatch(text) if isinstance(text, str) else None
        if match is None:
            raise InputError(
                f"keys: {text!r} is not a key; expected NAME or NAME[START:STOP], as 'state[:2]'"
            )
        start, stop = (int(match[side]) if match[side] else None for side in ("start", "stop"))
        return cls(match["name"], start, stop)
