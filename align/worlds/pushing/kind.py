"""What a kind of pushing world is: where the T moves, how that looks, and who demonstrates there."""

from abc import ABC, abstractmethod
from collections.abc import Callable

import numpy as np

from align.worlds.pushing.expert import Expert
from align.worlds.pushing.scene import Scene

Pictures = Callable[[np.ndarray], np.ndarray]
"""A state (5,) → (size, size, 3) uint8 RGB."""


class PushingWorld(ABC):
    """A place to demonstrate and to be tested in; its subclasses are dataclasses of numbers."""

    @abstractmethod
    def new_scene(self) -> Scene:
        """A scene of its own mechanics."""

    @abstractmethod
    def pictures(self, size: int, seed: int = 0) -> Pictures:
        """How an episode looks: pictures of `size` px a side, what varies between episodes by `seed`."""

    @abstractmethod
    def expert(self) -> Expert:
        """Who demonstrates; plans with mechanics it knows or believes in."""
