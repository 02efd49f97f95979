"""Out-of-fold scores of a linear classifier, for windows that come in episodes.

Every episode is scored exactly once, by a classifier that saw no window of it. Standardisation and the
choice of C happen inside each training fold.
"""

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from align.analysis.statistics.discrimination import Scored

PENALTIES = (1e-4, 1e-2, 1.0)  # candidates for C
FOLDS = 5
INNER_FOLDS = 3


def cross_validate(
    x: np.ndarray, label: np.ndarray, cluster: np.ndarray, rng: np.random.Generator
) -> tuple[Scored, np.ndarray, list[float]]:
    """Out-of-fold scores of a logistic regression, by grouped and stratified cross-validation.

    Args:
        x: (N, D) features.
        label: (N,) of 0 or 1, the same for all windows of an episode.
        cluster: (N,) episode numbers, distinct across labels.
        rng: Of the folds.

    Returns:
        The scores (signed distance to the hyperplane, in standardised feature units), the
        probabilities of label 1 (N,), and the C chosen in each fold.
    """
    fold = grouped_folds(label, cluster, FOLDS, rng)
    score, probability, penalties = np.zeros(len(x)), np.zeros(len(x)), []
    for k in range(fold.max() + 1):
        train, test = fold != k, fold == k
        inner = grouped_folds(label[train], cluster[train], INNER_FOLDS, rng)
        penalty = _choose_penalty(x[train], label[train], inner)
        inside, outside = standardise(x[train], x[test])
        weights = logistic_regression(inside, label[train], penalty)
        logit = outside @ weights[:-1] + weights[-1]
        score[test], probability[test] = logit / (np.linalg.norm(weights[:-1]) or 1.0), expit(logit)
        penalties.append(penalty)
    return Scored(label, score, cluster, fold), probability, penalties


def grouped_folds(label: np.ndarray, cluster: np.ndarray, folds: int, rng: np.random.Generator) -> np.ndarray:
    """The fold (N,) of each window: episodes of each label dealt out in random order.

    There are as many folds as the rarer label has episodes, if that is fewer than `folds`.
    """
    groups = [rng.permutation(np.unique(cluster[label == k])) for k in (0, 1)]
    folds = min(folds, *map(len, groups))
    fold = np.zeros(cluster.max() + 1, np.int64)
    for group in groups:
        fold[group] = np.arange(len(group)) % folds
    return fold[cluster]


def logistic_regression(
    x: np.ndarray, label: np.ndarray, penalty: float, start: np.ndarray | None = None
) -> np.ndarray:
    """Ridge-penalised logistic regression with balanced classes, by L-BFGS.

    Minimises |w|^2 / (2 C N) + mean of the class-balanced log-losses, as scikit-learn's
    `LogisticRegression` with `class_weight="balanced"`, whose checks cost more than these fits.

    Args:
        x: (N, D) standardised features.
        label: (N,) of 0 or 1.
        penalty: C; smaller is smoother.
        start: (D + 1,) where to start from.

    Returns:
        (D + 1,) weights, and the intercept at the end.
    """
    sign = np.where(label == 1, 1.0, -1.0)
    share = np.where(label == 1, label.mean(), 1 - label.mean())
    weight = 0.5 / (share * len(x))  # (N,)
    ridge = 1 / (penalty * len(x))

    def objective(w: np.ndarray) -> tuple[float, np.ndarray]:
        margin = sign * (x @ w[:-1].astype(x.dtype) + w[-1])
        slope = -weight * sign * expit(-margin)
        loss = weight @ np.logaddexp(0, -margin) + ridge * (w[:-1] @ w[:-1]) / 2
        return loss, np.append(slope.astype(x.dtype) @ x + ridge * w[:-1], slope.sum())

    start = np.zeros(x.shape[1] + 1) if start is None else start
    options = {"maxiter": 200, "gtol": 1e-5, "ftol": 1e-7}
    return minimize(objective, start, jac=True, method="L-BFGS-B", options=options).x


def _choose_penalty(x: np.ndarray, label: np.ndarray, fold: np.ndarray) -> float:
    """The C of least balanced log-loss on held-out episodes; the middle one where none can be held out."""
    if fold.max() < 1:
        return PENALTIES[len(PENALTIES) // 2]
    losses = np.zeros(len(PENALTIES))
    for k in range(fold.max() + 1):
        test = fold == k
        inside, outside = standardise(x[~test], x[test])
        weights = None
        for i, penalty in enumerate(PENALTIES):
            weights = logistic_regression(inside, label[~test], penalty, weights)
            logit = outside @ weights[:-1] + weights[-1]
            loss = np.logaddexp(0, np.where(label[test] == 1, -logit, logit))
            losses[i] += np.mean([loss[label[test] == c].mean() for c in (0, 1)])
    return PENALTIES[int(np.argmin(losses))]


def standardise(train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both (n, D), (m, D), by mean and deviation of `train`; a feature constant there counts for nothing."""
    mean, scale = train.mean(0), train.std(0)
    constant = scale <= 1e-6 * np.abs(mean)
    factor = np.where(constant, 0, 1 / np.where(constant, 1, scale))
    return (train - mean) * factor, (test - mean) * factor
