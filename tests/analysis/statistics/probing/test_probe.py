import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import RandomForestClassifier
from sklearn.svm import SVC
from synthetic_runs import embeddings

from align.analysis.statistics.probing.classifiers import linear, perceptron
from align.analysis.statistics.probing.cross_validation import cross_validate
from align.analysis.statistics.probing.discrimination import bootstrap
from align.analysis.statistics.probing.probe import Embeddings, by_layer, probe_site, thin
from align.errors import InputError


def data(seed=0, site="image", **kwargs) -> Embeddings:
    arrays = embeddings(seed=seed, **kwargs)
    episode = arrays["episode"] + 1000 * arrays["domain"]
    return Embeddings(site, arrays["image"], arrays["domain"], episode, np.arange(len(episode)))


def xor(episodes: int = 12, windows: int = 15, nuisance: int = 4, seed: int = 0) -> Embeddings:
    """Both domains have the same means and variances; the sign of a product tells them apart."""
    rng = np.random.default_rng(seed)
    domain = np.repeat([0, 1], episodes * windows)
    side = rng.choice([-1.0, 1.0], len(domain))
    x = np.stack([side, side * (2 * domain - 1), *rng.normal(size=(nuisance, len(domain)))], axis=1)
    x = x + 0.3 * rng.normal(size=x.shape)
    episode = np.repeat(np.arange(2 * episodes), windows)
    return Embeddings("image", x.astype(np.float32), domain, episode, np.arange(len(x)), x[:, 2:])


def test_separable_domains_are_told_apart_and_controls_are_not():
    probe = probe_site(data(seed=1, shift=30.0))
    for found in probe.kinds.values():
        assert found.statistics["auc"].value > 0.99 and found.statistics["accuracy"].value > 0.97
        for control in (found.shuffled, found.real_vs_real):
            assert control["auc"].low < 0.5 < control["auc"].high
    assert list(probe.kinds) == ["linear", "mlp"] and probe.distance.low > 0


def test_equal_distributions_are_not_told_apart():
    probe = probe_site(data(shift=0.0))
    for found in probe.kinds.values():
        for name in ("auc", "accuracy"):
            assert found.statistics[name].low < 0.5 < found.statistics[name].high
    assert probe.distance.low < 0 < probe.distance.high


@pytest.mark.parametrize("make", [linear, perceptron])
def test_auc_is_unbiased_under_equal_distributions_of_alike_windows(make):
    """Each episode has its own look, so a split by window recognises episodes; a split by episode cannot."""
    by_episode, by_window = [], []
    for seed in range(8):
        d = data(seed=seed, spread=2.0, episodes=6, windows=10)
        for cluster, found in ((d.episode, by_episode), (np.arange(len(d.x)), by_window)):
            scored = cross_validate(make, d.x, d.domain, cluster, np.random.default_rng(seed)).scored
            found.append(bootstrap(scored)["auc"][0])
    assert abs(np.mean(by_episode) - 0.5) < 0.12
    assert min(by_window) > 0.9


def test_a_perceptron_tells_what_a_line_cannot():
    probe = probe_site(xor())
    line, mlp = probe.kinds["linear"], probe.kinds["mlp"]
    assert line.statistics["auc"].low < 0.5 < line.statistics["auc"].high
    assert mlp.statistics["auc"].low > 0.9 and mlp.statistics["accuracy"].value > 0.9
    for control in (mlp.shuffled, mlp.real_vs_real, mlp.untrained):
        assert control["auc"].low < 0.5 < control["auc"].high
    summary = probe.summary()
    assert summary["auc"]["value"] < 0.65 and summary["mlp"]["auc"]["value"] > 0.9
    assert len(summary["C"]) == 5 and "C" not in summary["mlp"]


@pytest.mark.parametrize("kind", ["linear", "mlp"])
def test_one_kind_alone_leaves_the_other_out(kind):
    probe = probe_site(xor(episodes=4), probe=kind)
    assert ("auc" in probe.summary(), "mlp" in probe.summary()) == (kind == "linear", kind == "mlp")
    assert probe.main is probe.kinds[kind] and "mmd2" in probe.summary()


def test_a_given_classifier_is_trained_controlled_and_told_apart_from_the_linear_probe():
    probe = probe_site(xor(), probe=RandomForestClassifier(30))
    assert list(probe.kinds) == ["classifier"] and probe.main.statistics["auc"].low > 0.9
    for control in (probe.main.shuffled, probe.main.real_vs_real, probe.main.untrained):
        assert control["auc"].low < 0.5 < control["auc"].high
    summary = probe.summary()
    assert "auc" not in summary and summary["classifier"]["auc"]["value"] > 0.9
    assert np.isnan(probe_site(xor(episodes=4), probe=SVC()).main.probability).all()


def test_a_classifier_with_settings_that_do_not_fit_is_refused():
    with pytest.raises(InputError, match=r"RandomForestClassifier.*n_estimators"):
        probe_site(xor(episodes=4), probe=RandomForestClassifier(n_estimators="many"))


def test_a_classifier_without_scores_is_refused_by_its_name():
    class Mute(ClassifierMixin, BaseEstimator):
        def fit(self, X, y):
            self.classes_ = np.unique(y)
            return self

    with pytest.raises(InputError, match=r"^probe=Mute: expected a classifier with decision_function"):
        probe_site(xor(episodes=4), probe=Mute())


def test_thinning_takes_equally_from_every_episode():
    domain = np.repeat([0, 1], [300, 40])
    cluster = np.concatenate([np.repeat([0, 1, 2], 100), np.repeat([3, 4], 20)])
    rows = thin(domain, cluster, 60)
    np.testing.assert_array_equal(np.bincount(cluster[rows]), [20, 20, 20, 20, 20])
    assert len(thin(domain, cluster, 1)) == 5


def test_a_layer_read_at_two_steps_or_more_is_a_line_over_increasing_steps():
    sites = ("denoiser@50", "image", "denoiser@5", "denoiser.layers.1@5", "denoiser")
    probes = [probe_site(data(site=site, episodes=4, windows=2), probe="linear") for site in sites]
    layers = by_layer(probes)
    assert {layer: list(steps) for layer, steps in layers.items()} == {"denoiser": [5, 50]}
    assert [p.data.site for p in layers["denoiser"].values()] == ["denoiser@5", "denoiser@50"]
    assert not by_layer([p for p in probes if p.data.site != "denoiser@5"])
