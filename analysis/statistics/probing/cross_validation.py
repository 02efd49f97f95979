"""Out-of-fold scores of scikit-learn's classifiers, for windows that come in episodes.

Every episode is scored exactly once, by a classifier that saw no window of it. Standardisation, and what a
classifier chooses for itself, happen inside each training fold.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import sklearn
from sklearn.base import ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.validation import has_fit_parameter

from align.analysis.statistics.probing.discrimination import Scored
from align.errors import InputError

FOLDS = 5
HARDLY = 1e-6  # a deviation below this share of the mean is rounding, e.g. of float32

Split = tuple[np.ndarray, np.ndarray]
"""Row numbers to train on, and to judge by."""
MakeClassifier = Callable[[list[Split], int], ClassifierMixin]
"""Makes a classifier from splits of the training windows by episode, to choose by, and a seed."""


class Standardiser(StandardScaler):
    """scikit-learn's `StandardScaler`; features that hardly vary count for nothing as constant ones do.

    Those of a dead unit are constant up to rounding, which scaling would blow up to the size of the others.
    """

    def fit(self, X, y=None, sample_weight=None):
        """Mean and deviation of `X` (N, D)."""
        super().fit(X, y, sample_weight)
        self.scale_[np.sqrt(self.var_) <= HARDLY * np.abs(self.mean_)] = np.inf
        return self


@dataclass(frozen=True)
class OutOfFold:
    """What classifiers said of windows that they had not seen.

    Attributes:
        scored: Their scores; see `decision`.
        probability: (N,) of label 1; NaN where the classifier knows none.
        classifiers: Those of the folds.
    """

    scored: Scored
    probability: np.ndarray
    classifiers: list[ClassifierMixin]


def cross_validate(
    make: MakeClassifier, x: np.ndarray, label: np.ndarray, cluster: np.ndarray, rng: np.random.Generator
) -> OutOfFold:
    """Out-of-fold scores of a classifier, by grouped and stratified cross-validation.

    Both labels weigh the same in training, where the classifier takes weights of samples.

    Args:
        make: Makes the classifier of a fold. The splits it may choose by are two: either of the neighbouring
            folds is held out of the training windows. Where there are but two folds there is none.
        x: (N, D) features.
        label: (N,) of 0 or 1, the same for all windows of an episode.
        cluster: (N,) episode numbers, distinct across labels.
        rng: Of the folds, and of what a classifier draws.
    """
    fold = grouped_folds(label, cluster, FOLDS, rng)
    seed = int(rng.integers(2**31))
    folds = int(fold.max()) + 1
    score, probability, classifiers = np.zeros(len(x)), np.full(len(x), np.nan), []
    for k in range(folds):
        train, test = fold != k, fold == k
        beside = {(k + 1) % folds, (k - 1) % folds} if folds > 2 else set()
        inner = [(np.flatnonzero(fold[train] != j), np.flatnonzero(fold[train] == j)) for j in sorted(beside)]
        classifier = make(inner, seed)
        pipeline = make_pipeline(Standardiser(), classifier)
        options = {}
        if has_fit_parameter(classifier, "sample_weight"):
            name = pipeline.steps[-1][0]
            options[f"{name}__sample_weight"] = compute_sample_weight("balanced", label[train])
        with sklearn.config_context(assume_finite=True), warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # a perceptron is meant to stop early
            warnings.simplefilter("ignore", FutureWarning)
            pipeline.fit(x[train], label[train], **options)
            standardised = pipeline[:-1].transform(x[test])
            score[test] = decision(classifier, standardised)
            if hasattr(classifier, "predict_proba"):
                probability[test] = classifier.predict_proba(standardised)[:, 1]
        classifiers.append(classifier)
    return OutOfFold(Scored(label, score, cluster, fold), probability, classifiers)


def grouped_folds(label: np.ndarray, cluster: np.ndarray, folds: int, rng: np.random.Generator) -> np.ndarray:
    """The fold (N,) of each window, by scikit-learn's `StratifiedGroupKFold`: episodes stay whole.

    There are as many folds as the rarer label has episodes, if that is fewer than `folds`.
    """
    folds = min(folds, *(len(np.unique(cluster[label == k])) for k in (0, 1)))
    split = StratifiedGroupKFold(folds, shuffle=True, random_state=int(rng.integers(2**31)))
    fold = np.zeros(len(label), np.int64)
    for k, (_, test) in enumerate(split.split(label, label, cluster)):
        fold[test] = k
    return fold


def decision(classifier: ClassifierMixin, x: np.ndarray) -> np.ndarray:
    """Scores (N,) that are above 0 where label 1 is predicted.

    The classifier's `decision_function`, for linear ones the distance to their hyperplane; else the log-odds
    of its probabilities, where one of exactly 0 (e.g. of a forest that agrees) counts as half the least one.

    Raises:
        InputError: The classifier has neither.
    """
    if hasattr(classifier, "decision_function"):
        normal = getattr(classifier, "coef_", None)
        length = np.linalg.norm(normal) if np.shape(normal) == (1, x.shape[1]) else 1.0
        return classifier.decision_function(x) / (length or 1.0)
    if not hasattr(classifier, "predict_proba"):
        name = type(classifier).__name__
        raise InputError(f"probe={name}: expected a classifier with decision_function or predict_proba")
    with np.errstate(divide="ignore"):
        if hasattr(classifier, "predict_log_proba"):  # of some, more precise than their probabilities
            log = classifier.predict_log_proba(x)
        else:
            log = np.log(classifier.predict_proba(x))
    odds = log[:, 1] - log[:, 0]
    furthest = np.abs(odds[np.isfinite(odds)]).max(initial=0.0) + np.log(2)
    return np.clip(odds, -furthest, furthest)
