"""How sim and real embeddings lie: A-distance, sliced Wasserstein distance, linear CKA, principal axes."""

from dataclasses import dataclass

import numpy as np
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from align.analysis.statistics.intervals import Interval
from align.analysis.statistics.permutation import permuted_labels
from align.analysis.statistics.two_sample import centred, episode_labels
from align.errors import InputError
from align.seeding import numpy_rng

PROJECTIONS = 64
NULL_DRAWS = 50


def a_distance(accuracy: Interval) -> Interval:
    """Proxy A-distance 2 (1 - 2 err) of a classifier with balanced error err = 1 - accuracy.

    2 where the domains are told apart without error, 0 at chance; below 0 for luck worse than chance,
    which is not clipped. See Ben-David et al. 2007, "Analysis of representations for domain adaptation".
    """
    return Interval(*(2 * (2 * a - 1) for a in accuracy))


@dataclass(frozen=True)
class Wasserstein:
    """A sliced Wasserstein distance in units of the pooled windows' deviation along a projection.

    Attributes:
        value: The distance; unlike MMD^2 positive also between samples of one distribution.
        null, null_high: Mean and 95 % quantile where domains are permuted over episodes: what `value` is
            to be read against.
        scale: That unit, the root of the mean variance of a feature, in the embedding's own.
    """

    value: float
    null: float
    null_high: float
    scale: float


def random_projections(dimensions: int, count: int, rng: np.random.Generator) -> np.ndarray:
    """Directions (dimensions, count), each uniform on the unit sphere."""
    directions = rng.normal(size=(dimensions, count))
    return directions / np.linalg.norm(directions, axis=0)


def sliced_wasserstein(x: np.ndarray, y: np.ndarray) -> float:
    """Sliced 2-Wasserstein distance of samples that are projected already (Bonneel et al. 2015).

    The root of the mean over projections of the squared 2-Wasserstein distance of the projected samples.

    Args:
        x: (n, L), a column a projection.
        y: (m, L).
    """
    n, m = len(x), len(y)
    ends = np.unique(np.concatenate([np.arange(1, n + 1) * m, np.arange(1, m + 1) * n]))  # levels · n m
    width = np.diff(ends, prepend=0) / (n * m)
    quantiles = [np.sort(z, axis=0)[(ends - 1) // k] for z, k in ((x, m), (y, n))]  # (levels, L)
    return float(np.sqrt((width @ (quantiles[0] - quantiles[1]) ** 2).mean()))


def relative_wasserstein(x: np.ndarray, label: np.ndarray, cluster: np.ndarray, seed: int = 0) -> Wasserstein:
    """Sliced 2-Wasserstein distance between label 0 and label 1, beside what permuted labels give.

    Args:
        x: (N, D) embeddings.
        label: (N,) of 0 or 1.
        cluster: (N,) episode numbers, distinct across labels; at least two a label.
        seed: Of projections and permutations.
    """
    x = centred(x)
    scale = float(np.sqrt(x.var(0).mean())) or 1.0
    along = x @ random_projections(x.shape[1], PROJECTIONS, numpy_rng(seed, "projections")) / scale
    episode = np.unique(cluster, return_inverse=True)[1].ravel()
    splits = permuted_labels(episode_labels(label, cluster), NULL_DRAWS, seed)[:, episode] == 1
    values = [sliced_wasserstein(along[~real], along[real]) for real in splits]
    return Wasserstein(values[0], float(np.mean(values[1:])), float(np.quantile(values[1:], 0.95)), scale)


@dataclass(frozen=True)
class CKA:
    """Linear CKA of the responses to the same states in both worlds.

    Attributes:
        biased: In [0, 1]; near 1 for any two responses of more dimensions than states.
        debiased: 0 on average for unrelated responses, 1 for equal ones up to rotation and scale.
        mismatched: The debiased one where each state is compared with one half a list away, of another
            episode: near 0, and above it where windows of few episodes are alike by themselves.
        states: Number of states.
    """

    biased: float
    debiased: float
    mismatched: float
    states: int


def linear_cka(x: np.ndarray, y: np.ndarray, debiased: bool = True) -> float:
    """Centred kernel alignment of linear kernels (Kornblith et al. 2019, arXiv 1905.00414).

    HSIC(X, Y) / sqrt(HSIC(X, X) HSIC(Y, Y)), where HSIC is |X^T Y|_F^2 of centred responses or, debiased,
    the U-statistic of Song et al. 2012 (eq. 5), as Nguyen et al. 2021 (arXiv 2010.15327) use it.

    Args:
        x: (M, D) responses.
        y: (M, D') responses to the same states, row by row.
        debiased: Whether to remove the bias of finitely many states; the result may then be negative.

    Raises:
        InputError: The rows do not match, or are fewer than four.
    """
    if len(x) != len(y) or len(x) < 4:
        raise InputError(f"x, y of {len(x)} and {len(y)} rows: expected as many in both, four or more")
    k, g = (z @ z.T for z in (centred(x), centred(y)))
    hsic = _unbiased_hsic if debiased else lambda a, b: np.sum(a * b)
    scale = hsic(k, k) * hsic(g, g)
    return float(hsic(k, g) / np.sqrt(scale)) if scale > 0 else float("nan")


def paired_cka(sim: np.ndarray, real: np.ndarray) -> CKA:
    """CKA of responses (M, D) to the same states, rows in the order of their episodes."""
    away = np.roll(real, len(real) // 2, axis=0)
    values = linear_cka(sim, real, debiased=False), linear_cka(sim, real), linear_cka(sim, away)
    return CKA(*values, states=len(sim))


def principal_components(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates (N, 2) of standardised `x` (N, D) on its first two axes, and their shares of variance.

    An axis that `x` lacks is zero.
    """
    axes = PCA(min(2, *x.shape), svd_solver="covariance_eigh" if x.shape[1] <= len(x) else "full")
    with np.errstate(invalid="ignore"):  # of features that are all constant, no share is one
        found = axes.fit_transform(StandardScaler().fit_transform(x.astype(np.float64)))
    coordinates, shares = np.zeros((len(x), 2)), np.zeros(2)
    coordinates[:, : found.shape[1]], shares[: found.shape[1]] = found, axes.explained_variance_ratio_
    return coordinates, np.nan_to_num(shares)


def _unbiased_hsic(k: np.ndarray, g: np.ndarray) -> float:
    """Song et al. 2012, eq. 5, times n (n - 3), of kernels (n, n)."""
    n = len(k)
    k, g = (a - np.diag(np.diag(a)) for a in (k, g))
    rows_k, rows_g = k.sum(0), g.sum(0)
    return np.sum(k * g) + rows_k.sum() * rows_g.sum() / ((n - 1) * (n - 2)) - 2 / (n - 2) * (rows_k @ rows_g)
