"""A batch of worlds stepped together: what policies are rolled out in, whatever the worlds are."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from align.errors import InputError

RESERVED = ("world", "trial", "seed")
"""Columns of `rollouts.csv` that say which trial it is."""
START = "start_score"
"""The column of `rollouts.csv` that says what the score was before the first action."""


class Worlds(ABC):
    """N worlds of one kind, each in a trial of its own.

    A class of your own is evaluated like those of `align.worlds`, named by its class path where worlds are
    configured. Its `observe` gives what its demonstrations hold (the store's agent_pos and img).
    """

    @abstractmethod
    def reset(self, seeds: Sequence[int]) -> None:
        """Begin the trials `seeds`: as many worlds as seeds; all of a trial follows from its own seed."""

    @abstractmethod
    def observe(self) -> dict[str, np.ndarray]:
        """What a policy sees now: agent_pos (N, P) and, where there are images, image (N, H, W, C) uint8."""

    @abstractmethod
    def step(self, actions: np.ndarray) -> None:
        """One control step with `actions` (N, A), float64, in the units of the demonstrations."""

    @abstractmethod
    def results(self) -> Mapping[str, np.ndarray]:
        """How the trials went so far, a column (N,) each, for `rollouts.csv`.

        "score", in [0, 1], and at least one column whose name begins with "success", 0 or 1, are needed: the
        first such column is the one that reports show. "held" is 0 or 1 too; all else is any number.
        """

    def paths(self) -> list[np.ndarray] | None:
        """The executed path (T, D) of each trial until its end, for measures of smoothness, or None."""
        return None

    def scene(self) -> Mapping[str, Any]:
        """What attributes of a store say of the same scene, e.g. {"goal": [256, 256, 0.785]}; plain data.

        Where a store's attributes of these names say something else, training warns that a policy has learnt
        another goal. Nothing by default.
        """
        return {}

    def frame(self, i: int, size: int) -> np.ndarray | None:
        """World `i` as a picture (size, size, 3) uint8 for films, or None where it cannot be drawn."""
        return None


def is_rate(column: str) -> bool:
    """Whether a column of `results` is 0 or 1 in each trial, so that its mean is a rate."""
    return column.startswith("success") or column == "held"


def shown_success(columns: Iterable[str]) -> str | None:
    """The success that reports show of a world: the first column of its `results` that is named so."""
    return next((name for name in columns if name.startswith("success")), None)


def check_results(results: Mapping[str, np.ndarray], n: int, world: str) -> dict[str, np.ndarray]:
    """The results of `n` trials as arrays (n,).

    Args:
        results: As `Worlds.results` returns them.
        n: Number of trials.
        world: Name of the world, for messages.

    Raises:
        InputError: A column is missing, of another length, not finite or out of range, or misnamed.
    """
    columns = {name: np.asarray(values) for name, values in results.items()}
    if "score" not in columns or shown_success(columns) is None:
        raise InputError(f"results of {world!r}: {sorted(columns)}; expected score and one named success...")
    for name, values in columns.items():
        label = f"results of {world!r}: {name}"
        if name in (*RESERVED, START):
            raise InputError(f"{label} is taken; expected another name than {', '.join((*RESERVED, START))}")
        if "/" in name:
            raise InputError(f"{label} has a slash in its name; expected a name without")
        if values.shape != (n,) or values.dtype.kind not in "buif":
            raise InputError(f"{label} is {values.dtype} of shape {values.shape}; expected {n} numbers")
        if not np.isfinite(values).all():
            raise InputError(f"{label} has NaN or infinite values; expected finite numbers")
        if name == "score" and not ((values >= 0) & (values <= 1)).all():
            raise InputError(f"{label} is {values.min():g} to {values.max():g}; expected 0 to 1")
        if is_rate(name) and not np.isin(values, (0, 1)).all():
            raise InputError(
                f"{label} is {values.min():g} to {values.max():g}; expected 0 or 1 in each trial"
            )
    return columns
