import numpy as np
import pytest
from synthetic_runs import embeddings

from align.analysis.reports.probe import Embeddings, probe_site
from align.analysis.statistics import cross_validation, mlp
from align.analysis.statistics.discrimination import bootstrap


def xor(episodes: int = 12, windows: int = 15, nuisance: int = 4, seed: int = 0) -> Embeddings:
    """Both domains have the same means and variances; the sign of a product tells them apart."""
    rng = np.random.default_rng(seed)
    domain = np.repeat([0, 1], episodes * windows)
    side = rng.choice([-1.0, 1.0], len(domain))
    x = np.stack([side, side * (2 * domain - 1), *rng.normal(size=(nuisance, len(domain)))], axis=1)
    x = x + 0.3 * rng.normal(size=x.shape)
    episode = np.repeat(np.arange(2 * episodes), windows)
    return Embeddings("image", x.astype(np.float32), domain, episode, np.arange(len(x)), x[:, 2:])


def test_a_perceptron_tells_what_a_line_cannot():
    probe = probe_site(xor())
    linear, perceptron = probe.linear, probe.mlp
    assert linear.statistics["auc"].low < 0.5 < linear.statistics["auc"].high
    assert perceptron.statistics["auc"].low > 0.9 and perceptron.statistics["accuracy"].value > 0.9
    for control in (perceptron.shuffled, perceptron.real_vs_real, perceptron.untrained):
        assert control["auc"].low < 0.5 < control["auc"].high
    summary = probe.summary()
    assert summary["auc"]["value"] < 0.65 and summary["mlp"]["auc"]["value"] > 0.9
    assert len(summary["mlp"]["steps"]) == 5 and 0 < max(summary["mlp"]["steps"]) < mlp.STEPS


@pytest.mark.parametrize("kind", ["linear", "mlp"])
def test_one_kind_alone_leaves_the_other_out(kind):
    probe = probe_site(xor(episodes=4), kind=kind)
    assert ("auc" in probe.summary(), "mlp" in probe.summary()) == (kind == "linear", kind == "mlp")
    assert probe.statistics["auc"] == getattr(probe, kind).statistics["auc"] and "mmd2" in probe.statistics


def test_auc_is_unbiased_under_equal_distributions_of_alike_windows(monkeypatch):
    """Each episode has its own look: a split by window recognises episodes, a split by episode cannot."""
    monkeypatch.setattr(mlp, "STEPS", 50)
    by_episode, by_window = [], []
    for seed in range(6):
        arrays = embeddings(seed=seed, spread=2.0, episodes=6, windows=10)
        x, domain = arrays["image"], arrays["domain"]
        for cluster, found in (
            (arrays["episode"] + 6 * domain, by_episode),
            (np.arange(len(x)), by_window),
        ):
            scored = mlp.cross_validate(x, domain, cluster, np.random.default_rng(seed))[0]
            found.append(bootstrap(scored, draws=1)["auc"][0])
    assert abs(np.mean(by_episode) - 0.5) < 0.15
    assert min(by_window) > 0.9


def test_labels_outside_a_training_fold_do_not_act_on_it(monkeypatch):
    monkeypatch.setattr(mlp, "STEPS", 30)
    d = xor(episodes=5, windows=6)
    rng = np.random.default_rng(0)
    fold = cross_validation.grouped_folds(d.domain, d.episode, 5, rng)
    train = fold[None] != np.arange(5)[:, None]
    held_out = train & (fold[None] == (np.arange(5)[:, None] + 1) % 5)
    logits, steps = mlp._train(d.x, d.domain, train, held_out, 0)
    for k in range(5):
        other = np.where(train[k], d.domain, 1 - d.domain)
        moved, moved_steps = mlp._train(d.x, other, train, held_out, 0)
        np.testing.assert_allclose(moved[k], logits[k], atol=1e-4)
        assert moved_steps[k] == steps[k]


def test_folds_are_those_of_the_linear_probe_and_units_do_not_matter():
    d = xor(episodes=5, windows=6)
    scored, probability, _ = mlp.cross_validate(d.x, d.domain, d.episode, np.random.default_rng(0))
    linear = cross_validation.cross_validate(d.x, d.domain, d.episode, np.random.default_rng(0))[0]
    np.testing.assert_array_equal(scored.fold, linear.fold)
    np.testing.assert_array_equal(probability > 0.5, scored.score > 0)
    x = np.concatenate([1000 * d.x + 300, np.full((len(d.x), 1), 7.3, np.float32)], axis=1)
    x = np.concatenate([x, np.zeros((len(x), 1), np.float32)], axis=1)
    moved = mlp.cross_validate(x, d.domain, d.episode, np.random.default_rng(0))[0]
    assert np.isfinite(moved.score).all()


def test_many_features_are_reduced_without_losing_what_tells():
    d = xor()
    rng = np.random.default_rng(0)
    wide = (d.x @ rng.normal(size=(d.x.shape[1], 600))).astype(np.float32)
    scored = mlp.cross_validate(wide, d.domain, d.episode, rng)[0]
    assert bootstrap(scored, draws=1)["auc"][0] > 0.9


def test_two_episodes_a_label_leave_none_to_stop_by():
    d = xor(episodes=2, windows=5)
    scored, _, steps = mlp.cross_validate(d.x, d.domain, d.episode, np.random.default_rng(0))
    assert steps == [mlp.STEPS - 1] * 2 and np.isfinite(scored.score).all()
