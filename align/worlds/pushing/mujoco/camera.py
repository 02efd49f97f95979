"""Pictures of states as MuJoCo draws them: one camera, one lamp, shadows."""

import functools

import numpy as np

from align.worlds.pushing.mujoco.engine import Drawing, mujoco
from align.worlds.pushing.mujoco.mechanics import Mechanics
from align.worlds.pushing.mujoco.model import at_rest, mjcf
from align.worlds.pushing.render import check_size


class Camera:
    """Pictures: calling it with a state (5,) gives (size, size, 3) uint8 RGB.

    A function of the state alone on one machine; another's driver may round differently.

    Args:
        mechanics: Sizes.
        size: Side of the pictures, px.

    Raises:
        InputError: `size` is not an integer of at least 16, or there is nothing to draw with.
    """

    def __init__(self, mechanics: Mechanics | None = None, size: int = 64):
        self.size = check_size(size)
        self._draw = _drawing(mechanics or Mechanics(), self.size)

    def __call__(self, state: np.ndarray) -> np.ndarray:
        return self._draw(state)


@functools.cache
def _drawing(mechanics: Mechanics, size: int):
    """What draws states. It is kept: it takes a moment to make, and few sizes are ever asked for."""
    model = mujoco.MjModel.from_xml_string(mjcf(mechanics))
    data = mujoco.MjData(model)
    drawing = Drawing(model, size)

    def draw(state: np.ndarray) -> np.ndarray:
        data.qpos[:] = at_rest(model, state)
        mujoco.mj_kinematics(model, data)
        mujoco.mj_camlight(model, data)
        return drawing(data)

    return draw
