"""Demonstrations of the expert in a world, drawn in parallel and in an order that does not depend on it."""

import functools

import numpy as np

from align.errors import COUNT, SEED, check_numbers
from align.seeding import numpy_rng
from align.worlds.pushing.expert import Expert
from align.worlds.pushing.geometry import coverage
from align.worlds.pushing.kind import PushingWorld
from align.worlds.pushing.render import check_size
from align.worlds.pushing.scene import check_difficulty, sample_start
from align.worlds.recording import Recording

GOOD_COVERAGE = 0.90
"""Coverage a demonstration must end with to be kept."""


def record(
    world: PushingWorld,
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
        and seed (the attempt's number, int), with an attribute `rejected`, the number replaced.

    Raises:
        InputError: an argument is out of range, or the expert keeps failing.
    """
    check_numbers(COUNT, whole=True, max_steps=max_steps)
    check_numbers(SEED, whole=True, seed=seed)
    attempt = functools.partial(
        _attempt, world, seed, check_size(size), check_difficulty(difficulty), max_steps
    )
    return Recording(attempt, n, jobs, "a world in which its expert succeeds")


@functools.lru_cache(maxsize=2)
def _expert(world: PushingWorld) -> Expert:
    return world.expert()


def _attempt(
    world: PushingWorld, seed: int, size: int, difficulty: str, max_steps: int, i: int
) -> dict | str:
    """Attempt `i` of a recording, or how it fell short."""
    rng = numpy_rng(seed, "demonstrations", i)
    start = sample_start(rng, difficulty)
    states, actions = _expert(world).demonstrate(start, rng, max_steps, world.new_scene())
    if coverage(states[-1, 2:]) < GOOD_COVERAGE:
        return f"ended with coverage below {GOOD_COVERAGE:g}"
    draw = world.pictures(size, int(rng.integers(2**31)))
    return {
        "img": np.stack([draw(state) for state in states]),
        "state": states.astype(np.float32),
        "action": actions.astype(np.float32),
        "seed": i,
    }
