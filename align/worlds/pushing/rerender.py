"""States of a pushing world as pictures, anew: the same scene as another world shows it."""

import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import numpy as np

from align.worlds.pushing.gaps import World
from align.worlds.pushing.kind import PushingWorld
from align.worlds.pushing.look import Look
from align.worlds.pushing.mujoco import Mechanics, MujocoWorld

STATE_SIZE = 5
"""Numbers of a state: pusher x, y and block x, y in px, block angle in rad."""


def recorded_in(attrs: Mapping) -> PushingWorld | None:
    """Where demonstrations were seen, by their attributes; None if that cannot be drawn here."""
    world = attrs.get("world")
    world = world if isinstance(world, Mapping) else {}
    if (look := _settings(Look, world.get("look"))) is not None:
        return World(look=look)
    mechanics = _settings(Mechanics, world.get("mechanics"))
    drawn = mechanics is not None and importlib.util.find_spec("mujoco") is not None
    return MujocoWorld(mechanics=mechanics) if drawn else None


def _settings(kind: type, numbers: Any):
    """Settings of that dataclass from their numbers; None if they are not that."""
    if not isinstance(numbers, Mapping) or not set(numbers) <= {field.name for field in fields(kind)}:
        return None
    return kind(**{name: tuple(v) if isinstance(v, list) else v for name, v in numbers.items()})


def rerender(world: PushingWorld, states: np.ndarray, size: int, seeds: Sequence[int]) -> np.ndarray:
    """Pictures of states.

    Args:
        world: Where they are seen.
        states: (N, K, 5) states, K a window.
        size: Side of the pictures, px.
        seeds: (N,) of the lighting and noise; windows of an episode share theirs.

    Returns:
        (N, K, size, size, 3) uint8.
    """
    draw = {int(seed): world.pictures(size, int(seed)) for seed in set(seeds)}
    return np.stack(
        [
            np.stack([draw[int(seed)](state) for state in window])
            for window, seed in zip(states, seeds, strict=True)
        ]
    )
