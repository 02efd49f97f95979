"""Permutation tests of sim against real, for windows that come in episodes.

Null hypothesis: the episodes of both domains are draws of one distribution. Then their domains may be
dealt out anew, *whole episodes at a time*, as many to each domain as before; dealing out windows would
take the likeness of windows of one episode for a difference of domains. p = (1 + #{permuted >= observed})
/ (1 + permutations) is exact at any sample size (Phipson and Smyth 2010). Where the episodes of one domain
hold more windows than those of the other it errs on the safe side: in simulations with 20 episodes of 4
windows against 8 of 10, tests at 5 % rejected 2 to 4 % of equal distributions.

Kernels are summed a block of rows at a time, in one pass for permutations and resamples: no memory beyond a
block, and of time what the kernel itself takes.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from align.analysis.statistics.two_sample import (
    Kernel,
    discrepancy,
    energy,
    episode_labels,
    mean_kernels,
    pooled_bandwidth,
    precision,
    rbf,
    resampled_episodes,
)
from align.seeding import numpy_rng

PERMUTATIONS = 1000
BUNDLES = 2000  # of more episodes than these, several are dealt out together
FEW = 100  # bundles of a domain
RESAMPLES = 200  # for the power
SIZE = 0.05  # of the test whose power is told
TIES = {float: 1e-10, np.float32: 1e-6}  # by what kernels are summed in, what may be round-off of their mean
TOLD = 30  # times as much splits differ by at least, or double precision decides


@dataclass(frozen=True)
class TwoSampleTest:
    """A test's outcome.

    Attributes:
        statistic: Large where the domains differ.
        p_value: At least 1 / (1 + permutations).
        permutations: How many were drawn.
        effect: How far apart, in a unit that can be compared: for MMD^2 and energy distance, the statistic's
            distance from the mean of the permuted ones in their standard deviations; for a classifier, its
            AUC minus 0.5.
        power: Share of bootstrap resamples of the episodes (within each domain) in which a test of size
            `SIZE` would reject. It says whether so many episodes suffice to see a difference as large as
            the one *observed*; it is no independent evidence, and averages 0.1 to 0.2 instead of `SIZE`
            where there is no difference, since the resamples add their noise to the sample's.
        null: (permutations,) permuted statistics.
    """

    statistic: float
    p_value: float
    permutations: int
    effect: float
    power: float
    null: np.ndarray

    def summary(self) -> dict[str, float]:
        """The numbers, without `null`."""
        names = ("statistic", "p_value", "permutations", "effect", "power")
        return {name: getattr(self, name) for name in names}


def mmd_test(
    x: np.ndarray, label: np.ndarray, cluster: np.ndarray, seed: int = 0, device: str = "cpu"
) -> TwoSampleTest:
    """Test by MMD^2 (Gretton et al. 2012), as `two_sample.mmd2` but with a bandwidth blind to the domains.

    Args:
        x: (N, D) embeddings.
        label: (N,) of 0 or 1.
        cluster: (N,) episode numbers, distinct across labels; at least two a label. Independent windows
            are episodes of their own, `np.arange(N)`.
        seed: Of permutations and resamples.
        device: What sums the kernel, as PyTorch names it; equal seeds permute alike on all.

    Raises:
        InputError: An episode of both labels, or too few episodes.
    """
    return _kernel_test(x, label, cluster, rbf(pooled_bandwidth(x)), seed, device)


def energy_test(
    x: np.ndarray, label: np.ndarray, cluster: np.ndarray, seed: int = 0, device: str = "cpu"
) -> TwoSampleTest:
    """Test by the energy distance 2 E|x - y| - E|x - x'| - E|y - y'| (Székely and Rizzo 2013).

    Arguments and errors as in `mmd_test`.
    """
    return _kernel_test(x, label, cluster, energy, seed, device)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's (1979) adjusted p-values: rejecting those below 0.05 errs anywhere at most 5 % of the time."""
    p = np.asarray(p_values, float)
    order = np.argsort(p)
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)), 1)
    return adjusted.tolist()


