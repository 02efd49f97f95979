"""Random windows of two labels, which are alike within an episode."""

import numpy as np


def clustered(seed=0, episodes=(10, 10), size=8, shift=0.0, spread=0.5, dims=5):
    """Features (N, D), labels (N,) and episodes (N,): `size` windows of each episode of both labels.

    An episode has an offset of size `spread`; the second label is moved by `shift` along the first feature.
    """
    rng = np.random.default_rng(seed)
    cluster = np.repeat(np.arange(sum(episodes)), size)
    label = (cluster >= episodes[0]).astype(int)
    x = spread * rng.normal(size=(sum(episodes), dims))[cluster] + rng.normal(size=(len(cluster), dims))
    x[:, 0] += shift * label
    return x, label, cluster
