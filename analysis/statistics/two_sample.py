"""Distance between the distributions of sim and real embeddings, in NumPy.

Both statistics compare mean kernels within and between the domains: MMD^2 with the RBF kernel
k(x, y) = exp(-|x - y|^2 / s^2), s^2 from the median squared distances (see `median_bandwidth`, and for
tests `pooled_bandwidth`), and the energy distance with k(x, y) = -|x - y| (Sejdinovic et al. 2013, arXiv
1207.6076).

Windows of one episode are not independent, so beyond the diagonal every pair of windows of the *same
episode* is left out of the within-domain means; otherwise two sets of episodes of one distribution would
seem apart. A sample is therefore a vector of weights over episodes, and its mean kernel a quadratic form
in the matrix of the kernel's sums over pairs of episodes. That matrix is made once, a block of rows at a
time, for all samples together: permutations and resamples cost products of matrices, and no memory
beyond a block.
"""

from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import numpy as np

from align.errors import InputError
from align.seeding import numpy_rng

BLOCK, COLUMNS = 512, 512  # windows; of so many with so many the kernel is held, and no result depends on it
SMALL_BLOCK = 64  # where few windows make but one or two blocks, whose halves that are not needed cost most
DOUBLE_WINDOWS = 8192  # more of them are compared in single precision, and summed in double
DOUBLE_EPISODES = 128  # of more than these no two splits are the same: they are summed in single precision,
SMALLEST_SHARE = 0.25  # unless a domain has few of them, whose sum is a small difference of large ones
DRAWS = 1000  # resamples of episodes behind an MMD²'s interval
MEDIAN_WINDOWS = 2000  # of more than these, a random sample decides the bandwidth

Kernel = Callable[..., Any]
"""A kernel as a function of squared distances, which it may overwrite, and of whose they are: NumPy (the
default) or PyTorch."""


def rbf(bandwidth: float) -> Kernel:
    """exp(-d^2 / s^2), for s^2 the `bandwidth`."""

    def kernel(d2: Any, of: ModuleType = np) -> Any:
        d2 *= -1 / bandwidth
        return of.exp(d2, out=d2)

    return kernel


def energy(d2: Any, of: ModuleType = np) -> Any:
    """-d, whose MMD^2 is the energy distance 2 E|x - y| - E|x - x'| - E|y - y'|."""
    return of.negative(of.sqrt(d2, out=d2), out=d2)


def squared_distances(x: np.ndarray) -> np.ndarray:
    """Squared Euclidean distances (N, N) between the rows of `x` (N, D)."""
    x = centred(x)
    d2 = squared_distances_between(x, x)
    np.fill_diagonal(d2, 0)
    return d2


