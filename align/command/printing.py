"""What is printed: names that files hold among it, which may be anything."""

import sys
from collections.abc import Callable, Iterable
from contextlib import redirect_stdout
from functools import partial, wraps
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

    def isatty(self) -> bool:
        """No: nobody is to draw here, or to write in colours; `terminal` is where."""
        return False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def terminal() -> TextIO:
    """Standard output itself, for what draws on it: whatever names it shows are its own to make printable."""
    found = sys.stdout
    while isinstance(found, Printable):
        found = found._stream
    return found


def on_terminal(bars: object) -> None:
    """Have Lightning's progress bars drawn on the terminal itself; they show no names."""
    for name in dir(bars):
        if name.startswith("init_") and callable(begin := getattr(bars, name)):
            setattr(bars, name, wraps(begin)(partial(_begun_there, begin)))
    if hasattr(bars, "_console_kwargs"):  # rich's, which Lightning takes where it is installed
        bars._console_kwargs = {"file": terminal(), **bars._console_kwargs}


def _begun_there(begin: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    with redirect_stdout(terminal()):
        return begin(*arguments, **options)
