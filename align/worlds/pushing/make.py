"""Worlds from their description in a configuration."""

from typing import Literal

from align.errors import InputError
from align.worlds.pushing.batch import PushingWorlds
from align.worlds.pushing.gaps import Gap, World

WorldLike = Gap | World | Literal["gym-pusht"]


def make_worlds(world: WorldLike, size: int, difficulty: str):
    """A batch of worlds.

    Args:
        world: Levels of the gaps between sim and this world, a whole world, or "gym-pusht".
        size: Side in pixels of the images.
        difficulty: Range of starts: "easy", "medium" or "full".

    Raises:
        InputError: `world` is none of these.
    """
    if isinstance(world, Gap):
        return PushingWorlds(world.world(), size, difficulty)
    if isinstance(world, World):
        return PushingWorlds(world, size, difficulty)
    if world == "gym-pusht":
        from align.worlds.pushing.gym_pusht import GymPushTWorlds  # an optional dependency

        return GymPushTWorlds(size, difficulty)
    raise InputError(f"world={world!r}: expected a Gap, a World or 'gym-pusht'")
