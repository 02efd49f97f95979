"""The same T in another physics engine with another renderer, MuJoCo (the extra `mujoco`).

Nothing here is a dial between two ends: sizes, masses, friction and the camera are those that a tabletop of
this kind has, given in SI units, and none was chosen to be near to or far from the other pushing worlds.
"""

from align.worlds.pushing.mujoco.mechanics import Mechanics
from align.worlds.pushing.mujoco.world import MujocoWorld

__all__ = ["Mechanics", "MujocoWorld"]
