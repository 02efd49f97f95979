import numpy as np
import pytest
from clustered import clustered
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Perceptron
from sklearn.metrics import balanced_accuracy_score, roc_auc_score
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier

from align.analysis.statistics.probing import classifiers
from align.analysis.statistics.probing.classifiers import PENALTIES, given, linear, penalties, perceptron
from align.analysis.statistics.probing.cross_validation import (
    Standardiser,
    cross_validate,
    decision,
    grouped_folds,
)


def windows(**options):
    """Features (N, D) of two labels, of which the second is moved by 1.5; label and episode."""
    x, label, cluster = clustered(**{"shift": 1.5, "spread": 0.3, "dims": 6, **options})
    return x.astype(np.float32), label, cluster


def out_of_fold(make, data, seed=0):
    return cross_validate(make, *data, np.random.default_rng(seed))


def test_folds_keep_episodes_whole_and_hold_both_labels():
    _, label, cluster = windows(episodes=(7, 9))
    fold = grouped_folds(label, cluster, 5, np.random.default_rng(0))
    for e in np.unique(cluster):
        assert len(np.unique(fold[cluster == e])) == 1
    for k in range(5):
        assert set(label[fold == k]) == {0, 1}
    assert (fold != grouped_folds(label, cluster, 5, np.random.default_rng(1))).any()
    _, label, cluster = windows(episodes=(3, 9))
    assert grouped_folds(label, cluster, 5, np.random.default_rng(0)).max() == 2


def test_scores_are_those_of_logistic_regression_on_the_other_folds():
    """Standardised by them, both labels weighing the same, with the C that was chosen there."""
    x, label, cluster = windows(episodes=(14, 6))
    found = out_of_fold(linear, (x, label, cluster))
    for k, penalty in enumerate(penalties(found.classifiers)):
        train, test = found.scored.fold != k, found.scored.fold == k
        mean, scale = x[train].mean(0, dtype=float), x[train].std(0, dtype=float)
        model = LogisticRegression(C=penalty, class_weight="balanced", tol=1e-8)
        model.fit((x[train] - mean) / scale, label[train])
        expected = model.decision_function((x[test] - mean) / scale) / np.linalg.norm(model.coef_)
        np.testing.assert_allclose(found.scored.score[test], expected, atol=0.02 * np.abs(expected).max())
        probability = model.predict_proba((x[test] - mean) / scale)[:, 1]
        np.testing.assert_allclose(found.probability[test], probability, atol=0.01)


def test_c_is_chosen_by_log_loss_on_episodes_of_the_training_folds():
    x, label, cluster = windows(shift=1.0, dims=20)
    chosen = penalties(out_of_fold(linear, (x, label, cluster)).classifiers)

    def by_scikit_learn(inner, seed):
        assert len(inner) == 2
        return classifiers.LogisticRegressionCV(
            Cs=PENALTIES, cv=inner, scoring="neg_log_loss", tol=classifiers.TOLERANCE
        )

    assert chosen == penalties(out_of_fold(by_scikit_learn, (x, label, cluster)).classifiers)
    noise = windows(shift=0.0, dims=60)
    assert np.median(penalties(out_of_fold(linear, noise).classifiers)) == min(PENALTIES)
    clear = windows(shift=12.0)
    assert set(penalties(out_of_fold(linear, clear).classifiers)) == {max(PENALTIES)}


@pytest.mark.parametrize("episodes", [(3, 6), (8, 7)])
def test_what_is_chosen_by_is_whole_episodes_of_the_training_folds(episodes):
    x, label, cluster = windows(episodes=episodes)
    seen = []

    def make(inner, seed):
        seen.append(inner)
        return LogisticRegression()

    fold = out_of_fold(make, (x, label, cluster)).scored.fold
    for k, inner in enumerate(seen):
        members = cluster[fold != k]
        assert len(inner) == 2
        for train, judge in inner:
            assert not set(members[train]) & set(members[judge])
            assert len(train) + len(judge) == len(members)
            assert set(label[fold != k][judge]) == {0, 1}
        assert not set(inner[0][1]) & set(inner[1][1])


def test_two_episodes_leave_none_to_choose_by():
    found = out_of_fold(linear, windows(episodes=(2, 2), shift=8.0))
    assert penalties(found.classifiers) == [PENALTIES[1]] * 2
    assert roc_auc_score(found.scored.label, found.scored.score) > 0.95


