import json

import numpy as np
import pandas as pd
import pytest
import yaml

from align.analysis.reports import everything
from align.analysis.reports.mechanism import correlations, gap_of, gather, report
from align.analysis.reports.sweep import Sweep
from align.analysis.reports.sweep.keep import keep
from align.cli import main
from align.errors import InputError


@pytest.fixture
def sweeps(tmp_path):
    """Two sweeps of six arms and two seeds whose score falls with the probe's AUC."""
    for name, visual in (("one", 0.2), ("two", 1.0)):
        for arm in range(6):
            for seed in (0, 1):
                run = tmp_path / name / f"arm={arm},seed={seed}"
                run.mkdir(parents=True)
                (run / "point.json").write_text(json.dumps({"arm": arm, "seed": seed}))
                callback = {"class_path": "R", "init_args": {"worlds": {"real": {"visual": visual}}}}
                (run / "config.yaml").write_text(yaml.safe_dump({"trainer": {"callbacks": [callback]}}))
                auc = 0.6 + 0.06 * arm + 0.005 * seed
                found = {"auc": auc, "mmd2": auc - 0.5}
                site = {n: {"value": x, "low": x, "high": x} for n, x in found.items()}
                (run / "probe.json").write_text(json.dumps({"sites": {"image": site}}))
                (run / "summary.json").write_text("{}")
                score = np.full(4, 0.9 - 0.1 * arm)
                frame = {"world": "real", "seed": range(4), "score": score, "success": 0}
                pd.DataFrame(frame).to_csv(run / "rollouts.csv", index=False)
        (tmp_path / name / "grid.json").write_text(json.dumps({"title": "", "runs": [], "reference": {}}))
    return tmp_path


def test_the_command_writes_table_and_figure(sweeps, capsys):
    assert main(["mechanism", str(sweeps)]) == 0
    table = pd.read_csv(sweeps / "mechanism/mechanism.csv")
    assert set(table["stratum"]) == {"all, within strata", "one, visual: 0.2", "two, visual: 1.0"}
    assert (table["ρ"] < -0.95).all() and (table["ρ high"] < 0).all()
    assert (sweeps / "mechanism/mechanism.png").is_file()
    assert len(pd.read_csv(sweeps / "mechanism/mechanism_runs.csv")) == 24
    assert main(["mechanism", str(sweeps), "--sweeps", "[one]", "--out", str(sweeps / "alone")]) == 0
    assert len(pd.read_csv(sweeps / "alone/mechanism_runs.csv")) == 12
    assert main(["mechanism", str(sweeps), "--sweeps", "[three]"]) == 2
    assert "expected some of one, two" in capsys.readouterr().err
    regimes = {
        name: {"trainer.callbacks.0.worlds.real.visual": level} for name, level in (("a", 1.0), ("b", 9))
    }
    (sweeps / "claims.yaml").write_text(yaml.safe_dump({"claims": [{}], "regimes": regimes}))
    assert main(["mechanism", str(sweeps), "--regime", "a", "--out", str(sweeps / "large")]) == 0
    assert set(pd.read_csv(sweeps / "large/mechanism_runs.csv")["sweep"]) == {"two"}
    for regime, said in (("b", "no sweep of"), ("c", "expected one of a, b")):
        assert main(["mechanism", str(sweeps), "--regime", regime]) == 2
        assert said in capsys.readouterr().err


def test_too_few_arms_are_told_with_the_sweeps_that_they_are_of(sweeps, monkeypatch, capsys):
    monkeypatch.setattr("align.analysis.reports.mechanism.FEWEST", 99)
    assert main(["mechanism", str(sweeps), "--sweeps", "[one]"]) == 2
    error = capsys.readouterr().err
    assert f"arms were measured in ['{sweeps / 'one'}']; expected 99 or more" in error and "two" not in error


def test_runs_without_a_probe_are_left_out(sweeps):
    for run in (sweeps / "one").glob("arm=*"):
        (run / "probe.json").unlink()
    assert gather([sweeps / "one", sweeps / "two"])["stratum"].nunique() == 1
    with pytest.raises(InputError, match="no run has a score in its target and a probe"):
        gather([sweeps / "one"])
    assert gap_of(Sweep(sweeps / "two"), "arm=0,seed=0", "elsewhere") == "world elsewhere"


def test_what_was_kept_of_sweeps_is_enough(sweeps):
    for run in (sweeps / "one").glob("arm=*"):  # a sweep over one gap
        point = json.loads((run / "point.json").read_text())
        (run / "point.json").write_text(json.dumps({**point, "visual": point["arm"] / 5}))
    expected = gather([sweeps / "one", sweeps / "two"])
    assert expected["stratum"].nunique() == 7
    for name in ("one", "two"):
        everything.report(sweeps / name)
        keep(sweeps / name, sweeps / "results" / name, "make")
    pd.testing.assert_frame_equal(gather([sweeps / "results/one", sweeps / "results/two"]), expected)


def test_a_sweep_over_gaps_has_a_correlation_across_them(sweeps):
    """Within each gap nothing varies; a larger gap is both easier to tell and worse."""
    for run in sorted((sweeps / "one").glob("arm=*")):
        arm, seed = json.loads((run / "point.json").read_text()).values()
        point = {"visual": arm / 5, "physics": 0, "expert": 0, "seed": seed}
        (run / "point.json").write_text(json.dumps(point))
    table = gather([sweeps / "one"])
    assert table["stratum"].nunique() == 6 and "one, expert: 0.0, physics: 0.0, visual: 0.2" in set(
        table["stratum"]
    )
    rows = correlations(table)
    across = {row["statistic"]: row["ρ"] for row in rows if row["stratum"] == "one, across gaps"}
    assert set(across) == {"probe AUC", "MMD²"} and across["probe AUC"].high < 0


def test_the_picture_has_each_statistic_on_its_own_axis(sweeps, drawn):
    report([sweeps / "one", sweeps / "two"], sweeps / "out", None)
    auc, mmd = drawn["mechanism.png"].axes
    assert [ax.get_xlabel() for ax in (auc, mmd)] == ["probe AUC, image", "MMD², image"]
    runs = pd.read_csv(sweeps / "out/mechanism_runs.csv")
    for ax, statistic in ((auc, "auc"), (mmd, "mmd2")):
        assert ax.get_ylabel() == "Score in real"
        for points, (stratum, part) in zip(ax.collections, runs.groupby("stratum", sort=False), strict=True):
            assert points.get_label() == stratum
            np.testing.assert_allclose(
                points.get_offsets(), part[[f"image/{statistic}", "success"]], rtol=1e-5
            )
    table = pd.read_csv(sweeps / "out/mechanism.csv").query("stratum == 'all, within strata'")
    for ax, rho in zip((auc, mmd), table["ρ"], strict=True):
        assert ax.get_title(loc="right").startswith(f"ρ = {rho:.2f} [".replace("-", "−"))
