"""What arms cost in held-out denoising loss, beside the reference's training of the same seed."""

import json

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy import stats
from synthetic_runs import write_run

from align.analysis.figures.held_out_loss import Loss, figure_held_out_loss
from align.analysis.reports import held_out_loss
from align.analysis.reports.everything import report
from align.analysis.reports.sweep import Sweep
from align.analysis.reports.sweep.keep import keep
from align.analysis.statistics.intervals import Interval

LOSSES = {  # (real, sim) by arm and seed; α of the reference is 0.25
    ("plain", 0): (0.20, 0.04), ("plain", 1): (0.24, 0.04),
    ("budget", 0): (0.24, 0.04), ("budget", 1): (0.24, 0.06),
}  # fmt: skip
RATIOS = [0.09 / 0.08, 0.105 / 0.09]


def write(folder, arm, seed, real, sim, alpha=0.25, store="a", budget=None, reference="plain", **other):
    run = write_run(folder / f"{arm}{seed}", {"arm": arm, "seed": seed}, episodes=2, windows=1)
    summary = json.loads((run / "summary.json").read_text())
    summary |= {"val_loss_real": real, "val_loss_sim": sim, "alpha": alpha, "lambda": 0.5 * seed}
    (run / "summary.json").write_text(json.dumps(summary))
    policy = {"schedule": {"prediction": "sample"}, "horizon": 8, "relative_actions": True} | other
    model, data = {"policy": policy}, {"seed": policy.pop("split", 0)}
    if budget is not None:
        init_args = {"budget": budget, "reference": f"runs/there/{reference}{seed}"}
        model["weighting"] = {"class_path": "align.alignment.Constrained", "init_args": init_args}
    config = {"seed_everything": seed, "model": model, "data": data}
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    stores = {"real": {"hash": store}, "sim": {"hash": "s"}}
    (run / "provenance.json").write_text(json.dumps({"data": stores}))


@pytest.fixture
def sweep(tmp_path):
    for (arm, seed), (real, sim) in LOSSES.items():
        alpha = 0.25 if arm == "plain" else 0.9  # the reference's counts
        write(tmp_path, arm, seed, real, sim, alpha, budget=0.13 if arm == "budget" else None)
    (tmp_path / "grid.json").write_text(json.dumps({"reference": {"arm": "plain"}}))
    return tmp_path


def test_losses_are_divided_by_those_of_the_same_seed(sweep):
    against, (found,) = held_out_loss.compare(Sweep(sweep))
    assert (against, found.arm.label, found.base.label) == ("plain", "budget", "plain")
    assert found.ratios == pytest.approx(RATIOS) and found.seeds == [0, 1] and found.budget == 0.13
    assert list(found.weights) == [0.0, 0.5]


def test_the_table_counts_budgets_that_were_kept(sweep):
    written = {path.name for path in held_out_loss.report(Sweep(sweep))}
    assert written == {"held_out_loss.csv", "held_out_loss.md", "held_out_loss.png"}
    table = pd.read_csv(sweep / "held_out_loss.csv")
    assert list(table["kept"]) == ["1 of 2"] and list(table["budget"]) == [1.13]
    interval = stats.t.interval(0.95, 1, np.log(RATIOS).mean(), np.log(RATIOS).std(ddof=1) / 2**0.5)
    for name, value in (("", np.log(RATIOS).mean()), (" low", interval[0]), (" high", interval[1])):
        assert table[f"loss over the other's{name}"][0] == pytest.approx(np.exp(value), rel=1e-5)
    assert "Budget: what the loss was allowed to be" in (sweep / "held_out_loss.md").read_text()


def test_what_was_kept_of_a_sweep_says_the_same(sweep, tmp_path_factory):
    kept = tmp_path_factory.mktemp("kept") / "sweep"
    report(sweep)
    keep(sweep, kept, "it")
    before = (sweep / "held_out_loss.csv").read_bytes()
    assert (kept / "held_out_loss.csv").read_bytes() == before
    (kept / "held_out_loss.csv").unlink()
    held_out_loss.report(Sweep(kept))
    assert (kept / "held_out_loss.csv").read_bytes() == before


