"""Which episodes are trained on, and which are held out."""

import numpy as np

from align.data.episodes import Episodes
from align.errors import InputError
from align.seeding import numpy_rng

PROBED_EPISODES = 4
"""Held-out episodes of a domain that a probe needs; fewer leave no honest split."""


def split(
    episodes: Episodes, validation: int | float = 0.1, max_demos: int | None = None, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Split episodes into training and held-out validation.

    Validation is chosen first, from (seed) alone, so it is the same for every `max_demos`; the training
    episodes of a smaller `max_demos` are a subset of those of a larger one.

    Args:
        episodes: The episodes of one domain.
        validation: Held-out episodes: an integer counts them. A float > 0 is their share, but for a probe's
            sake at least `PROBED_EPISODES`, or a third of a store that has few, or one.
        max_demos: Train on at most so many episodes; None takes all that are left.
        seed: Seed of the permutation.

    Returns:
        Episode numbers for training and for validation, each increasing, int64.

    Raises:
        InputError: `validation` or `max_demos` is out of range, or nothing is left to train on.
    """
    order, held_out = shuffled(episodes, validation, seed)
    check_enough(max_demos, len(order), episodes.path)
    return np.sort(order[:max_demos]), held_out


def check_enough(max_demos: int | None, left: int, path: str) -> None:
    """Refuse to train on more episodes than there are: the run would be taken for one of so many.

    Raises:
        InputError: There are fewer, or `max_demos` is below 1.
    """
    if max_demos is not None and not 1 <= max_demos <= left:
        raise InputError(
            f"max_demos={max_demos} of {path}: {left} episodes are left to train on; expected 1 to {left}, "
            "or null for all of them"
        )


def shuffled(episodes: Episodes, validation: int | float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Episodes to train on, in a random order, and the held-out ones, increasing; see `split`."""
    n = episodes.n_episodes
    if isinstance(validation, bool) or not (
        validation >= 0 and (isinstance(validation, int) or validation < 1)
    ):
        raise InputError(f"validation: {validation}; expected a number of episodes or a share in [0, 1)")
    least = max(1, min(PROBED_EPISODES, n // 3)) if validation > 0 else 0
    held_out = validation if isinstance(validation, int) else max(round(validation * n), least)
    if held_out >= n:
        raise InputError(
            f"validation: {validation} holds out {held_out} of the {n} episodes of {episodes.path};"
            " expected at least one to be left for training"
        )
    order = numpy_rng(seed, "split").permutation(n)
    return order[held_out:], np.sort(order[:held_out])
