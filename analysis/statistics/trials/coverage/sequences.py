"""Two arms followed trial by trial: how often and how soon it is settled, beside another test."""

from itertools import product

import numpy as np

from align.analysis.statistics.trials import sequential
from align.analysis.statistics.trials.coverage.simulated import Scatter, arms_in_unit
from align.analysis.statistics.trials.coverage.tables import cell, table
from align.seeding import numpy_rng

SETTINGS = {
    "FoldRedTowel": (0.56, 0.92, 50, 0.05),
    "CleanUpSpill": (0.28, 0.80, 50, 0.05),
    "SpoonOnTowel": (0.084, 0.386, 500, 0.01),
    "EggplantInBasket": (0.40, 0.564, 500, 0.01),
    "StackCube": (0.0, 0.03, 500, 0.01),
    "no difference": (0.5, 0.5, 500, 0.05),
    "no difference, rare": (0.05, 0.05, 500, 0.05),
}
"""Rates, most pairs and level of the tasks on which STEP was tried (Snyder et al., arXiv 2503.10966)."""
PRIOR = 0.18  # of the Beta estimates of SAVI


def sequences(repeats: int = 1000, most: int = 500) -> str:
    """Two arms followed trial by trial: how often and how soon it is settled."""
    pairs = ((0.5, 0.5), (0.05, 0.05), (0.9, 0.9), (0.6, 0.5), (0.7, 0.5), (0.8, 0.5), (0.9, 0.5), (0.3, 0.1))
    rows = []
    for (a, b), paired in product(pairs, (0.0, 0.8)):
        rng = numpy_rng(5, f"sequences {a} {b} {paired}")
        s, row = Scatter(0.0, paired, 1 - paired), []
        first, other = (x[:, 0] for x in arms_in_unit(rng, [a, b], repeats, 1, most, s, common=1.0))
        z = (first - other + 1) / 2
        worth = np.array([sequential.against_none(x) for x in z])
        for level in (0.95, 0.99):
            won = worth >= np.log(2 / (1 - level))
            row += [float(won.any(1).mean()), f"{np.where(won.any(1), won.argmax(1) + 1, most).mean():.0f}"]
        deviation = float(np.std(2 * z - 1))
        fixed = (2.8 * deviation / (a - b)) ** 2 if a > b else np.inf
        rows.append([cell(a), cell(b), "yes" if paired else "no", *row, f"{fixed:.0f}" if a > b else "–"])
    titles = ("settled at 5 %", "trials", "settled at 1 %", "trials", "planned, 80 % power")
    return table(("rate", "other", "starts alike", *titles), rows)


def savi(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Logarithm of the e-value of "equal rates" after each pair (Turner, Ly and Grünwald, arXiv 2106.02693).

    Args:
        a, b: (repeats, n) successes, 0 or 1.
    """
    n = np.arange(a.shape[1])
    p, q = ((np.cumsum(x, axis=1) - x + PRIOR) / (n + 2 * PRIOR) for x in (a, b))  # before each pair
    middle = (p + q) / 2
    likelihoods = [np.log(np.where(x == 1, r, 1 - r)) for x, r in ((a, p), (b, q), (a, middle), (b, middle))]
    return np.cumsum(likelihoods[0] + likelihoods[1] - likelihoods[2] - likelihoods[3], axis=1)


def beside_savi(repeats: int = 1000) -> str:
    """Share settled and mean number of pairs, by betting and by SAVI; starts of the arms' own."""
    rows = []
    for name, (low, high, most, level) in SETTINGS.items():
        rng = numpy_rng(8, f"beside SAVI {name}")
        a, b = ((rng.random((repeats, most)) < rate).astype(float) for rate in (low, high))
        z = (b - a + 1) / 2
        worth = np.array([sequential.against_none(x) for x in z])
        row = [name, f"{low:g}", f"{high:g}", str(most), f"{level:g}"]
        for won in (worth >= np.log(2 / level), savi(a, b) >= np.log(1 / level)):
            pairs = np.where(won.any(1), won.argmax(1) + 1, most)
            row += [float(won.any(1).mean()), f"{pairs.mean():.1f}"]
        rows.append(row)
    titles = ("most pairs", "level", "betting: settled", "pairs", "SAVI: settled", "pairs")
    return table(("task", "rate", "other", *titles), rows)
