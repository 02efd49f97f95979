"""Long work that says it is still at it, and takes no more threads than it was given."""

import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from align.errors import InputError

SECONDS = 10.0
"""Longest silence."""

T = TypeVar("T")


def with_progress(items: Iterable[T], n: int) -> Iterator[T]:
    """What comes one at a time, with a line of how much and how long is left printed every few seconds.

    Args:
        items: What comes.
        n: How many there are.
    """
    started = last = time.perf_counter()
    for i, item in enumerate(items, start=1):
        yield item
        now = time.perf_counter()
        if now - last > SECONDS:
            last = now
            print(f"  {i}/{n}, {(now - started) / i * (n - i):.0f} s left", flush=True)


@contextmanager
def telling(what: str, seconds: float = SECONDS) -> Iterator[None]:
    """Print a line every few seconds, as long as this lasts; a plain one, so that logs can be read.

    Args:
        what: What is being done.
        seconds: Time between two lines.
    """
    done, started = threading.Event(), time.perf_counter()

    def tell() -> None:
        while not done.wait(seconds):
            print(f"{what}: {time.perf_counter() - started:.0f} s so far", flush=True)

    thread = threading.Thread(target=tell, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


@contextmanager
def pinned(threads: int) -> Iterator[None]:
    """Compute on so many threads: more of them than idle cores make small matrices slower, not faster.

    Raises:
        InputError: There are none.
    """
    if threads < 1:
        raise InputError(f"threads={threads}: expected 1 or more")
    from threadpoolctl import threadpool_limits

    with threadpool_limits(threads):
        yield
