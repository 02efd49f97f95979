import json

import numpy as np
import pytest
from PIL import Image
from sklearn.linear_model import LogisticRegression
from synthetic_runs import embeddings, write_run

from align.analysis.reports.probe import Embeddings, load_embeddings, probe_run, probe_site, thin
from align.analysis.statistics.cross_validation import cross_validate, grouped_folds, logistic_regression
from align.analysis.statistics.discrimination import bootstrap
from align.domain import Domain
from align.errors import InputError


def data(seed=0, **kwargs) -> Embeddings:
    arrays = embeddings(seed=seed, **kwargs)
    episode = arrays["episode"] + 1000 * arrays["domain"]
    return Embeddings("image", arrays["image"], arrays["domain"], episode, np.arange(len(episode)))


def test_separable_domains_are_told_apart_and_controls_are_not():
    probe = probe_site(data(shift=30.0))
    assert probe.statistics["auc"].value > 0.99 and probe.statistics["accuracy"].value > 0.97
    assert probe.statistics["mmd2"].low > 0
    for control in (probe.main.shuffled, probe.main.real_vs_real):
        assert control["auc"].low < 0.5 < control["auc"].high


def test_equal_distributions_are_not_told_apart():
    probe = probe_site(data(shift=0.0))
    for name in ("auc", "accuracy"):
        assert probe.statistics[name].low < 0.5 < probe.statistics[name].high
    assert probe.statistics["mmd2"].low < 0 < probe.statistics["mmd2"].high


def test_auc_is_unbiased_under_equal_distributions_of_alike_windows():
    """Each episode has its own look, so a split by window recognises episodes; a split by episode cannot."""
    by_episode, by_window = [], []
    for seed in range(8):
        d = data(seed=seed, spread=2.0, episodes=6, windows=10)
        for cluster, found in ((d.episode, by_episode), (np.arange(len(d.x)), by_window)):
            scored = cross_validate(d.x, d.domain, cluster, np.random.default_rng(seed))[0]
            found.append(bootstrap(scored, draws=1)["auc"][0])
    assert abs(np.mean(by_episode) - 0.5) < 0.12
    assert min(by_window) > 0.9


@pytest.mark.parametrize("penalty", [1e-4, 1e-2, 1.0])
def test_logistic_regression_agrees_with_scikit_learn(penalty):
    rng = np.random.default_rng(0)
    label = (rng.uniform(size=200) < 0.3).astype(int)  # unbalanced
    x = (rng.normal(size=(200, 8)) + label[:, None] * 0.7).astype(np.float32)
    model = LogisticRegression(C=penalty, class_weight="balanced", tol=1e-8).fit(x.astype(float), label)
    found = logistic_regression(x, label, penalty)
    expected = np.append(model.coef_, model.intercept_)
    np.testing.assert_allclose(found, expected, rtol=0.02, atol=0.02 * np.abs(expected).max())


def test_folds_keep_episodes_whole_and_hold_both_domains():
    d = data(episodes=7)
    fold = grouped_folds(d.domain, d.episode, 5, np.random.default_rng(0))
    for e in np.unique(d.episode):
        assert len(np.unique(fold[d.episode == e])) == 1
    for k in range(5):
        assert set(d.domain[fold == k]) == set(Domain)


def test_every_window_is_scored_once_out_of_fold_by_another_seed_differently():
    d = data(shift=5.0)
    scored, probability, penalties = cross_validate(d.x, d.domain, d.episode, np.random.default_rng(0))
    assert (scored.score != 0).all() and len(penalties) == 5
    np.testing.assert_array_equal(probability > 0.5, scored.score > 0)


def test_thinning_takes_equally_from_every_episode():
    domain = np.repeat([0, 1], [300, 40])
    cluster = np.concatenate([np.repeat([0, 1, 2], 100), np.repeat([3, 4], 20)])
    rows = thin(domain, cluster, 60)
    np.testing.assert_array_equal(np.bincount(cluster[rows]), [20, 20, 20, 20, 20])
    assert len(thin(domain, cluster, 1)) == 5


def test_a_constant_feature_is_harmless():
    d = data(shift=30.0)
    x = np.concatenate([d.x, np.full((len(d.x), 1), 7.3, np.float32)], axis=1)
    assert np.isfinite(cross_validate(x, d.domain, d.episode, np.random.default_rng(0))[0].score).all()


def test_probe_run_writes_its_files_and_repeats_itself(tmp_path):
    run = write_run(tmp_path / "run", {"lambda": 0.0}, shift=4.0, episodes=4)
    result = probe_run(run)
    assert json.loads((run / "probe.json").read_text()) == result == probe_run(run)
    assert set(result["sites"]) == {"image", "observation", "denoiser"}
    site = result["sites"]["observation"]
    assert site["real"]["episodes"] == 4 and site["auc"]["low"] <= site["auc"]["value"] <= site["auc"]["high"]
    assert {"auc", "accuracy"} <= set(site["shuffled"]) & set(site["real_vs_real"])
    assert Image.open(run / "probe.png").size[0] == 2100  # both columns at 300 dpi
    assert (run / "probe_scores.csv").read_text().startswith("site,row,domain,episode,fold,score,probability")
    assert not [p for p in run.iterdir() if p.name.startswith(".")]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda a: a["image"].__setitem__((3, 0), np.nan), "image has NaN or infinity in 1 of 80 rows"),
        (lambda a: a.update(denoiser=a["denoiser"][:5]), "denoiser has 5 rows, expected 80"),
        (lambda a: a.pop("domain"), "expected domain, episode"),
        (lambda a: [a.pop(s) for s in ("image", "observation", "denoiser")], "one or more of"),
        (lambda a: a["episode"].__setitem__(slice(40, 60), 3), "image has 4 sim, 2 real episodes, expected"),
        (lambda a: a["domain"].__setitem__(slice(None), 0), "4 sim, 0 real"),
    ],
)
def test_bad_embeddings_are_refused_in_one_line(tmp_path, damage, message):
    arrays = embeddings(episodes=4, windows=10)
    damage(arrays)
    np.savez(tmp_path / "embeddings.npz", **arrays)
    with pytest.raises(InputError, match=message) as error:
        load_embeddings(tmp_path)
    assert "\n" not in str(error.value)


def test_a_run_without_embeddings_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"embeddings\.npz"):
        probe_run(tmp_path)
