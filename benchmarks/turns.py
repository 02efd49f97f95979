"""Loops that are timed in turns, so that a machine whose speed wanders is as fast for one as for another."""

from collections.abc import Callable

from greenlet import getcurrent, greenlet
from table import failed


class Ended(Exception):
    """Raised in a loop that is not to go on."""


class Loop:
    """A loop that runs while whoever gave it its turn waits.

    All are in one thread, on a stack each: threads would have OpenMP's workers and heaps of their own, too.

    Args:
        run: The loop; it calls what it is given where its turn ends.
    """

    def __init__(self, run: Callable[[Callable[[], None]], None]):
        self.error = ""
        """What a row says of a loop that failed; of the error itself nothing is kept, nor of what it held."""
        self.done, self._over, self._run = False, False, run
        self._stack = greenlet(self._whole)

    def turn(self) -> None:
        """Have it go on to where its turn ends, or to its end."""
        if not self.done:
            self._stack.switch()

    def end(self) -> None:
        """Have it stop where it is."""
        self._over = True
        self.turn()

    def _whole(self) -> None:
        try:
            self._check()
            self._run(self._wait)
        except Ended:
            pass
        except Exception as error:  # for whoever asks; the other loops go on
            self.error = failed(error)
        self.done = True

    def _wait(self) -> None:
        getcurrent().parent.switch()
        self._check()

    def _check(self) -> None:
        if self._over:
            raise Ended


def take_turns(loops: list[Loop], is_late: Callable[[], bool]) -> None:
    """Give each its turn, again and again, until all are done; what is late is ended.

    Args:
        loops: In the order of their turns.
        is_late: Whether no further turn is to begin.
    """
    try:
        while any(not loop.done for loop in loops):
            for loop in loops:
                loop.end() if is_late() else loop.turn()
    finally:
        for loop in loops:
            loop.end()
