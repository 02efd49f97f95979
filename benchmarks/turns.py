"""Loops that are timed in turns, so that a machine whose speed wanders is as fast for one as for another."""

import threading
from collections.abc import Callable


class Ended(Exception):
    """Raised in a loop that is not to go on."""


class Loop:
    """A loop in a thread of its own, which runs while whoever gave it its turn waits.

    Args:
        run: The loop; it calls what it is given where its turn ends.
    """

    def __init__(self, run: Callable[[Callable[[], None]], None]):
        self.error: Exception | None = None
        self.done, self._over = False, False
        self._turn, self._back = threading.Semaphore(0), threading.Semaphore(0)
        threading.Thread(target=self._run, args=(run,), daemon=True).start()

    def turn(self) -> None:
        """Have it go on to where its turn ends, or to its end."""
        if not self.done:
            self._turn.release()
            self._back.acquire()

    def end(self) -> None:
        """Have it stop where it is."""
        self._over = True
        self.turn()

    def _run(self, run: Callable[[Callable[[], None]], None]) -> None:
        try:
            self._begin()
            run(self._wait)
        except Ended:
            pass
        except Exception as error:  # for whoever asks; the other loops go on
            self.error = error
        self.done = True
        self._back.release()

    def _wait(self) -> None:
        self._back.release()
        self._begin()

    def _begin(self) -> None:
        self._turn.acquire()
        if self._over:
            raise Ended


def take_turns(loops: list[Loop], is_late: Callable[[], bool]) -> None:
    """Give each its turn, again and again, until all are done; what is late is ended.

    Args:
        loops: In the order of their turns.
        is_late: Whether no further turn is to begin.
    """
    while any(not loop.done for loop in loops):
        for loop in loops:
            loop.end() if is_late() else loop.turn()
