"""The classifiers that probe embeddings; `cross_validation` trains them."""

import numpy as np
from sklearn.base import ClassifierMixin, clone
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
from sklearn.neural_network import MLPClassifier

from align.analysis.statistics.probing.cross_validation import MakeClassifier, Split

PENALTIES = (1e-4, 1e-2, 1.0)  # candidates for C
TOLERANCE = 1e-3  # of the gradient: no score depends on it visibly
WIDTH = 32
EPOCHS = 10


def linear(inner: list[Split], seed: int) -> ClassifierMixin:
    """Logistic regression, with the C of least log-loss on held-out episodes; the middle one without any."""
    if not inner:
        return LogisticRegression(C=PENALTIES[len(PENALTIES) // 2], tol=TOLERANCE)
    return LogisticRegressionCV(Cs=PENALTIES, cv=inner, scoring=_log_likelihood, tol=TOLERANCE)


def perceptron(inner: list[Split], seed: int) -> ClassifierMixin:
    """A perceptron with one hidden layer, trained for a few epochs.

    Few, since what more of them learn is the episodes. Stopping by held-out episodes instead is no better
    where domains are hard to tell apart: a few of them say too little, and leave fewer to train on.
    """
    return MLPClassifier((WIDTH,), alpha=1.0, learning_rate_init=0.02, max_iter=EPOCHS, random_state=seed)


def given(classifier: ClassifierMixin) -> MakeClassifier:
    """Copies of a user's classifier, seeded where it draws and was not seeded."""

    def make(inner: list[Split], seed: int) -> ClassifierMixin:
        copy = clone(classifier)
        if copy.get_params().get("random_state", 0) is None:
            copy.set_params(random_state=seed)
        return copy

    return make


def penalties(classifiers: list[ClassifierMixin]) -> list[float]:
    """The C of each of `linear`'s classifiers."""
    return [float(np.ravel(getattr(c, "C_", c.get_params().get("C")))[0]) for c in classifiers]


def _log_likelihood(
    classifier: ClassifierMixin, x: np.ndarray, label: np.ndarray, sample_weight: np.ndarray | None = None
) -> float:
    """Mean log-likelihood; scikit-learn's `neg_log_loss`, whose checks cost more than the fits."""
    margin = np.where(label == 1, 1, -1) * classifier.decision_function(x)
    return -float(np.average(np.logaddexp(0, -margin), weights=sample_weight))
