"""Nearest neighbours of sim and real windows in embedding space, those of the same episode left out.

Which domain the neighbours belong to says how far the domains mix locally, where one distance between
distributions says nothing. What the demonstrations did at the neighbours, beside what the policy does,
says whose behaviour it follows, as in the analysis of Wei et al. 2025 (arXiv 2503.22634).

Intervals resample the episodes of either domain, both as those that look for neighbours and, by weighting
the neighbours found, as those that are found. A resample has fewer different neighbours than the sample: what
that moves on average is taken off, or intervals of a share near 0 would lie above it, and hold the truth 70 %
of the time.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from align.analysis.statistics.intervals import Interval, percentile
from align.analysis.statistics.two_sample import (
    BLOCK,
    centred,
    episode_labels,
    resampled_episodes,
    squared_distances_between,
)
from align.domain import Domain
from align.errors import InputError
from align.seeding import numpy_rng

NEIGHBOURS = 10
DRAWS = 200


@dataclass(frozen=True)
class Mixing:
    """How many of a window's neighbours are real, relative to the share expected by chance.

    Attributes:
        real: Around real windows; 1 where domains mix, above 1 where real windows keep together.
        sim: Around sim windows; 1 where domains mix, 0 where no real window is near.
        mixing: Mean over both domains of the share of neighbours of the *other* one, relative to chance:
            1 where domains mix, 0 where they lie apart.
        k: Number of neighbours.
    """

    real: Interval
    sim: Interval
    mixing: Interval
    k: int


@dataclass(frozen=True)
class ActionNeighbours:
    """Whose actions the policy's resemble: those of the nearest sim or of the nearest real windows.

    An action's distance to a domain is the root-mean-square distance between the policy's chosen action
    chunk and the demonstrated ones of the k nearest windows of that domain.

    Attributes:
        closer_to_real: By domain of the observation, the share of windows whose chosen action is nearer to
            the real neighbours' actions; a tie is half.
        anywhere: The same with random windows for neighbours: the share to expect from the domains' actions
            alone, were the embedding blind to the state.
        to_sim, to_real: By domain of the observation, mean distance per action coordinate.
        k: Number of neighbours of each domain.
    """

    closer_to_real: dict[Domain, Interval]
    anywhere: dict[Domain, Interval]
    to_sim: dict[Domain, float]
    to_real: dict[Domain, float]
    k: int


def nearest(
    x: np.ndarray,
    cluster: np.ndarray,
    k: int,
    among: np.ndarray | None = None,
    rng: np.random.Generator | None = None,
) -> np.ndarray:
    """The `k` nearest windows of other episodes.

    Args:
        x: (N, D) embeddings.
        cluster: (N,) episode numbers.
        k: How many.
        among: (N,) mask of the windows that may be neighbours; by default all.
        rng: Draws windows at random instead of taking the nearest.

    Returns:
        (N, k) row numbers, in no order.

    Raises:
        InputError: Some window has fewer than `k` candidates.
    """
    candidates = np.arange(len(x)) if among is None else np.flatnonzero(among)
    own = np.bincount(cluster[candidates], minlength=cluster.max() + 1)
    fewest = len(candidates) - int(own.max(initial=0))
    if not 1 <= k <= fewest:
        raise InputError(f"k={k}: expected 1 to {fewest}, the windows outside the largest episode")
    x = centred(x)
    rows = []
    for start in range(0, len(x), BLOCK):
        part = slice(start, start + BLOCK)
        if rng is None:
            far = squared_distances_between(x[part], x[candidates])
        else:
            far = rng.random((len(x[part]), len(candidates)))
        far[cluster[part, None] == cluster[candidates]] = np.inf
        rows.append(candidates[np.argpartition(far, k - 1, axis=1)[:, :k]])
    return np.concatenate(rows)


def domain_mixing(
    x: np.ndarray, domain: np.ndarray, cluster: np.ndarray, seed: int = 0, k: int = NEIGHBOURS
) -> Mixing:
    """Domains of the neighbours; see `Mixing`.

    Args:
        x: (N, D) embeddings.
        domain: (N,) of `Domain`.
        cluster: (N,) episode numbers, distinct across domains.
        seed: Of the bootstrap over the episodes of either domain.
        k: Number of neighbours.
    """
    near = nearest(x, cluster, k)  # (N, k)
    index = np.unique(cluster, return_inverse=True)[1].ravel()
    real = domain == Domain.REAL

    def ratios(w: np.ndarray) -> list[float]:
        """Of windows with weights (N,): around real windows, around sim ones, and `Mixing.mixing`."""
        share = _mean(real[near], w[near])
        all_others, real_others = (v.sum() - np.bincount(index, v)[index] for v in (w, w * real))
        chance = real_others / all_others
        rows = {d: (domain == d) & (w > 0) & np.isfinite(share) for d in Domain}
        with np.errstate(invalid="ignore"):  # a resample of one episode has no neighbour of its own domain
            found = {d: (w[r] @ share[r]) / (w[r] @ chance[r]) for d, r in rows.items()}
            crossed = sum(w[r] @ abs(d - share[r]) / (w[r] @ abs(d - chance[r])) for d, r in rows.items())
        return [found[Domain.REAL], found[Domain.SIM], crossed / 2]

    values = np.array([ratios(w) for w in _window_weights(domain, cluster, index, seed)])  # (1 + DRAWS, 3)
    return Mixing(*(_interval(v) for v in values.T), k)


def action_neighbours(
    x: np.ndarray,
    action: np.ndarray,
    chosen: np.ndarray,
    domain: np.ndarray,
    cluster: np.ndarray,
    seed: int = 0,
) -> ActionNeighbours:
    """Whose actions the policy's resemble; see `ActionNeighbours`.

    Args:
        x: (N, D) embeddings.
        action: (N, H · A) demonstrated action chunks.
        chosen: (N, H · A) the policy's own, in the same unit.
        domain: (N,) of `Domain`.
        cluster: (N,) episode numbers, distinct across domains.
        seed: Of the bootstrap over episodes.
    """
    if action.shape != chosen.shape or len(action) != len(x):
        raise InputError(
            f"action {action.shape}, chosen {chosen.shape}: expected both ({len(x)}, H · A) of one shape"
        )

    weights = _window_weights(domain, cluster, np.unique(cluster, return_inverse=True)[1].ravel(), seed)

    def closer(to: dict[Domain, _Found]) -> dict[Domain, Interval]:
        values = np.full((len(weights), len(Domain)), np.nan)
        for i, w in enumerate(weights):
            sim, real = (_mean(to[d].squared, w[to[d].rows]) for d in Domain)
            share = (1 + np.sign(sim - real)) / 2
            for d in Domain:
                r = (domain == d) & (w > 0) & np.isfinite(share)
                if r.any():
                    values[i, d] = (w[r] @ share[r]) / w[r].sum()
        return {d: _interval(values[:, d], (0, 1)) for d in Domain}

    def find(rng: np.random.Generator | None = None) -> dict[Domain, _Found]:
        rows = {d: nearest(x, cluster, NEIGHBOURS, domain == d, rng) for d in Domain}
        return {d: _Found(r, np.mean((chosen[:, None] - action[r]) ** 2, axis=2)) for d, r in rows.items()}

    near, anywhere = find(), find(numpy_rng(seed, "random neighbours"))
    distance = {d: np.sqrt(found.squared.mean(1)) for d, found in near.items()}
    means = [{d: float(distance[to][domain == d].mean()) for d in Domain} for to in Domain]
    return ActionNeighbours(closer(near), closer(anywhere), *means, NEIGHBOURS)


class _Found(NamedTuple):
    """Neighbours: their rows (N, k), and squared distances (N, k) of their actions per coordinate."""

    rows: np.ndarray
    squared: np.ndarray


def _window_weights(domain: np.ndarray, cluster: np.ndarray, index: np.ndarray, seed: int) -> np.ndarray:
    """How often each window occurs (1 + DRAWS, N): once, then as its episode is resampled in its domain."""
    rng = numpy_rng(seed, "neighbours")
    return sum(resampled_episodes(episode_labels(domain, cluster), DRAWS, rng))[:, index]


def _mean(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted means (N,) of rows (N, k); NaN where no neighbour was drawn."""
    total = weights.sum(1)
    return np.divide(
        np.sum(values * weights, axis=1), total, out=np.full(len(total), np.nan), where=total > 0
    )


def _interval(values: np.ndarray, bounds: tuple[float, float] = (0, np.inf)) -> Interval:
    value, resampled = values[0], values[1:]
    return percentile(value, resampled - (np.nanmean(resampled) - value), bounds=bounds)