@pytest.mark.parametrize("make", [linear, perceptron, given(RandomForestClassifier(20))])
def test_every_window_is_scored_by_a_classifier_that_saw_none_of_its_episode(make):
    """Labels outside a training fold do not act on it, and the same seed gives the same scores."""
    x, label, cluster = windows(episodes=(6, 6), shift=2.0)
    found = out_of_fold(make, (x, label, cluster))
    again = out_of_fold(make, (x, label, cluster))
    np.testing.assert_array_equal(found.scored.score, again.scored.score)
    np.testing.assert_array_equal(found.probability > 0.5, found.scored.score > 0)
    assert (found.scored.score != out_of_fold(make, (x, label, cluster), seed=1).scored.score).any()
    assert roc_auc_score(label, found.scored.score) > 0.75
    test = found.scored.fold == 0
    moved = np.where(test[:, None], -100.0, x).astype(np.float32)
    other = out_of_fold(make, (moved, label, cluster))
    for a, b in zip(found.classifiers[:1], other.classifiers[:1], strict=True):
        z = Standardiser().fit(x[~test]).transform(x[test])
        np.testing.assert_allclose(decision(a, z), decision(b, z))


@pytest.mark.parametrize("make", [linear, perceptron, given(RandomForestClassifier(50))])
def test_both_labels_weigh_the_same(make):
    x, label, cluster = windows(episodes=(40, 6), shift=1.0, spread=0.0)
    found = out_of_fold(make, (x, label, cluster))
    shares = [np.mean((found.scored.score > 0)[label == k]) for k in (0, 1)]
    if make in (linear, perceptron):
        assert shares[1] > 0.5 and balanced_accuracy_score(label, found.scored.score > 0) > 0.6
    assert found.scored.score[label == 1].mean() > found.scored.score[label == 0].mean()


@pytest.mark.parametrize("make", [linear, perceptron])
@pytest.mark.parametrize("offset", [7.3, -1e4])
def test_features_that_hardly_vary_count_for_nothing(make, offset):
    """Deviations that are rounding, though they tell the labels apart."""
    x, label, cluster = windows(shift=1.0)
    x = x.astype(float)
    dead = offset + 1e-7 * abs(offset) * np.stack([label, np.zeros(len(label))], axis=1)
    alone = out_of_fold(linear, (x, label, cluster))
    together = out_of_fold(linear, (np.concatenate([x, dead], axis=1), label, cluster))
    np.testing.assert_allclose(together.scored.score, alone.scored.score, atol=1e-6)
    assert np.isfinite(out_of_fold(make, (np.zeros_like(x), label, cluster)).scored.score).all()


def test_units_do_not_matter():
    x, label, cluster = windows()
    alone = out_of_fold(linear, (x.astype(float), label, cluster)).scored.score
    moved = out_of_fold(linear, (1000.0 * x.astype(float) + 300, label, cluster)).scored.score
    np.testing.assert_allclose(moved, alone, atol=1e-3)


def test_scores_without_a_decision_function_are_log_odds():
    x, label, _ = windows(shift=2.0)
    model = GaussianNB().fit(x, label)
    log = model.predict_log_proba(x)
    np.testing.assert_allclose(decision(model, x), log[:, 1] - log[:, 0])
    for model in (KNeighborsClassifier(5), RandomForestClassifier(30, random_state=0)):
        model.fit(x, label)
        probability, score = model.predict_proba(x)[:, 1], decision(model, x)
        assert ((probability == 0) | (probability == 1)).any() and np.isfinite(score).all()
        assert roc_auc_score(label, score) == pytest.approx(roc_auc_score(label, probability))
        between = (probability > 0) & (probability < 1)
        odds = np.log(probability[between] / (1 - probability[between]))
        np.testing.assert_allclose(score[between], odds)
        assert np.abs(score).max() == pytest.approx(np.abs(odds).max() + np.log(2))


def test_scores_of_linear_classifiers_are_distances():
    x, label, _ = windows()
    model = Perceptron().fit(x, label)
    w = model.coef_[0]
    np.testing.assert_allclose(decision(model, x), (x @ w + model.intercept_) / np.linalg.norm(w), rtol=1e-5)


def test_a_given_classifier_is_copied_and_seeded_where_it_was_not():
    model = RandomForestClassifier(3)
    one, two = (given(model)([], seed) for seed in (1, 2))
    assert (one.random_state, two.random_state, model.random_state) == (1, 2, None)
    assert one.n_estimators == 3
    assert given(RandomForestClassifier(random_state=7))([], 1).random_state == 7
