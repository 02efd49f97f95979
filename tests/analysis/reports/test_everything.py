import json

import pandas as pd
import pytest
from PIL import Image
from synthetic_runs import write_probe, write_run

from align.analysis.reports import arm_table
from align.analysis.reports.arms import behind
from align.analysis.reports.everything import report
from align.analysis.reports.sweep import Metric, Sweep
from align.analysis.reports.sweep.keep import keep
from align.analysis.reports.sweep.run_table import collect
from align.errors import InputError


def test_task_probes_and_mlps_have_columns_where_they_were_measured(lambda_sweep):
    numbers = {"value": -2.5, "low": -4.0, "high": -1.0}
    higher = {"value": 0.9, "low": 0.85, "high": 0.95}
    runs = sorted(lambda_sweep.glob("lambda=*"))
    for run in runs[:4]:
        summary = json.loads((run / "summary.json").read_text()) | {"site": "image"}
        (run / "summary.json").write_text(json.dumps(summary))
        result = json.loads((run / "probe.json").read_text())
        result["sites"]["image"]["mlp"] = {"auc": higher}
        (run / "probe.json").write_text(json.dumps(result))
        cells = {"sim_to_real": numbers, "real_to_real": higher | {"each": [1.0]}}
        sites = {"observation": {"block_pose": {}}, "image": {"block_pose": cells, "action": {}}}
        (run / "task_probe.json").write_text(json.dumps({"sites": sites}))
    arm_table.report(Sweep(lambda_sweep))
    frame = pd.read_csv(lambda_sweep / "results.csv", keep_default_na=False, na_values=[""])
    assert frame["probe/image/mlp_auc"].tolist()[:4] == [0.9] * 4
    assert frame["task/aligned/block_pose_sim_to_real"].tolist()[:4] == [-2.5] * 4
    assert frame["task/aligned/block_pose_real_to_real_high"].tolist()[:4] == [0.95] * 4
    assert frame["task/aligned/block_pose_sim_to_real"].isna().sum() == 2
    text = (lambda_sweep / "results.md").read_text()
    header, _, *rows = text[text.index("All that was measured") :].splitlines()[2:7]
    cells = [dict(zip(header.split(" | "), row.split(" | "), strict=True)) for row in rows]
    (name,) = (title for title in cells[0] if "block pose sim→real R²" in title)
    assert cells[0][name].startswith("< −1 [") and cells[2][name].startswith("—")
    assert "below −1 is not told more exactly" in text and "-2.5" not in text
    assert "image: MLP AUC" in header


def test_a_run_without_files_is_listed(lambda_sweep):
    (lambda_sweep / "lambda=0_seed=1" / "rollouts.csv").unlink()
    (lambda_sweep / "lambda=1.0_seed=1" / "probe.json").unlink()
    (lambda_sweep / "never_started").mkdir()
    arm_table.report(Sweep(lambda_sweep))
    frame = pd.read_csv(lambda_sweep / "results.csv", keep_default_na=False).set_index("run")
    assert frame.loc["lambda=0_seed=1", "missing"] == "rollouts.csv"
    assert "point.json" in frame.loc["never_started", "missing"]
    table = (lambda_sweep / "results.md").read_text()
    assert "`lambda=0_seed=1` lacks rollouts.csv" in table and "`never_started` lacks" in table
    assert "(1 of 2)" in table


def test_a_run_of_the_grid_that_is_not_there_is_told(lambda_sweep, capsys):
    there = sorted(run.name for run in lambda_sweep.glob("lambda=*"))
    (lambda_sweep / "grid.json").write_text(json.dumps({"runs": [*there, "lambda=9_seed=0"]}))
    report(lambda_sweep)
    (line,) = (line for line in capsys.readouterr().out.splitlines() if "lambda=9" in line)
    assert line.endswith(
        "1 of the runs that grid.json names are not there, and are in no table: lambda=9_seed=0"
    )
    text = (lambda_sweep / "results.md").read_text()
    listed = text[text.index("Incomplete runs") :]
    assert "\n- `lambda=9_seed=0` is not there, but grid.json names it\n" in listed
    assert listed.count("\n- ") == 1
    sweep = Sweep(lambda_sweep)
    assert behind(sweep, sweep.arms()).endswith(f"; 1 of {len(there) + 1} runs incomplete")


def test_report_of_a_lambda_sweep(lambda_sweep):
    written = report(lambda_sweep)
    assert {p.name for p in written} == {
        "results.csv",
        "arms.csv",
        "results.md",
        "table.png",
        "lambda.png",
        "lambda_wide.png",
        *("aggregates.csv", "aggregates.md", "aggregates.png"),
        *("paired_successes.csv", "paired_successes.md"),
    }
    assert Image.open(lambda_sweep / "lambda.png").size[0] == 1020  # one column at 300 dpi
    assert "lambda=0.01" in (lambda_sweep / "results.md").read_text()
    assert len(collect(lambda_sweep)) == 6  # what was written is not taken for a run


