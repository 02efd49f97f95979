"""Waiting for what happens, on a machine however busy; only what never comes takes the time."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
LONG = 600.0
"""Seconds after which something hangs, also on a slow and busy machine."""


def until(condition: Callable[[], T], seconds: float = LONG, every: float = 0.02) -> T:
    """What `condition()` returns, once it is true."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "nothing happened in time"
        time.sleep(every)
    return found
