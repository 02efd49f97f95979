import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from align.analysis.reports.plateau import read, report, row
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
    (sweep / "grid.json").write_text(json.dumps({"runs": runs, "reference": {"sim": 0, "real": 20}}))
    name, bases = Sweep(sweep).references(arms)
    assert name == "sim=0, real=20" and {b.label for b in bases} == {"sim=0, real=20"}


def test_half_at_an_end_of_what_is_tried_is_a_bound(sweep):
    curve = read(Sweep(sweep), Metric.parse("rollout/real/score"))[0][0]
    ends = [replace(curve, fit=curve.fit._replace(half=half)) for half in (2.0, 33.0, 600.0)]
    assert [row(c, None)["half"] for c in ends] == ["≤ 2", 33.0, "≥ 600"]


def test_the_picture_shows_the_cells_of_the_table(sweep, drawn):
    report(Sweep(sweep))
    figure, table = drawn["plateau_score.png"], pd.read_csv(sweep / "plateau.csv")
    over_sim, over_real, law = figure.axes
    assert over_sim.get_ylabel() == "Score in real" and law.get_ylabel() == "Action MSE, held-out real"
    for cells, real in zip(over_sim.containers, (10, 20), strict=False):
        x, y = cells[0].get_xydata().T
        np.testing.assert_allclose(10 ** x[1:], SIM)
        row = table[(table["measure"] == "score") & (table["real"] == real)].iloc[0]
        assert y[-1] == pytest.approx(row["at largest sim"], rel=1e-4)
        outcomes = [
            pd.read_csv(sweep / f"sim=0,real={real},seed={seed}/rollouts.csv")["score"].mean()
            for seed in (0, 1)
        ]
        assert y[0] == pytest.approx(np.mean(outcomes))
    np.testing.assert_allclose(over_real.containers[0][0].get_xdata(), REAL)
    predicted, measured = np.concatenate([c.get_offsets() for c in law.collections]).T
    assert len(predicted) == 16
    assert np.corrcoef(np.log(predicted), np.log(measured))[0, 1] > 0.95
    assert f"plateau_{Sweep(sweep).success}.png" in drawn
    assert "own units, squared" in (sweep / "plateau.md").read_text()


def test_what_is_no_sweep_over_both_sizes_has_no_report(sweep, drawn):
    for point in sweep.glob("*/point.json"):
        point.write_text(json.dumps({"size": json.loads(point.read_text())["sim"]}))
    assert report(Sweep(sweep)) == [] and not drawn
