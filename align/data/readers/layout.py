"""Which arrays of four axes are images, and how they lie: channels last, or first as in torch."""

from collections.abc import Sequence

import numpy as np

CHANNELS = (1, 3, 4)
"""How many an image may have."""


def picture_shape(shape: Sequence[int]) -> tuple[int, int, int] | None:
    """(H, W, C) of an array (T, H, W, C) or (T, C, H, W); None if it holds no images.

    An array that could be either is (T, H, W, C).

    >>> picture_shape((9, 48, 64, 3)), picture_shape((9, 3, 48, 64)), picture_shape((9, 48, 64, 7))
    ((48, 64, 3), (48, 64, 3), None)
    """
    if len(shape) != 4 or 0 in shape[1:]:
        return None
    _, first, second, last = shape
    if last in CHANNELS:
        return first, second, last
    return (second, last, first) if first in CHANNELS else None


def channels_last(block: np.ndarray) -> np.ndarray:
    """Images of such an array as (n, H, W, C); a view."""
    return block if block.shape[3] in CHANNELS else np.moveaxis(block, 1, 3)
