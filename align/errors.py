"""The exceptions that end a command with one line, and the check of numbers that raises one.

They are a user's mistake, and work that is not finished.
"""

import re
import reprlib
from numbers import Integral, Real
from typing import Any


class InputError(ValueError):
    """Input that cannot be used.

    Its message is one line that names the argument, the value received and what was expected. The
    command line prints that line, without a traceback, and exits non-zero.
    """


class Unfinished(Exception):
    """Work that was stopped before its end and can go on; nothing is wrong.

    Args:
        message: One line: what stopped it, and how it goes on.
        status: Exit status of the command.
    """

    def __init__(self, message: str, status: int):
        super().__init__(message)
        self.status = status


def one_line(error: BaseException) -> str:
    """The message of an error without line breaks; of an `InputError` behind it, that one's message."""
    return " ".join(str(mistake_behind(error) or error).split())


def printable(text: str) -> str:
    """A text in which what a terminal would obey, and not show, is written out as JSON writes it.

    Names in files that others made may hold it: it could clear what was printed, or change what is read.
    """
    return _OBEYED.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


_OBEYED = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Control characters but for tabs and ends of lines, and those that turn the direction of writing."""


def shown(value: Any) -> str:
    """A value for a message, as Python writes it; of a long text, list or mapping the beginning."""
    return _BRIEF.repr(value)


_BRIEF = reprlib.Repr()
_BRIEF.maxlevel, _BRIEF.maxdict, _BRIEF.maxlist, _BRIEF.maxstring, _BRIEF.maxother = 3, 4, 8, 120, 120


def mistake_behind(error: BaseException) -> InputError | None:
    """The `InputError` that an error is or was raised from, if any."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, InputError):
        cause = cause.__cause__ or cause.__context__
    return cause


def is_out_of_memory(error: BaseException) -> bool:
    """Whether NumPy, or PyTorch on a CPU or a GPU, was refused memory."""
    of_torch = type(error).__name__ == "OutOfMemoryError" or "can't allocate memory" in str(error)
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and of_torch)


SIZE = "[1, 65536]"
"""Of layers, pictures and windows, of which no larger ones are made."""
COUNT = "[1, 1e9]"
"""Of steps, trials and demonstrations."""
SEED = "[0, 1e18]"
JOBS = "[1, 4096]"
"""Of processes, or threads, of one machine."""

_INTERVAL = re.compile(r"([\[(])\s*(\S+),\s*(\S+)([\])])")


def check_numbers(interval: str, whole: bool = False, **numbers: Any) -> None:
    """Refuse numbers that make no sense, at the top of what takes them: NaN, infinity, out of range.

    Args:
        interval: In which they make sense, e.g. "[0, 1)" or "(0, inf)"; infinity itself is never within.
        whole: Whether they are whole numbers.
        **numbers: The arguments by name; `None` is an option that was not given. Of a sequence or a
            mapping each entry is checked.

    Raises:
        InputError: One is outside, or is no number.
    """
    left, low, high, right = _INTERVAL.fullmatch(interval).groups()
    kind = "whole number" if whole else "number"
    for name, value in numbers.items():
        entries = value.values() if isinstance(value, dict) else value
        for number in entries if isinstance(value, list | tuple | dict) else [value]:
            if number is not None and not (
                _is_number(number, whole)
                and abs(number) < float("inf")
                and (float(low) <= number if left == "[" else float(low) < number)
                and (number <= float(high) if right == "]" else number < float(high))
            ):
                raise InputError(f"{name}={_short(value)}: expected a {kind} in {interval}")


def _is_number(value: Any, whole: bool) -> bool:
    return isinstance(value, Integral if whole else Real) and not isinstance(value, bool)


def _short(value: Any) -> str:
    """A value for a message: huge whole numbers as powers of ten."""
    return f"{float(value):g}" if isinstance(value, int) and abs(value) >= 10**12 else shown(value)
