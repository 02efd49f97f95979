"""Distance between the distributions of sim and real embeddings, in NumPy.

The kernel is k(x, y) = exp(-|x - y|^2 / s^2) with s^2 the median squared distance of the pooled
windows (the median heuristic).
"""

import numpy as np

from align.seeding import numpy_rng


def squared_distances(x: np.ndarray) -> np.ndarray:
    """Squared Euclidean distances (N, N) between the rows of `x` (N, D)."""
    x = x.astype(np.float64) - x.mean(0, dtype=np.float64)  # centred: less cancellation below
    norms = np.einsum("nd,nd->n", x, x)
    d2 = np.maximum(norms[:, None] + norms[None] - 2 * x @ x.T, 0)
    np.fill_diagonal(d2, 0)
    return d2


def mmd2(
    x: np.ndarray, label: np.ndarray, cluster: np.ndarray, seed: int = 0, draws: int = 1000
) -> tuple[float, np.ndarray, float]:
    """Unbiased MMD^2 between label 0 and label 1, for windows that come in episodes.

    Windows of one episode are not independent, so beyond the diagonal every pair of windows of the
    *same episode* is left out of the within-domain means; otherwise two sets of episodes of one
    distribution would seem apart. The statistic may be negative. See Gretton et al. 2012, lemma 6.

    Args:
        x: (N, D) embeddings.
        label: (N,) of 0 or 1.
        cluster: (N,) episode numbers, distinct across labels; at least two a label.
        seed, draws: Of the bootstrap over episodes, stratified by label.

    Returns:
        The estimate, its resamples (draws,), and the squared bandwidth s^2.
    """
    d2 = squared_distances(x)
    bandwidth = float(np.median(d2[np.triu_indices(len(d2), 1)])) or 1.0
    member = cluster[:, None] == np.unique(cluster)  # (N, E)
    kernel = member.T @ np.exp(-d2 / bandwidth) @ member  # (E, E) sums over pairs of windows
    sizes = member.sum(0)
    pairs = np.outer(sizes, sizes).astype(float)
    np.fill_diagonal(kernel, 0)
    np.fill_diagonal(pairs, 0)
    episodes = np.array([label[member[:, e]][0] for e in range(len(sizes))])  # (E,) label of each
    rng = numpy_rng(seed, "mmd2 episodes")
    weights = np.zeros((1 + draws, len(sizes)))  # the first row unweighted
    for k in (0, 1):
        n = int(np.sum(episodes == k))
        weights[:, episodes == k] = np.vstack([np.ones(n), rng.multinomial(n, np.full(n, 1 / n), size=draws)])
    sim, real = weights * (episodes == 0), weights * (episodes == 1)

    def mean(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.sum((a @ kernel) * b, axis=1) / np.sum((a @ pairs) * b, axis=1)

    with np.errstate(invalid="ignore", divide="ignore"):  # a resample of one episode has no pair
        values = mean(sim, sim) + mean(real, real) - 2 * mean(sim, real)
    return float(values[0]), values[1:], bandwidth
