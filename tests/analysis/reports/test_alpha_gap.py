"""Reports of sweeps over α and over the gaps, from synthetic runs."""

import json

import pandas as pd
import pytest
from artists import dotted, whiskers
from matplotlib.figure import Figure
from synthetic_runs import write_run

from align.analysis.reports import alpha as alpha_report
from align.analysis.reports import gap as gap_report
from align.analysis.reports import plateau as plateau_report
from align.analysis.reports.everything import report
from align.analysis.reports.sweep import Metric, Sweep
from align.analysis.statistics.intervals import Interval

SCORE, SUCCESS = Metric("rollout", "real", "score"), Metric("rollout", "real", "success_90")


def test_the_best_alpha_is_chosen_and_its_weight_is_the_realised_one(tmp_path):
    skills = {"0": (0.4, 0.0), "natural": (0.6, 0.02), "0.5": (0.85, 0.5), "1": (0.5, 1.0)}
    for alpha, (skill, weight) in skills.items():
        for seed in (0, 1):
            point = {"alpha": alpha, "real": 10, "sim": 600, "seed": seed}
            run = write_run(
                tmp_path / f"{alpha}_{seed}", point, skill=skill, seed=seed, episodes=4, windows=1, trials=60
            )
            summary = json.loads((run / "summary.json").read_text())
            (run / "summary.json").write_text(json.dumps(summary | {"alpha": weight}))
    written = {path.name for path in report(tmp_path)}
    assert {"alpha.csv", "alpha.md", "alpha.png", "arms.png"} <= written and "plateau.md" not in written
    table = pd.read_csv(tmp_path / "alpha.csv", dtype={"α": str}).set_index("α")
    assert table.loc["0.5", "chosen"] == "yes" and table.loc["0.5", "may be best"] == "yes"
    assert pd.isna(table.loc["0", "may be best"]) and table.loc["0", "this − best of others high"] == 0
    assert table.loc["natural", "weight"] == pytest.approx(0.02)
    assert table.loc["0", "chosen − this, test trials low"] > 0
    sweep = Sweep(tmp_path)
    left, right = alpha_report.draw(sweep, alpha_report.choose(sweep)).axes
    shown = {round(w.x, 3): w.y for w in whiskers(left)}
    assert left.get_ylabel() == "Score in real, test trials" and len(dotted(left)[1]) == 1
    assert shown == {
        skills[a][1]: pytest.approx(table.loc[a, "score, test trials"], rel=1e-4) for a in skills
    }
    behind = {round(w.x, 3): (w.y, w.low, w.high) for w in whiskers(right)}
    columns = [f"this − best of others{end}" for end in ("", " low", " high")]
    for a, (_, weight) in skills.items():
        assert behind[weight] == pytest.approx(tuple(table.loc[a, columns]), rel=1e-3, abs=1e-5)
    assert gap_report.report(Sweep(tmp_path)) == [] == plateau_report.report(Sweep(tmp_path))


def test_gaps_are_told_from_each_other_and_the_label_from_none(tmp_path, monkeypatch):
    skills = {(0, 0): 0.9, (1, 0): 0.7, (0, 1): 0.5, (1, 1): 0.5}
    for (visual, physics), skill in skills.items():
        for label in ("plain", "one-hot"):
            for seed in (0, 1):
                point = {"visual": visual, "physics": physics, "expert": 0, "label": label, "seed": seed}
                better = 0.3 * (label == "one-hot" and physics and not visual)
                run = tmp_path / "_".join(map(str, point.values()))
                write_run(run, point, skill=skill + better, seed=seed, episodes=4, windows=1, trials=60)
    assert {"gap.csv", "gap.md", "gap.png"} <= {path.name for path in report(tmp_path)}
    table = pd.read_csv(tmp_path / "gap.csv").set_index("change")
    both = table.loc["no gap − both"]
    for name in ("score", "success"):
        assert both[f"{name}, verdict"] == "better"
        difference = both[f"difference of {name}"]
        assert both[f"{name}, all at once low"] < both[f"difference of {name} low"] < difference
    pair = [Sweep(tmp_path).arms({"visual": x, "physics": x, "label": "plain"})[0].runs for x in (0, 1)]
    assert both["difference of success"] == pytest.approx(Sweep(tmp_path).difference(*pair, SUCCESS).value)
    assert {"no gap − visual", "no gap − physics"} <= set(table.index)
    assert table.loc["label, physics alone", "difference of score"] == pytest.approx(0.3, abs=0.08)
    assert table.loc["visual removed, physics left", "score, verdict"] == "not distinguishable"
    assert "half the physics gap removed" not in table.index  # a level that was not run
    sweep = Sweep(tmp_path)
    assert alpha_report.report(sweep) == []
    figure = gap_report.draw(sweep)
    axes, trainings = figure.axes, len(sweep.arms()[0].runs)
    assert " ".join(figure.texts[-1].get_text().split()).startswith(f"{trainings} trainings × ")
    for metric, corners, levels in ((SCORE, axes[0], axes[2]), (SUCCESS, axes[1], axes[3])):
        assert corners.get_ylabel() == levels.get_ylabel() == f"{metric.title} in real"
        assert len(dotted(corners)[1]) == len(dotted(levels)[1]) == (metric is SCORE)  # doing nothing
        for label, told in gap_report.TOLD.items():
            shown = [w.y for w in whiskers(corners) if w.label == told]
            names = [t.get_text() for t in corners.get_xticklabels()]
            assert names == ["none", "visual", "physics", "both"]
            for y, (visual, physics) in zip(shown, ((0, 0), (1, 0), (0, 1), (1, 1)), strict=True):
                point = {"visual": visual, "physics": physics, "expert": 0, "label": label}
                (arm,) = sweep.arms(point)
                assert y == pytest.approx(sweep.estimate(arm.runs, metric).interval.value)
        for gap in ("visual", "physics"):
            none, whole = [w.y for w in whiskers(levels) if w.label == gap]
            at = [sweep.arms({"visual": 0, "physics": 0, "label": "plain", gap: x})[0] for x in (0, 1)]
            expected = [sweep.estimate(arm.runs, metric).interval.value for arm in at]
            assert [none, whole] == pytest.approx(expected)
    monkeypatch.setattr(gap_report, "verdict", lambda difference: difference.low)
    monkeypatch.setattr(gap_report, "draw", lambda _: Figure())
    gap_report.report(sweep)
    table = pd.read_csv(tmp_path / "gap.csv")
    for name in ("score", "success"):  # it goes by what holds for all of them
        assert table[f"{name}, verdict"].to_numpy() == pytest.approx(
            table[f"{name}, all at once low"], abs=1e-6
        )
    monkeypatch.undo()
    assert gap_report.verdict(Interval(-0.1, -0.2, -0.01)) == "worse"