def test_other_axes_get_a_figure_each(lambda_sweep):
    for run in lambda_sweep.glob("lambda=*_seed=1"):
        point = json.loads((run / "point.json").read_text())
        (run / "point.json").write_text(json.dumps(point | {"alpha": 0.5}))
    for run in lambda_sweep.glob("lambda=*_seed=0"):
        point = json.loads((run / "point.json").read_text())
        (run / "point.json").write_text(json.dumps(point | {"alpha": 0.1}))
    names = {p.name for p in report(lambda_sweep)}
    assert {"lambda_alpha=0.1.png", "lambda_alpha=0.5.png"} <= names


def test_named_arms_are_compared_with_the_reference(tmp_path):
    for arm, skill in (("a-real", 0.4), ("b-both", 0.8)):
        for seed in (0, 1):
            point = {"arm": arm, "seed": seed}
            write_run(tmp_path / f"{arm}_{seed}", point, skill=skill, seed=seed, episodes=4, windows=1)
    (tmp_path / "grid.json").write_text(json.dumps({"reference": {"arm": "b-both"}}))
    written = report(tmp_path)
    assert "arms.png" in {path.name for path in written} and all(path.is_file() for path in written)
    sweep = Sweep(tmp_path)
    low, high = sweep.arms()
    assert (low.label, high.label) == ("a-real", "b-both")
    difference = sweep.difference(high.runs, low.runs, Metric.parse("rollout/real/score"))
    means = [
        sweep.estimate(arm.runs, Metric.parse("rollout/real/score")).interval.value for arm in (high, low)
    ]
    assert difference.value == pytest.approx(means[0] - means[1]) and difference.low > 0
    assert "real: score − b-both" in (tmp_path / "results.md").read_text()
    with pytest.raises(InputError, match="reference='c'"):
        sweep.find(sweep.arms(), "c")


def test_named_arms_follow_the_grid_and_stand_against_the_probes(tmp_path):
    names = ("z-reference", "mmd", "a-baseline")
    for i, (method, weight) in enumerate(zip(names, (0, 0.1, 0), strict=True)):
        for seed in (0, 1):
            point = {"method": method, "lambda": weight, "seed": seed}
            run = write_run(tmp_path / f"{method}_{seed}", point, seed=seed, episodes=4, windows=1)
            write_probe(run, auc=0.9 - 0.2 * i)
    runs = [f"{method}_{seed}" for method in names for seed in (0, 1)]
    grid = {"title": "", "runs": runs, "reference": {"method": "z-reference"}}
    (tmp_path / "grid.json").write_text(json.dumps(grid))
    written = {p.name for p in report(tmp_path)}
    assert {"arms.png", "discernibility.png"} <= written and "lambda.png" not in written
    sweep = Sweep(tmp_path)
    arms = sweep.arms()
    assert [arm.label for arm in arms] == ["z-reference", "mmd, lambda=0.1", "a-baseline"]
    assert sweep.find(arms) is arms[0] and sweep.find(arms, "a-baseline") is arms[2]
    assert "real: score − z-reference" in (tmp_path / "results.md").read_text()


def test_only_trials_that_all_runs_share_are_used(lambda_sweep):
    path = lambda_sweep / "lambda=0_seed=0" / "rollouts.csv"
    rows = pd.read_csv(path)
    rows[rows["trial"] < 12].sample(frac=1, random_state=0).to_csv(path, index=False)
    sweep = Sweep(lambda_sweep)
    found = sweep.estimate(sweep.arms()[1].runs, Metric.parse("rollout/real/score"))
    assert found.trials == 12 and len(found.runs) == 2
    rows["seed"] += 10_000
    rows.to_csv(path, index=False)
    with pytest.raises(InputError, match="no trial seed of world 'sim' is shared"):
        arm_table.report(Sweep(lambda_sweep))


def test_keep_copies_tables_figures_one_config_and_the_command(lambda_sweep, tmp_path_factory):
    report(lambda_sweep)
    target = tmp_path_factory.mktemp("results") / "lambda"
    kept = {p.name for p in keep(lambda_sweep, target, "make sweep-lambda")}
    assert {"results.csv", "results.md", "lambda.png", "config.yaml", "command.txt"} <= kept
    assert {p.name for p in target.iterdir()} == kept
    assert (target / "command.txt").read_text() == "make sweep-lambda\n"


def test_a_sweep_that_was_not_reported_on_is_not_kept(tmp_path):
    with pytest.raises(InputError, match=r"results\.csv"):
        keep(tmp_path, tmp_path / "out", "")


def test_reading_a_sweep_writes_nothing(lambda_sweep):
    """Neither its table nor an estimate: whoever looks at results leaves them as they are."""

    def files():
        return {p: (p.stat().st_mtime_ns, p.read_bytes()) for p in lambda_sweep.rglob("*") if p.is_file()}

    before = files()
    sweep = Sweep(lambda_sweep)
    assert sweep.estimate(sweep.arms()[0].runs, Metric("rollout", "real", "score")) is not None
    assert files() == before
    report(lambda_sweep)
    assert {p.name for p in set(files()) - set(before)} >= {"results.csv", "arms.csv"}
    after = files()
    Sweep(lambda_sweep)
    assert files() == after


def test_a_sweep_of_which_nothing_was_measured_is_refused(lambda_sweep):
    for name in ("rollouts.csv", "probe.json"):
        for path in lambda_sweep.glob(f"*/{name}"):
            path.unlink()
    with pytest.raises(InputError, match="no run has"):
        report(lambda_sweep)
