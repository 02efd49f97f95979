"""Metrics as text and back, of worlds and sites that have slashes in their names too."""

import json

import pandas as pd
import pytest
from synthetic_runs import write_probe, write_run

from align.analysis.reports.everything import report
from align.analysis.reports.sweep import Metric, Sweep
from align.analysis.statistics.intervals import Interval
from align.analysis.statistics.trials.dispersion import over_trainings
from align.errors import InputError


@pytest.mark.parametrize("place", ["real", "lab/real", "encoder/block/1"])
def test_a_column_is_read_as_it_was_written(place):
    metric = Metric("rollout", place, "success_90")
    assert Metric.parse(str(metric)) == metric and str(metric) == f"rollout/{place}/success_90"
    assert metric.is_rate and metric.bounds == (0, 1)


@pytest.mark.parametrize(
    ("column", "low", "high"),
    [
        ("geometry/image/mixing", 0.0, 2.0),  # may exceed 1, since it is relative to chance
        ("probe/image/auc", 0.0, 1.0),
        ("task/image/action", -1.0, 1.0),
        ("probe/image/margin", -1.0, 2.0),
    ],
)
def test_an_interval_over_seeds_stays_where_its_metric_can_be(column, low, high):
    """Without bounds it would reach from −2.6 to 3.6."""
    seeds = [Interval(0.1, -3.0, 3.0), Interval(0.9, -2.0, 4.0)]
    interval = over_trainings(seeds, bounds=Metric.parse(column).bounds)
    assert (max(interval.low, -1.0), min(interval.high, 2.0)) == (low, high)


@pytest.mark.parametrize(
    "column", ["lambda", "summary/steps", "rollout/score", "rollout//score", "probe/image/"]
)
def test_other_columns_are_refused_or_left_out(column):
    with pytest.raises(InputError, match="expected KIND/PLACE/NAME"):
        Metric.parse(column)
    assert Metric.among(["lambda", "summary/steps"]) == []


def test_worlds_and_sites_with_slashes_are_reported_like_any_other(tmp_path):
    for method, skill in (("co-training", 0.5), ("mmd", 0.8)):
        for seed in (0, 1):
            point = {"method": method, "seed": seed}
            run = write_run(
                tmp_path / f"{method}{seed}", point, skill=skill, seed=seed, episodes=4, windows=1
            )
            write_probe(run)
            rows = pd.read_csv(run / "rollouts.csv")
            rows["world"] = "lab/" + rows["world"]
            rows["distance/x"] = 1.0  # as a world of one's own could name it
            rows.to_csv(run / "rollouts.csv", index=False)
            probed = json.loads((run / "probe.json").read_text())
            probed["sites"] = {"encoder/block/1": probed["sites"]["image"]}
            (run / "probe.json").write_text(json.dumps(probed))
    assert {"arms.png", "discernibility.png"} <= {path.name for path in report(tmp_path)}
    sweep = Sweep(tmp_path)
    assert sweep.worlds == ["lab/sim", "lab/real"] and sweep.sites == ["encoder/block/1"]
    low, high = (
        sweep.estimate(a.runs, Metric("rollout", "lab/real", "score")).interval for a in sweep.arms()
    )
    assert low.value < high.value
    table = pd.read_csv(tmp_path / "arms.csv").set_index(["arm", "metric"])
    assert table.loc[("mmd", "rollout/lab/real/score"), "value"] == pytest.approx(high.value, rel=1e-4)
    assert sweep.frame["rollout/lab/real/distance.x"].eq(1).all()
    assert "lab/real: score" in (tmp_path / "results.md").read_text()


def test_the_target_is_the_world_called_real_or_else_the_first(lambda_sweep):
    def rename(names):
        for path in lambda_sweep.glob("*/rollouts.csv"):
            rows = pd.read_csv(path)
            rows["world"] = rows["world"].map(names)
            rows.to_csv(path, index=False)

    assert Sweep(lambda_sweep).worlds == ["sim", "real"] and Sweep(lambda_sweep).target == "real"
    rename({"sim": "sim", "real": "maze"})
    assert Sweep(lambda_sweep).target == "sim"
    for path in lambda_sweep.glob("*/rollouts.csv"):
        path.unlink()
    assert Sweep(lambda_sweep).target is None
