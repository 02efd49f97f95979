"""Dynamic time warping of many pairs of sequences at once."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

CHUNK = 512  # pairs at once: each takes N · M bytes for its moves
DIAGONAL, ALONG_X, ALONG_Y = 0, 1, 2  # which of the two advanced into a cell


@dataclass
class Warping:
    """The best path of each of B pairs of sequences x and y.

    Attributes:
        cost: Sum of the distances along the path, (B,) float64.
        length: Cells on the path, (B,) int64.
        first: First step of y that is aligned with each step of x, (B, N) int64; 0 after the end of x.
        last: Last such step of y, (B, N); all steps between are aligned with that step of x, too.
    """

    cost: np.ndarray
    length: np.ndarray
    first: np.ndarray
    last: np.ndarray


def warp(x: Sequence[np.ndarray], y: Sequence[np.ndarray]) -> Warping:
    """Warp sequence x[b] onto y[b], for all b together (Sakoe and Chiba 1978, no window, no slope weights).

    A path begins at both first steps, ends at both last ones, and advances by one step in x, in y or in both;
    the best has the least sum of Euclidean distances. Of equal ways the diagonal is taken, then x alone. The
    recursion runs over anti-diagonals of the tables of all pairs, so that only O(N + M) steps are Python's.

    Args:
        x: B sequences (n_b, D) of at least one step; the longest has N.
        y: B sequences (m_b, D), alike.
    """
    longest = max(len(v) for v in x)
    parts = [_warp(x[b : b + CHUNK], y[b : b + CHUNK], longest) for b in range(0, len(x), CHUNK)]
    return Warping(*(np.concatenate(values) for values in zip(*parts, strict=True)))


def _warp(x: Sequence[np.ndarray], y: Sequence[np.ndarray], longest: int) -> tuple[np.ndarray, ...]:
    (x, n_x), (y, n_y) = _padded(x), _padded(y)  # padding changes no cell before the pair's last
    moves, cost = _accumulate(x, y, n_x, n_y)
    pairs, i, j = np.arange(len(n_x)), n_x - 1, n_y - 1
    length = np.ones_like(n_x)
    first, last = np.zeros((2, len(n_x), longest), np.int64)
    while True:
        first[pairs, i] = j  # backwards: the lowest is written last
        last[pairs, i] = np.maximum(last[pairs, i], j)
        going = (i > 0) | (j > 0)
        if not going.any():
            return cost, length, first, last
        move = moves[i + j, i, pairs]
        i = i - (going & (move != ALONG_Y))
        j = j - (going & (move != ALONG_X))
        length += going


def _accumulate(x: np.ndarray, y: np.ndarray, n_x: np.ndarray, n_y: np.ndarray) -> tuple[np.ndarray, ...]:
    """Moves into every cell, (N + M - 1, N, B) by anti-diagonal and step of x, and costs (B,)."""
    n, m, pairs = len(x), len(y), x.shape[2]
    moves = np.zeros((n + m - 1, n, pairs), np.uint8)
    cost = np.zeros(pairs)
    # Three anti-diagonals of accumulated costs; row i + 1 is step i of x, those outside the table are inf.
    before, recent, now = np.full((3, n + 2, pairs), np.inf)
    for k in range(n + m - 1):
        low, high = max(0, k - m + 1), min(k, n - 1) + 1
        steps = y[k - high + 1 : k - low + 1][::-1]
        distance = np.zeros((high - low, pairs))
        for d in range(x.shape[1]):
            distance += (x[low:high, d] - steps[:, d]) ** 2
        np.sqrt(distance, out=distance)
        if k:
            along_x, along_y, both = recent[low:high], recent[low + 1 : high + 1], before[low:high]
            alone = np.minimum(along_x, along_y)
            moves[k, low:high] = np.where(both <= alone, DIAGONAL, ALONG_X + (along_y < along_x))
            distance += np.minimum(both, alone)
        now[low], now[low + 1 : high + 1], now[high + 1] = np.inf, distance, np.inf
        ended = np.flatnonzero(n_x + n_y - 2 == k)
        cost[ended] = now[n_x[ended], ended]
        before, recent, now = recent, now, before
    return moves, cost


def _padded(sequences: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Sequences as one array (N, D, B), zero after their ends, and their lengths (B,)."""
    lengths = np.array([len(v) for v in sequences])
    padded = np.zeros((lengths.max(), sequences[0].shape[1], len(sequences)))
    for b, values in enumerate(sequences):
        padded[: len(values), :, b] = values
    return padded, lengths
