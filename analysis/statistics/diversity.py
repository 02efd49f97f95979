"""How much the paths that answer one query differ: ways round the walls, and distances between paths."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from scipy.spatial.distance import cdist

from align.analysis.statistics.smoothness import resample
from align.errors import InputError

Word = tuple[int, ...]


def homotopy_word(path: np.ndarray, islands: np.ndarray) -> Word:
    """Which way a path goes round the islands.

    Two paths between the same points have the same word exactly if one can be drawn over to the other without
    lifting it across an island. The word is the crossings of the rays that go up from one point in each
    island, in order, signed by direction, with what is taken back at once left out (the h-signature of
    Bhattacharya et al. 2012).

    Args:
        path: (n, 2) polyline off the islands.
        islands: (K, 2) a point in each.

    Returns:
        k + 1 for a crossing of ray k to the right, -(k + 1) for one to the left.
    """
    a, b = np.asarray(path, float)[:-1, None], np.asarray(path, float)[1:, None]
    before, after = a[..., 0] < islands[:, 0], b[..., 0] < islands[:, 0]  # (n - 1, K)
    segment, ray = np.nonzero(before != after)
    start, end = a[segment, 0], b[segment, 0]
    share = (islands[ray, 0] - start[:, 0]) / (end[:, 0] - start[:, 0])
    above = start[:, 1] + share * (end[:, 1] - start[:, 1]) > islands[ray, 1]
    letters = (ray + 1) * np.where(before[segment, ray], 1, -1)
    word: list[int] = []
    # Rays one above the other are crossed as if the later ones stood a little further to the right.
    for i in np.lexsort((letters, share, segment)):
        if not above[i]:
            continue
        letter = int(letters[i])
        if word and word[-1] == -letter:
            word.pop()
        else:
            word.append(letter)
    return tuple(word)


def effective_number(words: Sequence[Word]) -> float:
    """How many equally frequent words are as diverse as these: exp of their entropy (Hill's number)."""
    if not words:
        raise InputError("words: none; expected at least one")
    share = np.array(list(Counter(words).values())) / len(words)
    return float(np.exp(-(share * np.log(share)).sum()))


def mean_hausdorff(paths: Sequence[np.ndarray]) -> float:
    """Mean over all pairs of paths of their Hausdorff distance, the unit of the paths.

    Args:
        paths: Two or more, (T, D) each; points at equal distances along it stand for each.

    Raises:
        InputError: Fewer than two paths, or one of no length.
    """
    if len(paths) < 2:
        raise InputError(f"paths: {len(paths)}; expected two or more that answer one query")
    points = [resample(path) for path in paths]
    apart = [
        max(d.min(0).max(), d.min(1).max())
        for i, x in enumerate(points)
        for d in (cdist(x, y) for y in points[:i])
    ]
    return float(np.mean(apart))
