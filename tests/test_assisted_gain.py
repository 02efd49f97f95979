"""What simulation gains: shorter intervals where sim does as the target, none where it says nothing."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from synthetic_runs import write_run

from align.analysis.reports.arm_table import report
from align.analysis.reports.sweep import Sweep
from align.analysis.reports.sweep.keep import keep

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))

from assisted import measure


@pytest.mark.parametrize("told", [True, False])
def test_intervals_are_shorter_as_far_as_sim_predicts(tmp_path, told):
    rng = np.random.default_rng(0)
    for arm in ("a", "b"):
        run = write_run(tmp_path / "sweep" / arm, {"arm": arm, "seed": 0}, episodes=2, windows=1, trials=200)
        trials = pd.read_csv(run / "rollouts.csv")
        real = rng.random(200) < 0.5
        for world, success in (("real", real), ("sim", real if told else rng.random(200) < 0.5)):
            trials.loc[trials["world"] == world, "success_90"] = success
        trials.to_csv(run / "rollouts.csv", index=False)
    (tmp_path / "sweep" / "grid.json").write_text('{"reference": {"arm": "a"}}')
    report(Sweep(tmp_path / "sweep"))
    keep(tmp_path / "sweep", tmp_path / "kept", "make it")
    few, many = measure(tmp_path / "kept", "success_90", (10, 50), draws=30)
    assert few["starts in the target"] == 10 and few["further in sim"] == 190 and few["trainings"] == 2
    assert many["held"] >= 0.9 and many["difference held"] >= 0.9
    columns = ("width / alone", "of a difference: width / alone")
    if told:
        assert many["correlation"] == pytest.approx(1) and all(many[c] < 0.65 for c in columns)
        assert all(many[c] < few[c] < 0.95 for c in columns)
    else:
        assert abs(many["correlation"]) < 0.15 and all(many[c] == pytest.approx(1, abs=0.03) for c in columns)
