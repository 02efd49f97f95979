"""Classifier two-sample test: could a linear classifier that knows nothing tell sim from real as well?

Lopez-Paz and Oquab (2017, arXiv 1610.06545) test whether a classifier beats chance on held-out samples.
Here every permutation of the domains over whole episodes (see `permutation`) is *trained and
cross-validated anew*, as the data themselves were: scores of held-out windows under classifiers that saw
one another's test episodes are not independent, and permuting only the labels of the test windows would
reject too often. That is affordable because the classifier is linear in its labels: ridge regression on
the label, which is Fisher's discriminant with a shrunken covariance. Folds, standardisation and ridge do
not look at labels, so all permutations are one ridge regression of scikit-learn's with many targets a fold.
Its `GroupKFold` would split as well, but other folds would move p-values that are recorded. Its
`roc_auc_score` is not used, as pairs of one fold are counted, for every permutation and every weighted
resample of episodes at once; the tests hold this to it, fold by fold, with ties and with weights.
"""

import numpy as np
from scipy.stats import rankdata
from sklearn.linear_model import ridge_regression

from align.analysis.statistics.permutation import (
    PERMUTATIONS,
    RESAMPLES,
    TwoSampleTest,
    judge,
    permuted_labels,
)
from align.analysis.statistics.probing.cross_validation import FOLDS, Standardiser
from align.analysis.statistics.probing.discrimination import Scored
from align.analysis.statistics.two_sample import episode_labels, resampled_episodes
from align.seeding import numpy_rng

RIDGE = 0.1  # in units of the standardised features' variance
EPISODES_A_FOLD = 6  # at least, so that a fold rarely holds one domain only
COLUMNS = 256  # permutations whose scores are ranked at once


def classifier_two_sample_test(
    x: np.ndarray, label: np.ndarray, cluster: np.ndarray, seed: int = 0
) -> TwoSampleTest:
    """Test by the cross-validated AUC of a linear classifier; its effect is AUC - 0.5.

    AUC compares windows of the same fold only. The power resamples the scores of held-out episodes,
    stretched for the classifiers that other episodes would have trained, as `probing.discrimination` does.

    Args:
        x: (N, D) embeddings.
        label: (N,) of 0 or 1.
        cluster: (N,) episode numbers, distinct across labels; at least two a label.
        seed: Of folds, permutations and resamples.

    Raises:
        InputError: As `permutation.mmd_test`.
    """
    labels = episode_labels(label, cluster)
    z = permuted_labels(labels, PERMUTATIONS, seed)  # (1 + B, E)
    x, episode = x.astype(float), np.unique(cluster, return_inverse=True)[1].ravel()
    folds = int(np.clip(len(labels) // EPISODES_A_FOLD, 2, FOLDS))
    fold = (numpy_rng(seed, "classifier folds").permutation(len(labels)) % folds)[episode]

    wins, pairs = np.zeros(len(z)), np.zeros(len(z))
    observed = np.zeros(len(x))
    for k in range(folds):
        test = fold == k
        scaler = Standardiser().fit(x[~test])
        train, held_out = scaler.transform(x[~test]), scaler.transform(x[test])
        labels_of_train = z.T[episode[~test]]  # (n, 1 + B)
        weights = ridge_regression(train, labels_of_train, len(train) * RIDGE, solver="cholesky").T
        observed[test] = held_out @ weights[:, 0]
        for start in range(0, len(z), COLUMNS):
            part = slice(start, start + COLUMNS)
            won, met = _wins(held_out @ weights[:, part], z[part].T[episode[test]])
            wins[part] += won
            pairs[part] += met
    auc = np.divide(wins, pairs, out=np.full(len(z), 0.5), where=pairs > 0)

    stretch = Scored(label, observed, cluster, fold).stretch
    resamples = resampled_episodes(labels, RESAMPLES, numpy_rng(seed, "power"))
    drawn = _weighted_auc(observed, fold, *(w[1:, episode] for w in resamples))
    return judge(auc, auc[0] + stretch * (drawn - auc[0]), 1e-9, effect=float(auc[0] - 0.5))


def _wins(scores: np.ndarray, label: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pairs (label 1, label 0) in the right order, a tie counting half, and all pairs, by column.

    Args:
        scores, label: (n, R).
    """
    ones = label.sum(0)
    wins = np.sum(rankdata(scores, axis=0) * label, axis=0) - ones * (ones + 1) / 2
    return wins, ones * (len(label) - ones)


def _weighted_auc(score: np.ndarray, fold: np.ndarray, sim: np.ndarray, real: np.ndarray) -> np.ndarray:
    """AUC (R,) over pairs of one fold, of windows weighted by `sim` and `real` (R, N); NaN without a pair."""
    wins, pairs = np.zeros(len(sim)), np.zeros(len(sim))
    for k in np.unique(fold):
        rows = np.flatnonzero(fold == k)
        rows = rows[np.argsort(score[rows], kind="stable")]
        distinct = np.flatnonzero(np.diff(score[rows], prepend=-np.inf))
        lower, upper = (np.add.reduceat(w[:, rows], distinct, axis=1) for w in (sim, real))
        below = np.cumsum(lower, axis=1) - lower / 2  # a tie is half a win
        wins += np.sum(upper * below, axis=1)
        pairs += upper.sum(1) * lower.sum(1)
    return np.divide(wins, pairs, out=np.full(len(sim), np.nan), where=pairs > 0)
