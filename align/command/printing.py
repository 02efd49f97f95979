"""What is printed: names that files hold among it, which may be anything."""

from collections.abc import Iterable
from typing import Any, TextIO

from align.errors import printable


class Printable:
    """A stream of text to which nothing is written that a terminal would obey; see `printable`.

    Args:
        stream: Where it goes; all else is asked of it.
    """

    def __init__(self, stream: TextIO):
        self._stream = stream

    def write(self, text: str) -> int:
        """Write a text."""
        return self._stream.write(printable(text))

    def writelines(self, lines: Iterable[str]) -> None:
        """Write texts."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
