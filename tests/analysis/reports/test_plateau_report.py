import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from align.analysis.reports.plateau import half_of, read, report
from align.analysis.reports.sweep import Metric, Sweep
from align.seeding import numpy_rng

REAL, SIM = (5, 10, 20, 40, 80, 160), (20, 60, 200, 600)


def alone(n):
    return 0.12 + 0.75 * n / (n + 60)


def write(sweep, sim, real, seed, skill, trials=100):
    """A run directory of the plateau grid whose trials succeed with probability `skill`."""
    run = sweep / f"sim={sim},real={real},seed={seed}"
    run.mkdir()
    (run / "point.json").write_text(json.dumps({"sim": sim, "real": real, "seed": seed}))
    rng = numpy_rng(seed, "plateau runs", sim, real)
    error = 40 * max(sim, 1) ** -0.3 * real**-0.4 * np.exp(rng.normal(0, 0.05))
    (run / "summary.json").write_text(json.dumps({"steps": 10, "val_action_mse_real": error}))
    success = rng.random(trials) < skill
    frame = {"world": "real", "trial": range(trials), "seed": range(trials), "score": success * 1.0}
    pd.DataFrame(frame | {"success_90": success.astype(int)}).to_csv(run / "rollouts.csv", index=False)


@pytest.fixture
def sweep(tmp_path):
    for seed in (0, 1):
        for real in REAL:
            write(tmp_path, 0, real, seed, alone(real))
        for real, top in ((10, 0.6), (20, 0.65)):
            for sim in SIM:
                write(tmp_path, sim, real, seed, alone(real) + (top - alone(real)) * sim / (sim + 20))
    return tmp_path


def test_report_has_plateaus_equivalents_and_the_law(sweep):
    written = report(Sweep(sweep))
    assert all(path.is_file() for path in written)
    assert {"plateau.csv", "plateau.md", "plateau_score.png"} <= {path.name for path in written}
    table = pd.read_csv(sweep / "plateau.csv").query("measure == 'score'").set_index("real")
    for real, top in ((10, 0.6), (20, 0.65)):
        row = table.loc[real]
        assert row["plateau low"] <= top <= row["plateau high"]
        truth = 60 * (top - 0.12) / (0.75 - (top - 0.12)) / real
        assert row["equivalent ratio low"] <= truth <= row["equivalent ratio high"]
        assert row["equivalent ratio low"] > 1 and row["flat"] == "no"
    text = (sweep / "plateau.md").read_text()
    assert "R² 0.9" in text and "8 cells, 16 runs" in text


def test_an_unfinished_sweep_is_reported_as_far_as_it_goes(sweep):
    for run in sweep.glob("*"):
        point = json.loads((run / "point.json").read_text())
        if point["sim"] > 20 or point["seed"] == 1:
            (run / "rollouts.csv").unlink()
            (run / "summary.json").unlink()
    found = Sweep(sweep)
    assert report(found)
    table = pd.read_csv(sweep / "plateau.csv")
    assert "plateau" not in table and table["at largest sim"].notna().all()
    curves, real_only = read(found, Metric.parse("rollout/real/score"))
    assert [curve.fit for curve in curves] == [None, None] and len(real_only.sizes) == len(REAL)


def test_each_arm_is_compared_with_the_reference_at_its_own_real_data(sweep):
    runs = sorted(path.name for path in sweep.iterdir())
    (sweep / "grid.json").write_text(json.dumps({"runs": runs, "reference": {"sim": 0}}))
    found = Sweep(sweep)
    arms = found.arms()
    name, bases = found.references(arms)
    assert name.split() == ["sim=0,", "same", "real"]
    assert all(b.point == {"sim": 0, "real": a.point["real"]} for a, b in zip(arms, bases, strict=True))
    only = found.references(arms, "sim=0, real=20")
    assert only[0] == "sim=0, real=20" and {b.label for b in only[1]} == {"sim=0, real=20"}


def test_half_at_an_end_of_what_is_tried_is_a_bound(sweep):
    curve = read(Sweep(sweep), Metric.parse("rollout/real/score"))[0][0]
    ends = [replace(curve, fit=curve.fit._replace(half=half)) for half in (2.0, 33.0, 600.0)]
    assert [half_of(c) for c in ends] == ["≤ 2", 33.0, "≥ 600"]
