from functools import partial

import numpy as np
import pytest
from clustered import clustered
from scipy.stats import binom
from sklearn.linear_model import Ridge
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from align.analysis.statistics import classifier_two_sample
from align.analysis.statistics.classifier_two_sample import (
    RIDGE,
    _weighted_auc,
    _wins,
    classifier_two_sample_test,
)
from align.analysis.statistics.permutation import permuted_labels
from align.seeding import numpy_rng

windows = partial(clustered, episodes=(8, 8), size=4, spread=1.0, dims=4)


@pytest.mark.parametrize("dims", [4, 80])
def test_the_statistic_is_the_auc_of_ridge_regression_on_the_label(dims, monkeypatch):
    """As scikit-learn trains it on one labelling, standardised in each training fold."""
    monkeypatch.setattr(classifier_two_sample, "PERMUTATIONS", 1)
    x, label, cluster = windows(shift=1.0, dims=dims)
    fold = (numpy_rng(0, "classifier folds").permutation(16) % 2)[cluster]
    wins = pairs = 0.0
    for k in (0, 1):
        train, test = fold != k, fold == k
        model = make_pipeline(StandardScaler(), Ridge(alpha=train.sum() * RIDGE)).fit(x[train], label[train])
        weight = label[test].sum() * (1 - label[test]).sum()
        wins += weight * roc_auc_score(label[test], model.predict(x[test]))
        pairs += weight
    assert classifier_two_sample_test(x, label, cluster).statistic == pytest.approx(wins / pairs)


def test_auc_agrees_with_scikit_learn_with_ties_and_weights():
    rng = np.random.default_rng(0)
    scores, label = rng.integers(0, 6, size=(50, 3)).astype(float), rng.integers(0, 2, size=(50, 3))
    wins, pairs = _wins(scores, label)
    expected = [roc_auc_score(label[:, i], scores[:, i]) for i in range(3)]
    np.testing.assert_allclose(wins / pairs, expected)
    weight = rng.integers(0, 4, size=50).astype(float)
    real = label[:, 0] == 1
    found = _weighted_auc(scores[:, 0], np.zeros(50), (weight * ~real)[None], (weight * real)[None])
    assert found[0] == pytest.approx(roc_auc_score(real, scores[:, 0], sample_weight=weight))


def test_every_permutation_is_trained_and_tested_as_the_data_are(monkeypatch):
    monkeypatch.setattr(classifier_two_sample, "PERMUTATIONS", 5)
    x, label, cluster = windows(shift=1.0)
    found = classifier_two_sample_test(x, label, cluster)
    permuted = permuted_labels(label[np.unique(cluster, return_index=True)[1]], 5, 0).astype(int)
    for i in range(5):
        alone = classifier_two_sample_test(x, permuted[i + 1][cluster], cluster)
        assert alone.statistic == pytest.approx(found.null[i])


def test_domains_apart_are_told_apart_with_power(monkeypatch):
    monkeypatch.setattr(classifier_two_sample, "PERMUTATIONS", 200)
    weak, strong = (classifier_two_sample_test(*windows(shift=s)) for s in (0.0, 8.0))
    assert strong.p_value < 0.02 and strong.power > 0.98
    assert strong.effect == strong.statistic - 0.5 > 0.45
    assert weak.effect < 0.3 and weak.power < 0.6


def test_size_is_five_percent_by_episode_and_far_more_by_window(monkeypatch):
    monkeypatch.setattr(classifier_two_sample, "PERMUTATIONS", 39)
    by_episode, by_window = 0, 0
    for seed in range(400):
        x, label, cluster = windows(seed, episodes=(6, 6), size=4, spread=2.0, dims=3)
        by_episode += classifier_two_sample_test(x, label, cluster, seed).p_value <= 0.05
        if seed < 60:
            by_window += classifier_two_sample_test(x, label, np.arange(len(x)), seed).p_value <= 0.05
    low, high = binom.ppf([0.001, 0.999], 400, 0.05)
    assert low <= by_episode <= high
    assert by_window > 0.4 * 60


def test_constant_and_equal_features_are_chance(monkeypatch):
    monkeypatch.setattr(classifier_two_sample, "PERMUTATIONS", 20)
    _, label, cluster = windows()
    found = classifier_two_sample_test(np.ones((len(label), 3)), label, cluster)
    assert (found.statistic, found.p_value, found.power) == (0.5, 1.0, 0.0)
