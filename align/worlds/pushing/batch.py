"""A batch of pushing worlds stepped together: what rollouts of a policy run in."""

from collections.abc import Sequence

import numpy as np

from align.errors import InputError
from align.seeding import numpy_rng
from align.worlds.batch import Worlds
from align.worlds.pushing.kind import Pictures, PushingWorld
from align.worlds.pushing.outcome import Outcomes
from align.worlds.pushing.render import check_size
from align.worlds.pushing.scene import GOAL, Scene, check_difficulty, sample_start


def start_of_trial(seed: int, difficulty: str) -> np.ndarray:
    """The start state (5,) of a trial: the same in every world for the same seed and difficulty."""
    return sample_start(numpy_rng(int(seed), "trial"), difficulty)


class PushingWorlds(Worlds):
    """N worlds of the same kind, each in a trial of its own.

    Args:
        world: What kind.
        size: Side of the pictures, px.
        difficulty: Range of the starts; see `scene.DIFFICULTIES`.

    Raises:
        InputError: an argument is out of range, or what the world needs is not installed.
    """

    def __init__(self, world: PushingWorld, size: int = 64, difficulty: str = "easy"):
        self.world, self.size, self.difficulty = world, check_size(size), check_difficulty(difficulty)
        world.new_scene()  # what it needs and lacks is said now
        self._scenes: list[Scene] = []
        self._seeds: list[int] = []
        self._pictures: list[Pictures] = []

    def scene(self) -> dict[str, list[float]]:
        """Where the T is to go, as stores of demonstrations say it."""
        return {"goal": GOAL.tolist()}

    def __len__(self) -> int:
        return len(self._scenes)

    def reset(self, seeds: Sequence[int]) -> None:
        """Begin the trials `seeds`: as many worlds as seeds, start and appearance following from each."""
        while len(self._scenes) < len(seeds):
            self._scenes.append(self.world.new_scene())
        del self._scenes[len(seeds) :]
        for scene, seed in zip(self._scenes, seeds, strict=True):
            scene.set_state(start_of_trial(seed, self.difficulty))
        self._seeds = [int(seed) for seed in seeds]
        self._pictures = [self.world.pictures(self.size, seed) for seed in self._seeds]
        self._outcomes = Outcomes(self.state)

    @property
    def state(self) -> np.ndarray:
        """The states now, (N, 5) float64."""
        return np.array([scene.state() for scene in self._scenes]).reshape(-1, 5)

    def observe(self) -> dict[str, np.ndarray]:
        """What a policy sees: image (N, size, size, 3) uint8 and agent_pos (N, 2) float32, px."""
        states = self.state
        images = [draw(state) for draw, state in zip(self._pictures, states, strict=True)]
        return {
            "image": np.array(images, dtype=np.uint8).reshape(-1, self.size, self.size, 3),
            "agent_pos": states[:, :2].astype(np.float32),
        }

    def step(self, actions: np.ndarray) -> None:
        """One control step with `actions` (N, 2), px.

        Raises:
            InputError: `actions` has another shape, or is not finite.
        """
        for scene, action in zip(self._scenes, check_actions(actions, len(self)), strict=True):
            scene.step(action)
        self._outcomes.step(self.state)

    def results(self) -> dict[str, np.ndarray]:
        """How the trials went so far; see `outcome.Outcomes.columns`."""
        return self._outcomes.columns()

    def frame(self, i: int, size: int = 192) -> np.ndarray:
        """World `i` as a picture (size, size, 3) uint8, for people."""
        return self.world.pictures(size, self._seeds[i])(self._scenes[i].state())


def check_actions(actions: np.ndarray, n: int) -> np.ndarray:
    """`actions` as an array (n, 2), or InputError when it is not that or not finite."""
    actions = np.asarray(actions, dtype=float)
    if actions.shape != (n, 2):
        raise InputError(f"actions has shape {actions.shape}; expected ({n}, 2)")
    if not np.isfinite(actions).all():
        raise InputError(f"actions of world {int(np.argmin(np.isfinite(actions).all(1)))} are not finite")
    return actions
