"""Tables of arms, and the distance that an objective is there to lower."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from synthetic_runs import write_run

from align.alignment import DANN, MMD
from align.analysis.reports import arm_table
from align.analysis.reports.arm_table import ArmTable
from align.analysis.reports.arm_table.cells import as_text
from align.analysis.reports.arm_table.own_distance import own_distance
from align.analysis.reports.probes.probe import load_embeddings
from align.analysis.reports.sweep import Metric, Sweep
from align.analysis.reports.sweep.comparisons import compare
from align.analysis.statistics.intervals import Interval
from align.analysis.statistics.probing.divergence import divergence
from align.analysis.statistics.probing.probe import Embeddings
from align.checkpoints.trust import trusting


def _configure(run, kind: str, **arguments):
    model = {"alignment": {"class_path": f"align.alignment.{kind}", "init_args": arguments}, "site": "image"}
    (run / "config.yaml").write_text(yaml.safe_dump({"model": model, "seed_everything": 0}))
    return run


@pytest.fixture
def sweep(tmp_path):
    """Co-training and an arm whose embeddings are closer, two trainings each."""
    for method, weight, shift in (("co-training", 0, 12.0), ("mmd", 0.1, 0.5)):
        for seed in (0, 1):
            point = {"method": method, "lambda": weight, "seed": seed}
            run = write_run(
                tmp_path / f"{method}{seed}", point, shift=shift, seed=seed, episodes=6, windows=5
            )
            _configure(run, "MMD", kernel="rbf")
    return tmp_path


def test_own_distance_is_the_objective_of_held_out_embeddings(sweep):
    run = sweep / "mmd0"
    (data,) = (d for d in load_embeddings(run) if d.site == "image")
    sim, real = (torch.from_numpy(data.x[data.domain == d]) for d in (0, 1))
    assert own_distance(run, run) == pytest.approx(float(MMD()(sim, real)), abs=1e-6)
    assert own_distance(sweep / "co-training0", run) > own_distance(run, run) + 0.05


def test_own_distance_joins_actions_where_they_were_kept(sweep):
    run = _configure(sweep / "mmd0", "JointMMD")
    assert own_distance(run, run) is None
    arrays = dict(np.load(run / "embeddings.npz"))
    arrays["action"] = np.random.default_rng(0).normal(size=(len(arrays["domain"]), 6)).astype(np.float32)
    np.savez(run / "embeddings.npz", **arrays)
    assert np.isfinite(own_distance(run, run))


def test_own_distance_is_left_out_where_positions_are_joined(sweep):
    """They were normalised in training and are kept as the data have them: of pixels it would be nothing."""
    run = _configure(sweep / "mmd0", "JointMMD", of="agent_pos")
    arrays = dict(np.load(run / "embeddings.npz"))
    arrays["agent_pos"] = 512 * np.random.default_rng(0).random((len(arrays["domain"]), 2)).astype(np.float32)
    np.savez(run / "embeddings.npz", **arrays)
    assert own_distance(run, run) is None


def test_own_distance_is_left_out_where_it_cannot_be_said(sweep):
    assert own_distance(sweep / "mmd0", _configure(sweep / "mmd1", "NoSuchObjective")) is None


@pytest.mark.parametrize("bounded", [False, True])
def test_adversarial_distance_is_a_divergence_on_episodes_not_trained_on(bounded):
    """log 2 for domains apart, and 0 for alike ones, learnt by heart as they may be."""
    rng = np.random.default_rng(0)
    episode = np.repeat(np.arange(60), 10)
    domain = (episode >= 30).astype(np.int64)
    x = (rng.normal(size=(600, 8)) + rng.normal(size=(60, 8))[episode]).astype(np.float32)
    objective, rows = DANN(spectral_norm=bounded), np.arange(600)
    alike = divergence(objective, Embeddings("image", x, domain, episode, rows, None))
    apart = divergence(objective, Embeddings("image", x + 40 * domain[:, None], domain, episode, rows, None))
    assert alike < 0.03 and apart == pytest.approx(np.log(2), abs=0.01)


def test_adversarial_objectives_have_an_own_distance(sweep):
    run = _configure(sweep / "mmd1", "ADDA", learning_rate=1e-3)
    assert own_distance(sweep / "co-training1", run) > own_distance(run, run) + 0.05


def test_what_set_the_weight_is_shown_where_something_did(sweep):
    assert not {"λ", "slack", "gradient ratio"} & set(ArmTable(Sweep(sweep)).cells()[0])
    for seed, slack in ((0, 0.012), (1, -0.003)):
        path = sweep / f"mmd{seed}" / "summary.json"
        found = {"lambda": (0.00024, 1.2)[seed], "weighting": "Constrained", "slack": slack}
        found["train_grad_ratio"] = 40.288
        path.write_text(json.dumps(json.loads(path.read_text()) | found))
    titles, rows = ArmTable(Sweep(sweep)).cells()
    cells = [{title: cell.text for title, cell in zip(titles, row, strict=True)} for row in rows]
    assert [row["λ"] for row in cells] == ["0", "0.00024 to 1.2"]
    assert [row["slack"] for row in cells] == ["—", "−0.003 to 0.012"]
    assert [row["gradient ratio"] for row in cells] == ["—", "40.3"]


def test_a_users_objective_has_a_distance_too(sweep, tmp_path, monkeypatch):
    (tmp_path / "theirs.py").write_text(
        "from align.alignment import Objective\n"
        "class Gap(Objective):\n"
        "    def distance(self, sim, real):\n"
        "        return (sim.embedding.mean(0) - real.embedding.mean(0)).norm()\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    run = sweep / "mmd0"
    config = yaml.safe_load((run / "config.yaml").read_text())
    config["model"]["alignment"] = {"class_path": "theirs.Gap"}
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    (data,) = (d for d in load_embeddings(run) if d.site == "image")
    means = [data.x[data.domain == d].mean(0) for d in (0, 1)]
    with trusting(["theirs"]):
        assert own_distance(run, run) == pytest.approx(np.linalg.norm(means[0] - means[1]), rel=1e-4)


def test_own_distance_of_an_objective_that_builds_layers(sweep, tmp_path, monkeypatch):
    (tmp_path / "layers.py").write_text(
        "from torch import nn\n"
        "from align.alignment import Objective\n"
        "class Projected(Objective):\n"
        "    def build(self, dim):\n"
        "        self.layer = nn.Sequential(nn.Linear(dim, 3), nn.Dropout(0.5))\n"
        "    def distance(self, sim, real):\n"
        "        a, b = (self.layer(x.embedding).mean(0) for x in (sim, real))\n"
        "        return (a - b).norm()\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("mmd0", "co-training0"):
        config = yaml.safe_load((sweep / name / "config.yaml").read_text())
        config["model"]["alignment"] = {"class_path": "layers.Projected"}
        (sweep / name / "config.yaml").write_text(yaml.safe_dump(config))
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    with trusting(["layers"]):
        near = own_distance(sweep / "mmd0", sweep / "mmd0")
        assert near == own_distance(sweep / "mmd0", sweep / "mmd0")  # the same layers, and none dropped
        assert own_distance(sweep / "co-training0", sweep / "mmd0") > 1.2 * near > 0
    assert (torch.random.get_rng_state() == before).all()


def test_tables_hold_estimates_paired_differences_and_own_distances(sweep):
    written = arm_table.report(Sweep(sweep))
    assert [p.name for p in written] == ["results.csv", "arms.csv", "results.md", "table.png"]
    table = pd.read_csv(written[1]).set_index(["arm", "metric"])
    found = Sweep(sweep)
    base, arm = found.arms()
    score = table.loc[("mmd, lambda=0.1", "rollout/real/score")]
    estimate = found.estimate(arm.runs, Metric.parse("rollout/real/score")).interval
    difference = found.difference(arm.runs, base.runs, Metric.parse("rollout/real/score"))
    assert tuple(score[["value", "low", "high"]]) == pytest.approx(tuple(estimate), rel=1e-4)
    assert tuple(score[["difference", "difference_low", "difference_high"]]) == pytest.approx(
        tuple(difference), rel=1e-4
    )
    assert pd.isna(table.loc[("co-training", "rollout/real/score"), "difference"])
    own = [
        table.loc[("mmd, lambda=0.1", f"own_distance/{name}"), "value"] for name in ("of_reference", "of_arm")
    ]
    expected = [
        np.mean([own_distance(sweep / f"{m}{s}", sweep / "mmd0") for s in (0, 1)])
        for m in ("co-training", "mmd")
    ]
    assert own == pytest.approx(expected, rel=1e-4) and own[0] > own[1]
    text = written[2].read_text()
    assert f"{own[0]:.3g} → {own[1]:.3g}" in text and "Own distance:" in text


def test_only_the_aligned_site_is_in_the_short_table(sweep):
    for run in sweep.glob("*[01]"):
        site = {"auc": {"value": 0.9, "low": 0.8, "high": 1.0}}
        numbers = {n: {"value": 0.5, "low": 0.4, "high": 0.6} for n in ("accuracy", "margin", "mmd2")}
        controls = {n: site for n in ("shuffled", "real_vs_real")}
        found = {"sites": {s: site | numbers | controls for s in ("image", "denoiser")}}
        (run / "probe.json").write_text(json.dumps(found))
        summary = json.loads((run / "summary.json").read_text()) | {"site": "image"}
        (run / "summary.json").write_text(json.dumps(summary))
    titles, rows = ArmTable(Sweep(sweep)).cells()
    assert "image: AUC" in titles and "denoiser: AUC" not in titles and len(rows) == 2
    everything = ArmTable(Sweep(sweep)).frame()
    assert "probe/denoiser/auc" in set(everything["metric"])


def test_differences_and_ratios_that_are_clear_stand_out(sweep):
    """An arm far better than the reference, and another that is the reference once more."""
    for method, skill in (("better", 0.95), ("same", 0.7)):
        for seed in (0, 1):
            point = {"method": method, "lambda": 0, "seed": seed}
            write_run(sweep / f"{method}{seed}", point, skill=skill, seed=seed, episodes=6, windows=5)
    (sweep / "grid.json").write_text(json.dumps({"reference": {"method": "co-training", "lambda": 0}}))
    found = Sweep(sweep)
    titles, rows = ArmTable(found).cells()
    base, metric = found.find(found.arms()), Metric("rollout", "real", "score")
    column, at_once = (j for j, title in enumerate(titles) if title.startswith("real: score −"))
    clear = {row[0].text: row[column].clear for row in rows}
    pairs = compare(found, [(arm, base) for arm in found.arms()], metric).pairs
    for arm, pair in zip(found.arms(), pairs, strict=True):
        if arm.label != base.label:
            assert clear[arm.label] is (pair.simultaneous.low > 0 or pair.simultaneous.high < 0)
    assert clear == {row[0].text: row[at_once].clear for row in rows}
    assert clear["better"] and not clear["same"] and not clear[base.label]
    others = [cell for row in rows for j, cell in enumerate(row) if "−" not in titles[j]]
    assert not any(cell.clear for cell in others), "an estimate alone is not compared with anything"


def test_comparisons_of_lone_trainings_are_marked_and_promise_nothing(sweep):
    def told() -> str:
        arm_table.report(Sweep(sweep))
        return (sweep / "results.md").read_text()

    both = told()
    assert "†" not in both and "would be found in 80 %" in both
    for method in ("co-training", "mmd"):
        shutil.rmtree(sweep / f"{method}1")
    lone = told()
    (short,) = (line for line in lone.splitlines()[:6] if line.startswith("| mmd"))
    difference, verdict = short.strip("| ").split(" | ")[-2:]
    assert difference.endswith("] †") and verdict.endswith(" †"), short
    assert "would be found in 80 %" not in lone and "† of these trainings" in lone.replace("†:", "†")


def _printed(drawn) -> list[str]:
    """Titles of the columns of the picture, which begin with a world."""
    texts = (text.get_text().replace("\n", " ") for text in drawn["table.png"].axes[0].texts)
    return [text for text in texts if text.startswith(("real:", "sim:"))]


def test_the_picture_has_success_in_the_target_and_scores_elsewhere(sweep, drawn):
    arm_table.report(Sweep(sweep))
    of_real = ["real: score", "real: success_90", "real: score − co-training"]
    of_real += ["real: success_90 − co-training", "real: may be best"]
    assert sorted(_printed(drawn)) == sorted([*of_real, "sim: score"])


def test_where_trials_are_scored_by_success_alone_no_score_is_beside_it(sweep, drawn):
    for trials in sweep.glob("*/rollouts.csv"):
        table = pd.read_csv(trials)
        table["score"] = table["success_90"].astype(float)
        table.to_csv(trials, index=False)
    written = arm_table.report(Sweep(sweep))
    of_real = ["real: success_90", "real: success_90 − co-training", "real: may be best"]
    assert sorted(_printed(drawn)) == sorted([*of_real, "sim: score"])
    first = next(path for path in written if path.name == "results.md").read_text().splitlines()[0]
    assert first == "| arm | trainings | real: success_90 | real: success_90 − co-training | verdict |"


def test_ends_that_are_not_known_are_left_out():
    """As of a score in one trial."""
    assert as_text(Interval(-0.5, np.nan, np.nan), ".2f") == "−0.50"
    assert as_text(Interval(0.5, 0.4, 0.6), "+.2f") == "+0.50 [+0.40, +0.60]"
    assert str(Interval(-0.5, np.nan, np.nan)) == "−0.50"
