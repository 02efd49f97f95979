"""Demonstrations drawn in parallel, in an order that does not depend on it, without those that fall short."""

import contextlib
import itertools
import multiprocessing
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor

from align import own_modules
from align.errors import COUNT, JOBS, InputError, check_numbers
from align.run.opencv import cv2


class Recording:
    """An iterator over `n` good demonstrations: those of attempts 0, 1, 2, ... that do not fall short.

    Args:
        attempt: Makes attempt i: a demonstration, or the reason why there is none. A function of i alone, and
            with several jobs one that can be sent to other processes.
        n: How many demonstrations.
        jobs: Processes. With more than one the caller's main module must be importable.
        expected: What was expected, for the message when nearly all attempts fall short.

    Attributes:
        reasons: How many attempts fell short so far and were replaced, by reason.

    Raises:
        InputError: An argument is out of range, or while iterating: nearly all attempts fall short.
    """

    def __init__(self, attempt: Callable[[int], dict | str], n: int, jobs: int, expected: str):
        check_numbers(COUNT, whole=True, n=n)
        check_numbers(JOBS, whole=True, jobs=jobs)
        self.reasons: Counter[str] = Counter()
        self._left, self._expected = n, expected
        self._attempts = _attempts(attempt, jobs)

    @property
    def rejected(self) -> int:
        """How many attempts fell short so far."""
        return self.reasons.total()

    def __iter__(self) -> Iterator[dict]:
        return self

    def __next__(self) -> dict:
        if not self._left:
            self.close()
            raise StopIteration
        for episode in self._attempts:
            if not isinstance(episode, str):
                self._left -= 1
                return episode
            self.reasons[episode] += 1
            if self.rejected > 50 + 10 * self._left:
                self.close()
                found = ", ".join(f"{n} demonstrations {reason}" for reason, n in self.reasons.items())
                raise InputError(f"{found}; expected {self._expected}")
        raise StopIteration

    def close(self) -> None:
        """Stop the processes; the iterator is then empty."""
        self._attempts.close()


def _attempts(attempt: Callable[[int], dict | str], jobs: int) -> Iterator[dict | str]:
    """Attempts 0, 1, 2, ... without end; at most a few per process are made ahead of need."""
    if jobs == 1:
        yield from map(attempt, itertools.count())
        return
    cv2.getNumThreads()  # where it does not load, that is said here and not by every process
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(jobs, mp_context=context, initializer=_prepare_process)
    with contextlib.closing(_Ahead(pool, attempt, 4 * jobs)) as ahead:
        yield from ahead


def _prepare_process() -> None:
    own_modules.find_last()  # attempts may be a user's
    cv2.setNumThreads(1)


class _Ahead:
    """Results of `task(0)`, `task(1)`, ... in order, `ahead` of them under way."""

    def __init__(self, pool: ProcessPoolExecutor, task, ahead: int):
        self._pool, self._task, self._next = pool, task, ahead
        self._queue = [pool.submit(task, i) for i in range(ahead)]

    def __iter__(self) -> Iterator[dict | str]:
        while True:
            result = self._queue.pop(0).result()
            self._queue.append(self._pool.submit(self._task, self._next))
            self._next += 1
            yield result

    def close(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)
