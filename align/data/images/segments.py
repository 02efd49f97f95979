"""Images of several stores as one sequence of frames, each where it lies: in memory, or in a mapped file."""

from collections.abc import Sequence

import numpy as np


class Segments:
    """Arrays of images, one behind the other, which are never copied into one.

    Args:
        arrays: (Tk, H, W, C) uint8 of each store, alike in H, W and C.
    """

    def __init__(self, arrays: Sequence[np.ndarray]):
        self.arrays = list(arrays)

    @property
    def shape(self) -> tuple[int, ...]:
        """(T, H, W, C) of all."""
        return (sum(map(len, self.arrays)), *self.arrays[0].shape[1:])

    def __len__(self) -> int:
        """Frames T."""
        return self.shape[0]
