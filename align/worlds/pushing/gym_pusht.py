"""The public gym-pusht environment as a batch of worlds: a third domain to be tested in."""

import os
from collections.abc import Sequence

import numpy as np

from align.errors import InputError
from align.worlds.batch import Worlds
from align.worlds.pushing.batch import check_actions, start_of_trial
from align.worlds.pushing.outcome import Outcomes
from align.worlds.pushing.render import check_size
from align.worlds.pushing.scene import GOAL, check_difficulty

OWN_STARTS = "gym-pusht"
"""The difficulty that stands for gym-pusht's own starts, those of `env.reset(seed)`."""


def set_state(env, state: np.ndarray) -> None:
    """Put a gym-pusht environment (unwrapped, after a reset) into `state` (5,), exactly and at rest.

    gym-pusht's own `reset_to_state` sets the position before the angle. The angle turns the block about its
    centre of mass, so the block ends up elsewhere.
    """
    x, y, block_x, block_y, angle = (float(value) for value in state)
    env.agent.velocity = (0.0, 0.0)
    env.agent.position = (x, y)
    env.block.velocity = (0.0, 0.0)
    env.block.angular_velocity = 0.0
    env.block.angle = angle
    env.block.position = (block_x, block_y)
    env.space.reindex_shapes_for_body(env.agent)
    env.space.reindex_shapes_for_body(env.block)


class GymPushTWorlds(Worlds):
    """N gym-pusht environments; the interface of `batch.PushingWorlds`.

    Args:
        size: Side of the pictures, px.
        difficulty: Range of the starts, one of `scene.DIFFICULTIES`, which are those of `PushingWorlds` with
            the same seeds; or "gym-pusht" for its own.

    Raises:
        InputError: gym-pusht is not installed, or an argument is out of range.
    """

    def __init__(self, size: int = 96, difficulty: str = "full"):
        self.size = check_size(size)
        self.difficulty = difficulty if difficulty == OWN_STARTS else check_difficulty(difficulty)
        self._make = _environment()
        self._envs: list = []

    def scene(self) -> dict[str, list[float]]:
        """Where the T is to go, which is the same place as in `PushingWorlds`."""
        return {"goal": GOAL.tolist()}

    def __len__(self) -> int:
        return len(self._envs)

    def reset(self, seeds: Sequence[int]) -> None:
        """Begin the trials `seeds`: as many environments as seeds."""
        while len(self._envs) < len(seeds):
            self._envs.append(self._make(obs_type="state"))
        del self._envs[len(seeds) :]
        for env, seed in zip(self._envs, seeds, strict=True):
            env.reset(seed=int(seed))
            if self.difficulty != OWN_STARTS:
                set_state(env, start_of_trial(seed, self.difficulty))
        self._outcomes = Outcomes(self.state)

    def set_states(self, states: np.ndarray) -> None:
        """Begin anew from `states` (N, 5), exactly and at rest."""
        for env, state in zip(self._envs, states, strict=True):
            set_state(env, state)
        self._outcomes = Outcomes(self.state)

    @property
    def state(self) -> np.ndarray:
        """The states now, (N, 5) float64."""
        states = [[*env.agent.position, *env.block.position, env.block.angle] for env in self._envs]
        return np.array(states, dtype=float).reshape(-1, 5)

    def observe(self) -> dict[str, np.ndarray]:
        """What a policy sees: image (N, size, size, 3) uint8 and agent_pos (N, 2) float32, px."""
        images = [self.frame(i, self.size) for i in range(len(self))]
        return {
            "image": np.array(images, dtype=np.uint8).reshape(-1, self.size, self.size, 3),
            "agent_pos": self.state[:, :2].astype(np.float32),
        }

    def step(self, actions: np.ndarray) -> None:
        """One control step with `actions` (N, 2), px.

        Raises:
            InputError: `actions` has another shape, or is not finite.
        """
        for env, action in zip(self._envs, check_actions(actions, len(self)), strict=True):
            env.step(action)
        self._outcomes.step(self.state)

    def results(self) -> dict[str, np.ndarray]:
        """How the trials went so far; see `outcome.Outcomes.columns`."""
        return self._outcomes.columns()

    def frame(self, i: int, size: int = 192) -> np.ndarray:
        """Environment `i` as gym-pusht draws it, (size, size, 3) uint8."""
        env = self._envs[i]
        return env._get_img(env._draw(), width=size, height=size)


def _environment() -> type:
    """gym-pusht's environment class."""
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    try:
        from gym_pusht.envs import PushTEnv
    except ImportError as error:
        message = (
            "gym-pusht is not installed; expected it for this world: pip install -e '.[pusht]' in a checkout"
        )
        raise InputError(message) from error
    return PushTEnv
