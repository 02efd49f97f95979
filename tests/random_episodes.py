"""Demonstrations that mean nothing."""

import numpy as np


def random_episode(rng: np.random.Generator, length: int = 20, size: int = 16, action_dim: int = 2) -> dict:
    """A random walk of the pusher, images that carry nothing; Push-T's by its `n_contacts`."""
    position = 256 + rng.normal(0, 10, (length + 1, 2)).cumsum(axis=0)
    pose = np.concatenate([position[:-1], rng.uniform(100, 400, (length, 3))], axis=1)
    action = np.resize(position[1:], (length, action_dim))
    return {
        "img": rng.integers(0, 256, (length, size, size, 3), dtype=np.uint8),
        "state": pose.astype(np.float32),
        "action": action.astype(np.float32),
        "n_contacts": np.zeros((length, 1), np.float32),
    }
