"""One T and one pusher in MuJoCo; the interface of `kind.Scene`."""

import math

import numpy as np

from align.worlds.pushing.mujoco.engine import mujoco
from align.worlds.pushing.mujoco.mechanics import Mechanics
from align.worlds.pushing.mujoco.model import MM, at_rest, build
from align.worlds.pushing.scene import CONTROL_HZ, PUSHER_RANGE


class MujocoScene:
    """One T on a table, a pusher that a servo moves, four walls.

    The T is a free body: it may slide, turn, tip and be lifted. The servo's target moves at constant speed to
    where an action says, within the control step if its speed limit allows; the pusher follows.

    Args:
        mechanics: Sizes, masses and friction.
    """

    def __init__(self, mechanics: Mechanics | None = None):
        self.mechanics = mechanics or Mechanics()
        self.model = build(self.mechanics)
        self.data = mujoco.MjData(self.model)
        self._substeps = round(1000 / CONTROL_HZ / self.mechanics.time_step)
        self._angle = 0.0

    def set_state(self, state: np.ndarray) -> None:
        """Put pusher and T where `state` (5,) says, at rest and with nothing remembered."""
        mujoco.mj_resetData(self.model, self.data)
        self.data.qpos[:] = at_rest(self.model, state)
        self.data.act[:] = self.data.qpos[-2:]
        self._angle = float(state[4])

    def state(self) -> np.ndarray:
        """The state (5,) now. The angle is not wrapped."""
        x, y, _, w, a, b, c, pusher_x, pusher_y = self.data.qpos
        angle = -math.atan2(2 * (w * c + a * b), 1 - 2 * (b * b + c * c))
        self._angle += math.remainder(angle - self._angle, 2 * math.pi)
        return np.array([pusher_x / MM, -pusher_y / MM, x / MM, -y / MM, self._angle])

    def step(self, action: np.ndarray) -> None:
        """Move the servo's target towards `action` (2,) for one control step, pushing what is in its way."""
        low, high = PUSHER_RANGE
        target = np.clip(np.asarray(action, float), low, high) * [MM, -MM]
        way = target - self.data.act
        speed = np.linalg.norm(way) * CONTROL_HZ
        limit = self.mechanics.speed_limit * MM
        self.data.ctrl[:] = way * CONTROL_HZ * min(1.0, limit / max(speed, limit))
        mujoco.mj_step(self.model, self.data, self._substeps)
        self.state()  # follows turns, of which a control step is too short for half a one
