"""`align select` on synthetic sweeps, in which it is known what each rule sees and what it is worth."""

import json

import numpy as np
import pandas as pd
import pytest
from synthetic_runs import write_run

from align.analysis.commands import select
from align.analysis.reports.selectors import RULES, tasks
from align.analysis.reports.sweep import Metric, Sweep
from align.cli import main

SKILL = {"poor": 0.35, "middling": 0.6, "best": 0.95}


def _write(folder, seeds=(0, 1), gaps=(None,), **more):
    """Three arms: held-out loss prefers the best, training loss the poor one, action error the middling."""
    for gap in gaps:
        for name, skill in SKILL.items():
            for seed in seeds:
                point = {"method": name, "seed": seed} | ({} if gap is None else {"gap": gap})
                run = write_run(folder / f"{gap}{name}{seed}", point, skill, seed=seed, episodes=4, windows=2)
                path = run / "summary.json"
                seen = {"val_loss_real": 1 - skill, "train_denoise": skill, "site": "image"}
                seen |= {"val_action_mse_real": abs(skill - 0.6), "val_mmd2": 0.5, **more}
                path.write_text(json.dumps(json.loads(path.read_text()) | seen))
    return folder


@pytest.fixture
def sweeps(tmp_path):
    return [str(_write(tmp_path / "one")), str(_write(tmp_path / "two", gaps=("near", "far")))]


def test_regret_is_that_of_the_known_arms(sweeps, tmp_path, capsys):
    select(sweeps, str(tmp_path / "out"))
    table = pd.read_csv(tmp_path / "out/select.csv").set_index("rule")
    assert (tmp_path / "out/select.png").stat().st_size > 10_000
    assert set(table["sweeps"]) == {2} and set(table["tasks"]) == {3}
    worth = {
        name: np.mean([Sweep(sweeps[0]).frame.set_index("run").loc[f"None{name}{s}", "rollout/real/score"]
                       for s in (0, 1)])
        for name in SKILL
    }  # fmt: skip
    regret = table["score regret"]
    assert regret["held-out denoising loss"] == pytest.approx(0, abs=1e-9)
    assert regret["training loss"] == pytest.approx(worth["best"] - worth["poor"], rel=1e-4)
    assert regret["held-out action error"] == pytest.approx(worth["best"] - worth["middling"], rel=1e-4)
    mean = worth["best"] - np.mean(list(worth.values()))
    assert regret["MMD²"] == pytest.approx(mean, rel=1e-4) == regret["any arm, at random"]  # all are tied
    assert table.loc["training loss", "score over random"] == pytest.approx(
        mean - worth["best"] + worth["poor"], rel=1e-3
    )
    assert regret["the arm that was best elsewhere"] == pytest.approx(0, abs=1e-9)
    assert "probe AUC" not in table.index and "probe AUC: no task" in capsys.readouterr().out
    details = pd.read_csv(tmp_path / "out/select_tasks.csv")
    assert set(details["task"]) == {"all", "gap=near", "gap=far"} and set(details["trials"]) == {"known"}
    one = details[(details["rule"] == "training loss") & (details["sweep"] == "one")].iloc[0]
    assert one["chosen"] == "poor" and one["by the target's score"] == "best"
    found = Sweep(sweeps[0])
    arms = {arm.label: arm for arm in found.arms()}
    expected = found.difference(arms["best"].runs, arms["poor"].runs, Metric("rollout", "real", "score"))
    assert one["score regret low"] < one["score regret"] < one["score regret high"]
    assert one["score regret"] == pytest.approx(expected.value, rel=1e-4)
    assert one["score regret high"] - one["score regret low"] == pytest.approx(
        expected.high - expected.low, rel=0.3
    )


def test_without_trials_the_means_are_used(sweeps, tmp_path):
    for sweep in sweeps:
        frame = Sweep(sweep).frame
        kept = tmp_path / "kept" / sweep.rsplit("/", 1)[1]
        kept.mkdir(parents=True)
        frame.to_csv(kept / "results.csv", index=False)
    select([str(p) for p in (tmp_path / "kept").iterdir()], str(tmp_path / "out"))
    details = pd.read_csv(tmp_path / "out/select_tasks.csv")
    assert set(details["trials"]) == {"means alone"}
    row = details[details["rule"] == "training loss"].iloc[0]
    assert row["score regret low"] < row["score regret"] < row["score regret high"]


def test_what_is_no_task_is_told(tmp_path):
    lone = _write(tmp_path / "lone", seeds=(0,))
    found, left = tasks(Sweep(lone))
    assert not found and "no two arms with two trainings" in left[0]
    apart = _write(tmp_path / "apart")
    for run in apart.glob("Nonebest*"):
        point = json.loads((run / "point.json").read_text())
        (run / "point.json").write_text(json.dumps(point | {"seed": point["seed"] + 7}))
    assert "0 seeds that all arms share" in tasks(Sweep(apart))[1][0]
    (task,), _ = tasks(Sweep(_write(tmp_path / "ratios", train_grad_ratio=0.5)), given=())
    assert {name for name in RULES if name in task.criteria} >= {"MMD²", "training loss"}
    assert task.criteria["gradient ratio"] == pytest.approx(np.full((3, 2), -3.0))  # λ = 0


def test_mistakes_are_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    _write(tmp_path / "one")
    _write(tmp_path / "lone", seeds=(0,))
    for arguments, said in (
        (["nowhere"], ["sweeps", "nowhere"]),
        (["one", "--given", "[colour]"], ["given", "colour", "method"]),
        (["lone"], ["nothing to choose", "lone"]),
        (["one", "--leave_out", "arm"], ["leave_out", "arm"]),
    ):
        assert main(["select", *arguments]) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1 and all(word in error for word in said), error