def test_of_one_training_an_arm_has_no_interval(tmp_path):
    for arm, real in (("plain", 0.20), ("other", 0.24)):
        write(tmp_path, arm, 0, real, 0.04)
    (tmp_path / "grid.json").write_text(json.dumps({"reference": {"arm": "plain"}}))
    held_out_loss.report(Sweep(tmp_path))
    assert "| other | plain | 1 | 1.12 | 1.125 |" in (tmp_path / "held_out_loss.md").read_text()


def test_a_budget_of_another_training_is_not_judged(sweep):
    for seed in (0, 1):
        write(sweep, "other", seed, 0.2, 0.04, budget=0.02, reference="elsewhere")
    held_out_loss.report(Sweep(sweep))
    table = pd.read_csv(sweep / "held_out_loss.csv").set_index("arm")
    assert table.loc["budget", "kept"] == "1 of 2" and pd.isna(table.loc["other", "kept"])


OTHER = [
    {"store": "b"},
    {"schedule": {"prediction": "epsilon"}},
    {"horizon": 16},
    {"relative_actions": False},
    {"split": 1},
]


@pytest.mark.parametrize("other", OTHER)
def test_losses_of_other_episodes_or_targets_are_not_compared(sweep, other):
    for seed in (0, 1):
        write(sweep, "other", seed, 0.1, 0.1, **other)
    _, found = held_out_loss.compare(Sweep(sweep))
    assert [pairs.arm.label for pairs in found] == ["budget"]


def test_without_validation_nothing_is_written(tmp_path):
    for arm in ("a", "b"):
        write_run(tmp_path / arm, {"arm": arm, "seed": 0}, episodes=2, windows=1)
    assert held_out_loss.report(Sweep(tmp_path)) == []


def test_intervals_are_of_an_arms_own_trainings():
    values = np.array([1.0, 1.1, 1.3])
    mean, low, high = held_out_loss.over_trainings(values)
    half = stats.t.ppf(0.975, 2) * values.std(ddof=1) / 3**0.5
    assert (mean, low, high) == pytest.approx((values.mean(), mean - half, mean + half))
    alone = held_out_loss.over_trainings(np.array([0.3]))
    assert alone.value == 0.3 and np.isnan([alone.low, alone.high]).all()


def test_intervals_cover_where_arms_share_the_reference():
    """Also of arms that scatter more than others, as those far from the reference do."""
    rng, hits = np.random.default_rng(0), {scatter: [] for scatter in (0.01, 0.1)}
    for _ in range(4000):
        reference = rng.normal(0, 0.03, size=3)
        for scatter, found in hits.items():
            low, high = held_out_loss.over_trainings(rng.normal(1, scatter, size=3) - reference)[1:]
            found.append(low <= 1 <= high)
    assert all(0.94 <= np.mean(found) <= 0.96 for found in hits.values())


def test_what_lies_beyond_the_edge_is_an_arrow():
    losses = [
        Loss("near", Interval(1.1, 1.0, 1.2), [1.1], 1.05),
        Loss("far", Interval(47, 40, 50), [47]),
        Loss("long", Interval(1.3, 0.4, 1.9), [0.9, 2.4]),
    ]
    figure = figure_held_out_loss(losses, "plain")
    (ax,) = figure.axes
    assert [text.get_text() for text in ax.texts] == ["47 ×"]
    arrows = {
        (line.get_marker(), float(line.get_xdata()[0]), 2 - int(line.get_ydata()[0]))
        for line in ax.lines
        if line.get_marker() in ("<", ">")
    }
    assert arrows == {(">", 2.0, 1), (">", 2.0, 2), ("<", 0.5, 2)}
    assert any("arrows" in text.get_text() for text in figure.texts)
    within = figure_held_out_loss(losses[:1], "plain")
    assert not any("arrows" in text.get_text() for text in within.texts)
    ticks = [line for line in ax.lines if list(line.get_xdata()) == [1.05, 1.05]]
    assert [np.mean(line.get_ydata()) for line in ticks] == [2]
