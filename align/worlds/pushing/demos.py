"""Demonstrations of the expert in a world, drawn in parallel and in an order that does not depend on it."""

import contextlib
import functools
import itertools
import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor

import cv2
import numpy as np

from align.errors import InputError
from align.seeding import numpy_rng
from align.worlds.pushing.expert import Expert
from align.worlds.pushing.gaps import World
from align.worlds.pushing.geometry import coverage
from align.worlds.pushing.render import Renderer, check_size
from align.worlds.pushing.scene import check_difficulty, sample_start

GOOD_COVERAGE = 0.90
"""Coverage a demonstration must end with to be kept."""


class Recording:
    """An iterator over `n` good demonstrations; see `record`.

    Attributes:
        rejected: How many demonstrations fell short so far and were replaced.
    """

    def __init__(
        self, world: World, n: int, seed: int, size: int, difficulty: str, jobs: int, max_steps: int
    ):
        for name, value in (("n", n), ("jobs", jobs), ("max_steps", max_steps)):
            if not isinstance(value, int) or value < 1:
                raise InputError(f"{name} is {value!r}; expected a positive integer")
        if not isinstance(seed, int) or seed < 0:
            raise InputError(f"seed is {seed!r}; expected a non-negative integer")
        self.rejected = 0
        self._left = n
        self._attempts = self._run(
            jobs, (world, seed, check_size(size), check_difficulty(difficulty), max_steps)
        )

    def __iter__(self) -> Iterator[dict]:
        return self

    def __next__(self) -> dict:
        if not self._left:
            self.close()
            raise StopIteration
        for episode in self._attempts:
            if episode is not None:
                self._left -= 1
                return episode
            self.rejected += 1
            if self.rejected > 50 + 10 * self._left:
                self.close()
                raise InputError(
                    f"{self.rejected} demonstrations ended with coverage below {GOOD_COVERAGE:g}; "
                    "expected a world in which its expert succeeds"
                )
        raise StopIteration

    def close(self) -> None:
        """Stop the processes; the iterator is then empty."""
        self._attempts.close()

    def _run(self, jobs: int, job: tuple) -> Iterator[dict | None]:
        """Attempts 0, 1, 2, ... without end; at most a few per process are made ahead of need."""
        attempt = functools.partial(_attempt, *job)
        if jobs == 1:
            yield from map(attempt, itertools.count())
            return
        context = multiprocessing.get_context("spawn")
        pool = ProcessPoolExecutor(jobs, mp_context=context, initializer=cv2.setNumThreads, initargs=(1,))
        with contextlib.closing(_Ahead(pool, attempt, 4 * jobs)) as ahead:
            yield from ahead


class _Ahead:
    """Results of `task(0)`, `task(1)`, ... in order, `ahead` of them under way."""

    def __init__(self, pool: ProcessPoolExecutor, task, ahead: int):
        self._pool, self._task, self._next = pool, task, ahead
        self._queue = [pool.submit(task, i) for i in range(ahead)]

    def __iter__(self) -> Iterator[dict | None]:
        while True:
            result = self._queue.pop(0).result()
            self._queue.append(self._pool.submit(self._task, self._next))
            self._next += 1
            yield result

    def close(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)


def record(
    world: World,
    n: int,
    seed: int,
    size: int = 64,
    difficulty: str = "easy",
    jobs: int = 1,
    max_steps: int = 200,
) -> Recording:
    """Demonstrations of the expert of `world`, the same ones in the same order whatever `jobs` is.

    Only those that end with coverage of at least 0.90 count; others are replaced by the next ones.

    Args:
        world: Where to demonstrate.
        n: How many good demonstrations.
        seed: Of the whole recording; attempt i is a function of (seed, i).
        size: Side of the pictures, px.
        difficulty: Range of the starts; see `scene.DIFFICULTIES`.
        jobs: Processes. With more than one the caller's main module must be importable.
        max_steps: Control steps, without the final hold, after which the expert gives up.

    Returns:
        An iterator of dicts img (T, size, size, 3) uint8, state (T, 5) float32, action (T, 2) float32
        and seed (the attempt's number, int), with an attribute `rejected`.

    Raises:
        InputError: an argument is out of range, or the expert keeps failing.
    """
    return Recording(world, n, seed, size, difficulty, jobs, max_steps)


@functools.lru_cache(maxsize=2)
def _expert(world: World) -> Expert:
    return Expert(world.physics, world.style)


def _attempt(world: World, seed: int, size: int, difficulty: str, max_steps: int, i: int) -> dict | None:
    """Attempt `i` of a recording, or None when it fell short."""
    rng = numpy_rng(seed, "demonstrations", i)
    start = sample_start(rng, difficulty)
    states, actions = _expert(world).demonstrate(start, rng, max_steps)
    if coverage(states[-1, 2:]) < GOOD_COVERAGE:
        return None
    renderer = Renderer(world.look, size, int(rng.integers(2**31)))
    return {
        "img": np.stack([renderer(state) for state in states]),
        "state": states.astype(np.float32),
        "action": actions.astype(np.float32),
        "seed": i,
    }
