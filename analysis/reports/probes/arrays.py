"""What is read of a run's embeddings must be: numbers that can be computed with."""

from pathlib import Path

import numpy as np

from align.errors import InputError

LARGEST = 1e15
"""No network or robot yields more, and its square still fits single precision."""


def check_values(path: Path, name: str, x: np.ndarray) -> None:
    """Refuse an array that is not of rows of numbers.

    Args:
        path: The file that it is from.
        name: Its name there.
        x: The array; (N, ...) where all is well.

    Raises:
        InputError: It has no rows, or holds something else than numbers up to `LARGEST`.
    """
    if x.dtype.kind not in "iuf" or not x.ndim:
        raise InputError(f"{path}: {name} is {x.dtype} of shape {x.shape}; expected real numbers, (N, D)")
    fine = (np.abs(x) <= LARGEST).all(tuple(range(1, x.ndim)))  # NaN is not
    if not fine.all():
        what = f"numbers beyond {LARGEST:g}" if np.isfinite(x).all() else "NaN or infinity"
        raise InputError(
            f"{path}: {name} has {what} in {int(np.sum(~fine))} of {len(x)} rows, expected finite numbers"
        )