def squared_distances_between(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Squared Euclidean distances (N, M) between rows of `x` (N, D) and `y` (M, D), best centred."""
    return _product_of_factors(_factors(x)[0], _factors(y)[1])


def _factors(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows (N, D + 2) whose products, of the first with the second, are squared distances."""
    norms, ones = np.einsum("nd,nd->n", x, x)[:, None], np.ones((len(x), 1), x.dtype)
    return np.hstack([-2 * x, norms, ones]), np.hstack([x, ones, norms])


def _product_of_factors(left: np.ndarray, right: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    d2 = np.matmul(left, right.T, out=out)
    return np.maximum(d2, 0, out=d2)


def centred(x: np.ndarray) -> np.ndarray:
    """`x` (N, ...) as (N, D) in double precision about its mean: less cancellation in distances."""
    x = x.reshape(len(x), -1)
    return x.astype(np.float64) - x.mean(0, dtype=np.float64)


def median_bandwidth(x: np.ndarray, label: np.ndarray, seed: int = 0) -> float:
    """The median squared distance within label 0, within label 1 and between them, averaged.

    The median over all pairs at once, with which MMD^2 was recorded before, jumps with the numbers of windows
    where the domains lie apart: from the smallest distance between them, where they are equally many, to the
    largest within one. What was recorded of domains that nearly coincide stays as it is; of domains that lie
    apart it was up to a sixth smaller than now at equal numbers, and up to a half at unequal ones.

    Args:
        x: (N, D) embeddings.
        label: (N,) of 0 or 1.
        seed: Of the choice of `MEDIAN_WINDOWS`, half of each label, where there are more.

    Returns:
        s^2, or 1 where it is 0.
    """
    x, rng = centred(x), numpy_rng(seed, "bandwidth")
    parts = [x[label == k] for k in (0, 1)]
    half = MEDIAN_WINDOWS // 2
    parts = [part if len(part) <= half else part[rng.choice(len(part), half, False)] for part in parts]
    kinds = [squared_distances_between(part, part)[np.triu_indices(len(part), 1)] for part in parts]
    kinds.append(squared_distances_between(*parts).ravel())
    return float(np.mean([np.median(kind) for kind in kinds if len(kind)])) or 1.0


def pooled_bandwidth(x: np.ndarray) -> float:
    """The mean squared distance of the rows of `x` (N, D), or 1 where it is 0.

    For permutation tests, which are exact where nothing but the permuted statistic knows the labels. Unlike
    the median it moves smoothly with the domains' numbers.
    """
    return 2 * float(centred(x).var(0, ddof=1).sum()) or 1.0


def episode_labels(label: np.ndarray, cluster: np.ndarray) -> np.ndarray:
    """The label (E,) of each episode, in the order of `np.unique(cluster)`.

    Raises:
        InputError: An episode holds both labels, or a label has fewer than two episodes.
    """
    first, index = np.unique(cluster, return_index=True, return_inverse=True)[1:]
    if (label != label[first][index.ravel()]).any():
        raise InputError("cluster: an episode holds windows of both domains; expected numbers of their own")
    counts = np.bincount(label[first], minlength=2)
    if counts.min() < 2:
        raise InputError(
            f"cluster: {counts[0]} and {counts[1]} episodes; expected two or more of each domain"
        )
    return label[first]


def in_order(x: np.ndarray, cluster: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings (N, D), `centred`, one episode after the other, and the episodes' places 0 to E - 1 (N,)."""
    order = np.argsort(cluster, kind="stable")
    return centred(x)[order], np.unique(cluster[order], return_inverse=True)[1].ravel()


def kernel_blocks(
    x: np.ndarray, cluster: np.ndarray, kernel: Kernel
) -> Iterator[tuple[slice, slice, np.ndarray]]:
    """One half H of the kernel's sums over pairs of windows of two different episodes, K = H + H^T.

    Args:
        x: (N, D) embeddings; more than `DOUBLE_WINDOWS` are compared in single precision.
        cluster: (N,) episode numbers, E different ones.
        kernel: Of squared distances.

    Yields:
        Rows and columns (slices of the E episodes) and the sums to add there (rows, columns).
    """
    x, episode = in_order(x, cluster)
    x = x if len(x) <= DOUBLE_WINDOWS else x.astype(np.float32)
    n_episodes, (lefts, rights) = episode[-1] + 1, _factors(x)
    block = min(max(len(x) // 8, SMALL_BLOCK), BLOCK)
    memory = np.empty(block * COLUMNS, x.dtype)
    for start in range(0, len(x), block):
        stop = min(start + block, len(x))
        first, after = episode[start], episode[stop - 1] + 1
        sums = np.zeros((after - first, n_episodes - first), x.dtype)
        for left in range(start, len(x), COLUMNS):
            right = min(left + COLUMNS, len(x))
            k = memory[: (stop - start) * (right - left)].reshape(stop - start, right - left)
            k = kernel(_product_of_factors(lefts[start:stop], rights[left:right], k))
            k[:, : max(stop - left, 0)] *= 0.5  # met again as its own transpose
            k = _sum_runs(_sum_runs(k, episode[left:right], axis=1), episode[start:stop], axis=0)
            sums[:, episode[left] - first : episode[right - 1] + 1 - first] += k
        np.fill_diagonal(sums, 0)  # an episode with itself: rows and columns begin with the same one
        yield slice(first, after), slice(first, None), sums


def _sum_runs(values: np.ndarray, number: np.ndarray, axis: int) -> np.ndarray:
    """Sums along an axis over the runs of equal numbers, which ascend by at most one."""
    if number[-1] - number[0] == len(number) - 1:
        return values  # runs of one
    return np.add.reduceat(values, np.flatnonzero(np.diff(number, prepend=-1)), axis=axis)


def quadratic_forms(
    x: np.ndarray,
    cluster: np.ndarray,
    kernel: Kernel,
    weights: np.ndarray,
    pairs: int = 0,
    device: str = "cpu",
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Quadratic forms in the kernel's sums K over pairs of episodes; see `kernel_blocks`.

    Args:
        x, cluster, kernel: As in `kernel_blocks`.
        weights: (R, E).
        pairs: P of the last 2 P rows u and v, those of the first half with those of the second.
        device: What computes; "cpu" does so in NumPy, others in PyTorch (`on_device`).

    Returns:
        w^T K w (R,) of each row, u^T K v (P,) of the pairs, and the sums K 1 (E,).
    """
    if device != "cpu":
        from align.analysis.statistics.on_device import quadratic_forms_on  # few need PyTorch here

        single = len(x) > DOUBLE_WINDOWS
        return quadratic_forms_on(device, *in_order(x, cluster), kernel, weights, pairs, single)
    forms, cross, sums = np.zeros(len(weights)), np.zeros(pairs), np.zeros(weights.shape[1])
    u, v = (slice(len(weights) - k * pairs, len(weights) - (k - 1) * pairs) for k in (2, 1))
    for rows, columns, half in kernel_blocks(x, cluster, kernel):
        half = half.astype(weights.dtype, copy=False)
        product, w = weights[:, columns] @ half.T, weights[:, rows]
        forms += 2 * np.einsum("re,re->r", w, product)
        cross += np.einsum("pe,pe->p", w[u], product[v]) + np.einsum("pe,pe->p", w[v], product[u])
        sums[rows] += half.sum(1)
        sums[columns] += half.sum(0)
    return forms, cross, sums


def precision(x: np.ndarray, cluster: np.ndarray, splits: np.ndarray) -> type:
    """In what kernels are summed: double where splits may be the same or lopsided, or the windows are many.

    Args:
        x: (N, D) embeddings.
        cluster: (N,) episode numbers.
        splits: (S, E) of 0 or 1, as many of 1 in each.
    """
    if len(x) > DOUBLE_WINDOWS or len(np.unique(cluster)) <= DOUBLE_EPISODES:
        return float
    share = splits[0].mean() if len(splits) else 0.5
    return np.float32 if SMALLEST_SHARE <= share <= 1 - SMALLEST_SHARE else float


def mean_kernels(
    x: np.ndarray,
    cluster: np.ndarray,
    kernel: Kernel,
    sim: np.ndarray,
    real: np.ndarray,
    splits: np.ndarray | None = None,
    device: str = "cpu",
    dtype: type | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean kernels of samples that are weights over episodes, over pairs of different episodes.

    Args:
        x: (N, D) embeddings.
        cluster: (N,) episode numbers.
        kernel: Of squared distances.
        sim, real: (R, E) weights of the episodes in either sample; no episode is in both.
        splits: (S, E) of 0 or 1, the real samples of further pairs, whose sim samples are the rest: these
            cost half as much.
        device: As in `quadratic_forms`.
        dtype: In what kernels are summed; by default what `precision` says.

    Returns:
        (S + R,) each: within sim, within real, between them, those of the splits first; NaN without a pair.
    """
    splits = np.empty((0, sim.shape[1])) if splits is None else splits
    weights = np.concatenate([splits, sim, real], dtype=dtype or precision(x, cluster, splits))
    forms, between, sums = quadratic_forms(x, cluster, kernel, weights, len(sim), device)
    of_splits, within_sim, within_real = np.split(forms, [len(splits), len(splits) + len(sim)])
    to_rest = splits @ sums - of_splits
    found = (
        np.append(sums.sum() - 2 * to_rest - of_splits, within_sim),
        np.append(of_splits, within_real),
        np.append(to_rest, between),
    )
    sizes = np.unique(cluster, return_counts=True)[1].astype(float)
    chosen, squares = splits @ sizes, splits @ sizes**2
    totals = np.append(sizes.sum() - chosen, sim @ sizes), np.append(chosen, real @ sizes)
    own = (
        np.append((sizes**2).sum() - squares, sim**2 @ sizes**2),
        np.append(squares, real**2 @ sizes**2),
    )
    n_pairs = *(t**2 - o for t, o in zip(totals, own, strict=True)), totals[0] * totals[1]
    with np.errstate(invalid="ignore", divide="ignore"):  # a resample of one episode has no pair
        within_sim, within_real, between = (k / n for k, n in zip(found, n_pairs, strict=True))
    return within_sim, within_real, between


def discrepancy(means: tuple[np.ndarray, np.ndarray, np.ndarray]) -> np.ndarray:
    """E k(x, x') + E k(y, y') - 2 E k(x, y), from `mean_kernels`."""
    return means[0] + means[1] - 2 * means[2]


def bootstrap_counts(n: int, draws: int, rng: np.random.Generator) -> np.ndarray:
    """How often each of n is drawn (draws, n), n at a time with replacement: a multinomial, many times faster
    than drawn as binomials."""
    places = rng.integers(n, size=(draws, n)) + n * np.arange(draws)[:, None]
    return np.bincount(places.ravel(), minlength=n * draws).reshape(draws, n)


def resampled_episodes(
    label: np.ndarray, draws: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Counts (1 + draws, E) of episodes of label 0 and of label 1: first as they are, then bootstrapped.

    Args:
        label: (E,) of 0 or 1.
        draws: Number of resamples, stratified by label.
        rng: Of the resamples.
    """
    weights = np.zeros((2, 1 + draws, len(label)))
    for k in (0, 1):
        n = int(np.sum(label == k))
        weights[k, 0, label == k] = 1
        weights[k, 1:, label == k] = bootstrap_counts(n, draws, rng).T
    return weights[0], weights[1]


def mmd2(
    x: np.ndarray, label: np.ndarray, cluster: np.ndarray, seed: int = 0
) -> tuple[float, np.ndarray, float]:
    """Unbiased MMD^2 between label 0 and label 1, for windows that come in episodes.

    The statistic may be negative. See Gretton et al. 2012, lemma 6.

    Args:
        x: (N, D) embeddings.
        label: (N,) of 0 or 1.
        cluster: (N,) episode numbers, distinct across labels; at least two a label.
        seed: Of the bootstrap over episodes, stratified by label.

    Returns:
        The estimate, its resamples (DRAWS,), and the squared bandwidth s^2.
    """
    bandwidth = median_bandwidth(x, label, seed)
    sim, real = resampled_episodes(episode_labels(label, cluster), DRAWS, numpy_rng(seed, "mmd2 episodes"))
    values = discrepancy(mean_kernels(x, cluster, rbf(bandwidth), sim, real))
    return float(values[0]), values[1:], bandwidth
