"""States of a pushing world as pictures, anew: the same scene with another world's look."""

from collections.abc import Mapping, Sequence
from dataclasses import fields

import numpy as np

from align.worlds.pushing.look import Look
from align.worlds.pushing.render import Renderer

STATE_SIZE = 5
"""Numbers of a state: pusher x, y and block x, y in px, block angle in rad."""


def look_of(attrs: Mapping) -> Look | None:
    """The look of the world that demonstrations were made in, by their attributes; None if it was none."""
    world = attrs.get("world")
    look = world.get("look") if isinstance(world, Mapping) else None
    if not isinstance(look, Mapping) or not set(look) <= {field.name for field in fields(Look)}:
        return None
    return Look(**{name: tuple(v) if isinstance(v, list) else v for name, v in look.items()})


def rerender(look: Look, states: np.ndarray, size: int, seeds: Sequence[int]) -> np.ndarray:
    """Pictures of states.

    Args:
        look: How the scene appears.
        states: (N, K, 5) states, K a window.
        size: Side of the pictures, px.
        seeds: (N,) of the lighting and noise; windows of an episode share theirs.

    Returns:
        (N, K, size, size, 3) uint8.
    """
    renderers = {int(seed): Renderer(look, size, int(seed)) for seed in set(seeds)}
    return np.stack(
        [
            np.stack([renderers[int(seed)](state) for state in window])
            for window, seed in zip(states, seeds, strict=True)
        ]
    )
