"""Worlds from their description: in a configuration, or in the attributes of what was recorded there."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Literal

import numpy as np

from align.errors import InputError
from align.worlds.batch import Worlds
from align.worlds.pushing.batch import PushingWorlds
from align.worlds.pushing.gaps import Gap, World
from align.worlds.pushing.kind import PushingWorld
from align.worlds.pushing.mujoco import MujocoWorld
from align.worlds.pushing.rerender import STATE_SIZE, recorded_in, rerender

WorldLike = Gap | World | MujocoWorld | Worlds | Literal["gym-pusht", "mujoco"]
Pictures = Callable[[np.ndarray, int, Sequence[int]], np.ndarray]
"""States (N, K, S), side in px and a seed of the lighting each (N,) → (N, K, side, side, 3) uint8."""


def make_worlds(world: WorldLike, size: int, difficulty: str) -> Worlds:
    """A batch of worlds.

    Args:
        world: Levels of the gaps between pushing in sim and in this world, a whole pushing world,
            "mujoco", "gym-pusht", or worlds of any kind, given by class path in a configuration.
        size: Side in pixels of the images of a pushing world.
        difficulty: Range of its starts: "easy", "medium" or "full".

    Raises:
        InputError: `world` is none of these.
    """
    if isinstance(world, Worlds):
        return world
    if isinstance(world, Gap):
        world = world.world()
    if world == "mujoco":
        world = MujocoWorld()
    if isinstance(world, PushingWorld):
        return PushingWorlds(world, size, difficulty)
    if world == "gym-pusht":
        from align.worlds.pushing.gym_pusht import GymPushTWorlds  # an optional dependency

        return GymPushTWorlds(size, difficulty)
    raise InputError(
        f"world={world!r}: expected a Gap, a World, a MujocoWorld, a class of align.worlds.batch.Worlds, "
        "'mujoco' or 'gym-pusht'"
    )


def pictures_of(attrs: Mapping[str, Any], state_size: int) -> Pictures | None:
    """How states look in the world that a store was recorded in; None where nothing here can draw it.

    Args:
        attrs: The store's attributes.
        state_size: Numbers of one of its states.
    """
    world = recorded_in(attrs)
    return None if world is None or state_size != STATE_SIZE else partial(rerender, world)