def permuted_labels(label: np.ndarray, permutations: int, seed: int) -> np.ndarray:
    """Labels of episodes (1 + permutations, E): as they are, then permuted."""
    labels = np.empty((1 + permutations, len(label)))
    labels[:] = label
    numpy_rng(seed, "permutations").permuted(labels[1:], axis=1, out=labels[1:])
    return labels


def judge(
    values: np.ndarray, resampled: np.ndarray, tie: float, effect: float | None = None
) -> TwoSampleTest:
    """The outcome, from the observed statistic and the permuted ones.

    Args:
        values: (1 + permutations,) statistics, the observed one first.
        resampled: (draws,) statistics of resamples of the episodes; NaN is left out.
        tie: Statistics that differ by less are equal, since rounding must not decide between splits that
            are the same.
        effect: By default in standard deviations of the permuted statistics; see `TwoSampleTest`.
    """
    observed, null = float(values[0]), values[1:]
    if effect is None:
        spread = null.std()
        effect = float((observed - null.mean()) / spread) if spread > tie else 0.0
    critical = np.sort(values)[max(int(np.ceil((1 - SIZE) * len(values))) - 1, 0)]
    resampled = resampled[np.isfinite(resampled)]
    return TwoSampleTest(
        statistic=observed,
        p_value=float((1 + np.sum(null >= observed - tie)) / len(values)),
        permutations=len(null),
        effect=effect,
        power=float(np.mean(resampled > critical + tie)) if len(resampled) else float("nan"),
        null=null,
    )


def _kernel_test(
    x: np.ndarray,
    label: np.ndarray,
    cluster: np.ndarray,
    kernel: Kernel,
    seed: int,
    device: str,
) -> TwoSampleTest:
    cluster = bundled(label, cluster, seed)
    label = episode_labels(label, cluster)
    real = permuted_labels(label, PERMUTATIONS, seed)
    resamples = resampled_episodes(label, RESAMPLES, numpy_rng(seed, "power"))
    for dtype in dict.fromkeys((precision(x, cluster, real), float)):
        means = mean_kernels(x, cluster, kernel, *resamples, splits=real, device=device, dtype=dtype)
        values, of_splits = discrepancy(means), slice(len(real))
        tie = TIES[dtype] * float(np.abs(means[2][of_splits]).mean())
        if values[1 : len(real)].std() > TOLD * tie:
            break  # or else round-off might be what they differ by
    return judge(values[of_splits], values[len(real) + 1 :], tie)


def bundled(label: np.ndarray, cluster: np.ndarray, seed: int) -> np.ndarray:
    """Episode numbers with more than `BUNDLES` episodes put together, at random within a domain.

    What may be dealt out one by one may be dealt out in bundles: the test stays as exact, and has the power
    of the full one from a few hundred bundles on (Domingo-Enrich, Dwivedi and Mackey 2025, arXiv 2502.07672),
    while what permutations cost no longer grows with the data. Like windows of an episode, those of a bundle
    are not compared with each other.

    Args:
        label: (N,) of 0 or 1.
        cluster: (N,) episode numbers, E different ones.
        seed: Of what is put together.

    Returns:
        (N,) numbers of bundles, of as many episodes in either domain but for what does not divide, and at
        least `FEW` of them a domain; `cluster` itself where nothing need be put together.
    """
    first, index = np.unique(cluster, return_index=True, return_inverse=True)[1:]
    of_domain = [np.flatnonzero(label[first] == k) for k in (0, 1)]
    size = min(math.ceil(len(first) / BUNDLES), *(len(episodes) // FEW for episodes in of_domain))
    if size <= 1:
        return cluster
    of_episode, rng, begun = np.empty(len(first), np.int64), numpy_rng(seed, "bundles"), 0
    for episodes in of_domain:
        n = round(len(episodes) / size)
        of_episode[rng.permutation(episodes)] = begun + np.arange(len(episodes)) % n
        begun += n
    return of_episode[index.ravel()]
