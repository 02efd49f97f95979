"""All that is wrong at once, and not one thing a try."""

from collections.abc import Iterator
from contextlib import contextmanager

from align.errors import InputError, one_line


class Refusals:
    """Collects mistakes that do not depend on each other, to tell them in one line.

    >>> refusals = Refusals()
    >>> with refusals.collected():
    ...     raise InputError("a=1: expected 2")
    >>> with refusals.collected():
    ...     raise InputError("b=3: expected 4")
    >>> refusals.tell()
    Traceback (most recent call last):
    align.errors.InputError: a=1: expected 2; and b=3: expected 4
    """

    def __init__(self):
        self._found: list[str] = []

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self._found)

    @contextmanager
    def collected(self) -> Iterator[None]:
        """Keep an `InputError` for later."""
        try:
            yield
        except InputError as error:
            self._found.append(one_line(error))

    def tell(self) -> None:
        """Raise one `InputError` of all that were kept, if any."""
        if self._found:
            raise InputError("; and ".join(dict.fromkeys(self._found)))
