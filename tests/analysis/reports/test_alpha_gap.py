"""Reports of sweeps over α and over the gaps, from synthetic runs."""

import json

import pandas as pd
import pytest
from synthetic_runs import write_run

from align.analysis.reports import alpha as alpha_report
from align.analysis.reports import gap as gap_report
from align.analysis.reports import plateau as plateau_report
from align.analysis.reports.sweep import Sweep
from align.analysis.reports.sweep_report import report
from align.analysis.statistics.intervals import Interval


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
    assert table.loc["0.5", "chosen"] == "yes" and table.loc["0.5", "best in"] > 0.95
    assert table.loc["natural", "weight"] == pytest.approx(0.02)
    assert table.loc["0", "chosen − this, test trials low"] > 0
    assert not gap_report.applies(Sweep(tmp_path)) and not plateau_report.applies(Sweep(tmp_path))


def test_gaps_are_told_from_each_other_and_the_label_from_none(tmp_path):
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
    assert table.loc["no gap − both", "verdict"] == "better"
    assert table.loc["label, physics alone", "difference of score"] == pytest.approx(0.3, abs=0.08)
    assert table.loc["visual removed, physics left", "verdict"] == "not distinguishable"
    assert "half the physics gap removed" not in table.index  # a level that was not run
    assert not alpha_report.applies(Sweep(tmp_path))
    assert gap_report.verdict(Interval(-0.1, -0.2, -0.01)) == "worse"
