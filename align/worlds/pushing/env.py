"""One pushing world as a Gymnasium environment, registered as `align/Pushing-v0`."""

from typing import Any

import gymnasium
import numpy as np

from align.errors import InputError
from align.worlds.pushing.batch import check_actions
from align.worlds.pushing.gaps import Gap
from align.worlds.pushing.geometry import PUSHER_RADIUS, WORKSPACE, coverage, pose_error
from align.worlds.pushing.kind import PushingWorld
from align.worlds.pushing.render import check_size
from align.worlds.pushing.scene import check_difficulty, sample_start

SUCCESS_COVERAGE = 0.95
ENV_ID = "align/Pushing-v0"


class PushingEnv(gymnasium.Env):
    """Push the T to its goal; reward, success and end as in gym-pusht.

    The reward is coverage / 0.95, at most 1; the episode terminates above coverage 0.95. Observations are
    `image` (size, size, 3) uint8 and `agent_pos` (2,) float32, px; actions are target pusher positions
    (2,), px. `reset(options={"state": (5,)})` starts from a given state.

    Args:
        world: The world; overrides the levels.
        visual, physics: Levels of the gap to the default target world, when `world` is not given.
        size: Side of the pictures, px.
        difficulty: Range of the starts; see `scene.DIFFICULTIES`.
        render_mode: "rgb_array" or None.

    Raises:
        InputError: an argument is out of range.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012 (Gymnasium's own convention)

    def __init__(
        self,
        world: PushingWorld | None = None,
        visual: float = 0.0,
        physics: float = 0.0,
        size: int = 96,
        difficulty: str = "easy",
        render_mode: str | None = None,
    ):
        if render_mode not in (None, "rgb_array"):
            raise InputError(f"render_mode is {render_mode!r}; expected 'rgb_array' or None")
        self.world = world or Gap(visual=visual, physics=physics).world()
        self.size, self.difficulty = check_size(size), check_difficulty(difficulty)
        self.render_mode = render_mode
        self.observation_space = gymnasium.spaces.Dict(
            {
                "image": gymnasium.spaces.Box(0, 255, (self.size, self.size, 3), np.uint8),
                "agent_pos": gymnasium.spaces.Box(0.0, WORKSPACE, (2,), np.float32),
            }
        )
        self.action_space = gymnasium.spaces.Box(0.0, WORKSPACE, (2,), np.float32)
        self._scene = self.world.new_scene()
        self._draw = self.world.pictures(self.size)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Begin an episode from a start that follows from `seed`, or from `options["state"]` (5,)."""
        super().reset(seed=seed)
        start = sample_start(self.np_random, self.difficulty)
        if options and options.get("state") is not None:
            start = _check_state(options["state"])
        self._draw = self.world.pictures(self.size, int(self.np_random.integers(2**31)))
        self._scene.set_state(start)
        return self._observation(), self._info()

    def step(self, action: np.ndarray) -> tuple[dict[str, np.ndarray], float, bool, bool, dict[str, Any]]:
        """One control step (0.1 s) towards `action` (2,), px."""
        self._scene.step(check_actions(np.asarray(action)[None], 1)[0])
        info = self._info()
        reward = min(info["coverage"] / SUCCESS_COVERAGE, 1.0)
        return self._observation(), reward, info["is_success"], False, info

    def render(self) -> np.ndarray | None:
        """The picture now, (size, size, 3) uint8, when `render_mode` is "rgb_array"."""
        return self._draw(self._scene.state()) if self.render_mode == "rgb_array" else None

    def _observation(self) -> dict[str, np.ndarray]:
        state = self._scene.state()
        return {"image": self._draw(state), "agent_pos": state[:2].astype(np.float32)}

    def _info(self) -> dict[str, Any]:
        state = self._scene.state()
        covered = float(coverage(state[2:]))
        millimetres, degrees = pose_error(state[2:])
        return {
            "state": state,
            "coverage": covered,
            "is_success": covered > SUCCESS_COVERAGE,
            "position_error_mm": float(millimetres),
            "angle_error_deg": float(degrees),
        }


def _check_state(state: Any) -> np.ndarray:
    try:
        values = np.asarray(state, dtype=float)
    except (TypeError, ValueError):
        values = np.array(np.nan)
    if values.shape != (5,) or not np.isfinite(values).all():
        raise InputError(f"options['state'] is {state!r}; expected 5 finite numbers")
    if not ((values[:4] >= PUSHER_RADIUS) & (values[:4] <= WORKSPACE - PUSHER_RADIUS)).all():
        raise InputError(f"options['state'] is {state!r}; expected positions inside the workspace")
    return values


def register() -> None:
    """Make `gymnasium.make(ENV_ID)` work; importing `align.worlds.pushing` calls it."""
    if ENV_ID not in gymnasium.registry:
        gymnasium.register(ENV_ID, entry_point=f"{__name__}:PushingEnv", max_episode_steps=300)
