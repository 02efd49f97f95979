import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from align.analysis.statistics import two_sample
from align.analysis.statistics.intervals import percentile
from align.analysis.statistics.probing import discrimination
from align.analysis.statistics.probing.discrimination import Scored
from align.analysis.statistics.two_sample import mmd2


def scored(rng, episodes=10, windows=6, shift=1.0, spread=1.0, folds=1, ties=False):
    label = np.repeat([0, 1], episodes * windows)
    cluster = np.repeat(np.arange(2 * episodes), windows)
    score = shift * label + spread * rng.normal(size=2 * episodes)[cluster] + rng.normal(size=len(label))
    return Scored(label, np.round(score) if ties else score, cluster, cluster % folds)


@pytest.mark.parametrize("ties", [False, True])
def test_estimates_agree_with_scikit_learn(ties):
    s = scored(np.random.default_rng(0), ties=ties)
    found = discrimination.bootstrap(s)
    assert found["auc"][0] == pytest.approx(roc_auc_score(s.label, s.score))
    if not ties:
        assert found["accuracy"][0] == pytest.approx(balanced_accuracy_score(s.label, s.score > 0))


@pytest.mark.parametrize("folds", [1, 5])
def test_area_under_the_roc_is_the_auc(folds, monkeypatch):
    s = scored(np.random.default_rng(1), folds=folds, ties=True)
    monkeypatch.setattr(discrimination, "ROC_POINTS", 5_001)
    fpr, tpr, low, high = discrimination.roc(s)
    assert np.trapezoid(tpr, fpr) == pytest.approx(discrimination.bootstrap(s)["auc"][0], abs=2e-3)
    assert (low <= tpr).all() and (tpr <= high).all()


def test_offsets_of_folds_do_not_matter_to_auc():
    s = scored(np.random.default_rng(2), folds=5)
    moved = Scored(s.label, s.score + 100 * s.fold, s.cluster, s.fold)
    assert discrimination.bootstrap(moved)["auc"][0] == pytest.approx(discrimination.bootstrap(s)["auc"][0])


def test_margin_is_the_difference_of_means_in_deviations():
    rng = np.random.default_rng(3)
    s = scored(rng, episodes=400, windows=2, shift=3.0, spread=0.0)
    assert discrimination.bootstrap(s)["margin"][0] == pytest.approx(3.0, abs=0.2)


def test_intervals_cover_when_windows_of_an_episode_are_alike(monkeypatch):
    monkeypatch.setattr(discrimination, "DRAWS", 300)
    covered, naive = [], []
    for i in range(150):
        s = scored(np.random.default_rng(i), shift=0.0, spread=3.0)
        found = percentile(*discrimination.bootstrap(s)["auc"])
        covered.append(found.low <= 0.5 <= found.high)
        one_each = Scored(s.label, s.score, np.arange(len(s.label)), s.fold)  # as if windows were independent
        found = percentile(*discrimination.bootstrap(one_each)["auc"])
        naive.append(found.low <= 0.5 <= found.high)
    assert np.mean(covered) >= 0.88
    assert np.mean(naive) < 0.75


@pytest.mark.parametrize("windows", [6, 20])
@pytest.mark.parametrize("spread", [0.5, 1.0])
@pytest.mark.parametrize("auc", [0.95, 0.99, 0.999])
def test_intervals_cover_an_auc_near_one(auc, spread, windows, monkeypatch):
    """Those of resamples alone do in half of the data sets at .99 and in fewer beyond."""
    monkeypatch.setattr(discrimination, "DRAWS", 200)
    shift = norm.ppf(auc) * np.sqrt(2 * (1 + spread**2))
    covered = []
    for i in range(100):
        s = scored(np.random.default_rng(i), windows=windows, shift=shift, spread=spread)
        found = percentile(*discrimination.bootstrap(s)["auc"])
        assert 0 <= found.low < found.high <= 1
        covered.append(found.low <= auc <= found.high)
    assert np.mean(covered) >= 0.93


def test_windows_that_are_few_say_little_though_all_are_right():
    def interval(windows: int):
        s = scored(np.random.default_rng(0), windows=windows, shift=50.0)
        return percentile(*discrimination.bootstrap(s)["auc"])

    few, more, many = interval(1), interval(8), interval(80)
    assert few.value == many.value == 1 and few.low < 0.8 < 0.95 < more.low and more.low == many.low


def _episodes(rng, shift=0.0):
    cluster = np.repeat(np.arange(16), 10)
    label = (cluster >= 8).astype(int)
    x = rng.normal(size=(16, 3))[cluster] + 0.3 * rng.normal(size=(160, 3)) + shift * label[:, None]
    return x, label, cluster


def test_mmd2_has_mean_zero_under_equal_distributions_of_alike_windows(monkeypatch):
    monkeypatch.setattr(two_sample, "DRAWS", 1)
    by_episode, by_window = [], []
    for i in range(100):
        x, label, cluster = _episodes(np.random.default_rng(i))
        by_episode.append(mmd2(x, label, cluster)[0])
        by_window.append(mmd2(x, label, np.arange(160))[0])
    error = np.std(by_episode) / np.sqrt(100)
    assert abs(np.mean(by_episode)) < 3 * error
    assert np.mean(by_window) > 5 * error


def test_mmd2_agrees_with_a_double_loop_and_grows_with_the_shift():
    x, label, cluster = _episodes(np.random.default_rng(0), shift=1.0)
    value, _, bandwidth = mmd2(x, label, cluster)
    sums, counts = np.zeros((2, 2)), np.zeros((2, 2))
    for i in range(160):
        for j in range(160):
            if cluster[i] != cluster[j]:
                sums[label[i], label[j]] += np.exp(-np.sum((x[i] - x[j]) ** 2) / bandwidth)
                counts[label[i], label[j]] += 1
    mean = sums / counts
    assert value == pytest.approx(mean[0, 0] + mean[1, 1] - mean[0, 1] - mean[1, 0])
    assert mmd2(*_episodes(np.random.default_rng(0), shift=3.0))[0] > value
