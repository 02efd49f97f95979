"""Pixels that are not stored as uint8."""

from collections.abc import Callable

import numpy as np

from align.data.readers.reader import Reader

DARK = 16
"""Pixels of 0 to 255 in another type than uint8 that stay below are taken for another unit's."""


def pixel_scale(reader: Reader, label: str, first: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """How pixels become uint8, decided by the first block and demanded of all others.

    Args:
        reader: Whose they are, for messages.
        label: What the array is called there.
        first: Its first block.

    Raises:
        InputError: They are in another unit; the function that comes back raises it over values outside.
    """
    unit = first.dtype.kind == "f" and first.max() <= 1
    if not unit and first.max() <= DARK:  # of 255, or rather in another unit: it would be all but black
        found = f"{first.dtype} pixels up to {first.max():g}"
        reader._refuse(label, f"has {found}, as depth in metres; expected 0 to 1, or 0 to 255")
    high = 1 if unit else 255

    def convert(block: np.ndarray) -> np.ndarray:
        low, top = block.min(), block.max()
        if not (low >= 0 and top <= high):  # so written that NaN fails it
            reader._refuse(label, f"has pixels from {low:g} to {top:g}; expected 0 to {high} and no NaN")
        return np.rint(block * 255 if unit else block).astype(np.uint8)

    return convert
