"""What is said where runs have other trials, where trainings are too few to tell, and where none would do."""

import json

import numpy as np
import pandas as pd
import pytest
from synthetic_runs import rollouts

from align.analysis.reports import arms
from align.analysis.reports.arm_table import ArmTable
from align.analysis.reports.arm_table.cells import effect
from align.analysis.reports.evaluation.plan import plan
from align.analysis.reports.sweep import Metric, Sweep
from align.analysis.reports.sweep.comparisons import compare
from align.analysis.reports.sweep.shared import not_shared
from align.errors import InputError

SCORE, SUCCESS = (Metric("rollout", "real", name) for name in ("score", "success_90"))


def sweep_of(folder, change=lambda name, table: table):
    """Two arms of two trainings; `change` is what becomes of the trials of each run, or None."""
    for i, name in enumerate(("plain0", "plain1", "mmd0", "mmd1")):
        run = folder / name
        run.mkdir()
        (run / "point.json").write_text(json.dumps({"arm": name[:-1], "seed": int(name[-1])}))
        table = change(name, rollouts(0.6, 6, i).reset_index(drop=True))
        if table is not None:
            table.to_csv(run / "rollouts.csv", index=False)
    (folder / "grid.json").write_text(json.dumps({"reference": {"arm": "plain"}}))
    return Sweep(folder)


def test_how_many_trials_all_runs_share_is_said(tmp_path):
    sweep = sweep_of(
        tmp_path, lambda name, t: t[(t["world"] == "sim") | (t["trial"] < 4 + 2 * (name != "mmd1"))]
    )
    said = "In real: on the 4 trials that all runs share, of up to 6."
    assert not_shared(sweep, SCORE, SUCCESS) == [said]
    assert said in ArmTable(sweep).notes()
    assert not_shared(sweep, Metric("rollout", "sim", "score")) == []


@pytest.mark.parametrize("how", ["column", "nan"])
def test_runs_that_lack_a_measure_are_left_out_of_it(tmp_path, how):
    def older(name, table):
        if name != "mmd1":
            return table
        if how == "column":
            return table.drop(columns=["success_90"]).assign(success=True)
        return table.assign(success_90=np.where(table["world"] == "sim", 1.0, np.nan), success=1.0)

    sweep = sweep_of(tmp_path, older)
    plain, mmd = (sweep.find(sweep.arms(), name) for name in ("plain", "mmd"))
    assert [len(sweep.estimate(arm.runs, SUCCESS).runs) for arm in (plain, mmd)] == [2, 1]
    assert sweep.outcomes(mmd.runs, SUCCESS).shape == (1, 6) and sweep.outcomes(mmd.runs, SCORE).shape == (
        2,
        6,
    )
    assert compare(sweep, [(mmd, plain)], SUCCESS).pairs[0] is not None
    assert sweep.difference(mmd.runs, plain.runs, SUCCESS) is not None
    assert "(1 of 2)" in str(ArmTable(sweep).cells()[1])


def test_of_these_trainings_alone_is_what_was_measured_once(tmp_path):
    """Second trainings that are still to come tell nothing of how trainings differ."""
    sweep = sweep_of(tmp_path, lambda name, table: table if name.endswith("0") else None)
    assert "1 training × 6 trials; intervals are of these trainings alone" in arms.behind(sweep, sweep.arms())
    assert all(sweep.estimate(arm.runs, SCORE).lone for arm in sweep.arms())


def test_two_trainings_that_all_failed_tell_nothing_of_a_third(tmp_path):
    def fate(name, table):
        return table.assign(score=float(name.startswith("mmd")), success_90=name.startswith("mmd"))

    sweep = sweep_of(tmp_path, fate)
    assert all(sweep.estimate(arm.runs, SUCCESS).lone for arm in sweep.arms())
    caption = arms.behind(sweep, sweep.arms())
    assert caption.startswith("2 trainings × 6 trials; intervals are of these trainings alone")


def test_a_difference_that_cannot_be_is_not_one_to_find():
    error = Metric("held_out", "real", "action_error")
    assert effect(0.123, SUCCESS, "success") == "a difference of the success of 0.12"
    assert (
        effect(2.02, SUCCESS, "success") == "no difference of the success" and effect(2.02, SUCCESS) == "none"
    )
    assert effect(2.02, error) == "of 2.0200", "errors have no largest difference"


def test_plan_takes_the_arms_that_were_measured(tmp_path, capsys):
    sweep_of(tmp_path, lambda name, table: table if name.startswith("mmd") else None)
    plan(like=str(tmp_path))
    assert "SD between trainings" in capsys.readouterr().out
    with pytest.raises(InputError, match=r"^rate=0\.5 and like='.*': expected one of them$"):
        plan(like=str(tmp_path), rate=0.5)


def test_evaluate_says_so_too(tmp_path, capsys):
    from align.cli import main

    rows = [
        {"arm": arm, "training": t, "start": s, "success": int(arm == "new")}
        for arm in ("old", "new")
        for t in (1, 2)
        for s in range(10)
    ]
    pd.DataFrame(rows).to_csv(tmp_path / "t.csv", index=False)
    assert main(["evaluate", str(tmp_path / "t.csv"), "--out", str(tmp_path / "out")]) == 0
    said = capsys.readouterr().out
    assert "All this is of the trainings that were tried" in said and "this is of the methods" not in said
