"""Worlds from their description in a configuration."""

from typing import Literal

from align.errors import InputError
from align.worlds.batch import Worlds
from align.worlds.pushing.batch import PushingWorlds
from align.worlds.pushing.gaps import Gap, World

WorldLike = Gap | World | Worlds | Literal["gym-pusht"]


def make_worlds(world: WorldLike, size: int, difficulty: str) -> Worlds:
    """A batch of worlds.

    Args:
        world: Levels of the gaps between pushing in sim and in this world, a whole pushing world,
            "gym-pusht", or worlds of any kind, given by class path in a configuration.
        size: Side in pixels of the images of a pushing world.
        difficulty: Range of its starts: "easy", "medium" or "full".

    Raises:
        InputError: `world` is none of these.
    """
    if isinstance(world, Worlds):
        return world
    if isinstance(world, Gap):
        return PushingWorlds(world.world(), size, difficulty)
    if isinstance(world, World):
        return PushingWorlds(world, size, difficulty)
    if world == "gym-pusht":
        from align.worlds.pushing.gym_pusht import GymPushTWorlds  # an optional dependency

        return GymPushTWorlds(size, difficulty)
    raise InputError(
        f"world={world!r}: expected a Gap, a World, a class of align.worlds.batch.Worlds or 'gym-pusht'"
    )
