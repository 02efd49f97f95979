import json
import shutil

import numpy as np
import pandas as pd
import pytest
import yaml
from matplotlib.colors import rgb_to_hsv

from align.analysis.reports import everything
from align.analysis.reports.mechanism import called, correlations, gap_of, gather, report
from align.analysis.reports.sweep import Sweep
from align.analysis.reports.sweep.keep import keep
from align.analysis.reports.sweep.together import copies
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
    table, left = gather([sweeps / "one", sweeps / "two"])
    assert table["stratum"].nunique() == 1 and left == ["one, which has no probe"]
    with pytest.raises(InputError, match="no run has a score in its target and a probe"):
        gather([sweeps / "one"])
    assert gap_of(Sweep(sweeps / "two"), "arm=0,seed=0", "elsewhere") == "world elsewhere"


def test_what_was_kept_of_sweeps_is_enough(sweeps):
    for run in (sweeps / "one").glob("arm=*"):  # a sweep over one gap
        point = json.loads((run / "point.json").read_text())
        (run / "point.json").write_text(json.dumps({**point, "visual": point["arm"] / 5}))
    expected, _ = gather([sweeps / "one", sweeps / "two"])
    assert expected["stratum"].nunique() == 7
    for name in ("one", "two"):
        everything.report(sweeps / name)
        keep(sweeps / name, sweeps / "results" / name, "make")
    pd.testing.assert_frame_equal(gather([sweeps / "results/one", sweeps / "results/two"])[0], expected)


def test_a_sweep_over_gaps_has_a_correlation_across_them(sweeps):
    """Within each gap nothing varies; a larger gap is both easier to tell and worse."""
    for run in sorted((sweeps / "one").glob("arm=*")):
        arm, seed = json.loads((run / "point.json").read_text()).values()
        point = {"visual": arm / 5, "physics": 0, "expert": 0, "seed": seed}
        (run / "point.json").write_text(json.dumps(point))
    table, _ = gather([sweeps / "one"])
    assert table["stratum"].nunique() == 6 and "one, expert: 0.0, physics: 0.0, visual: 0.2" in set(
        table["stratum"]
    )
    rows = correlations(table)
    across = {row["statistic"]: row["ρ"] for row in rows if row["stratum"] == "one, across gaps"}
    assert set(across) == {"probe AUC", "MMD²"} and across["probe AUC"].high < 0


def test_levels_of_a_gap_may_have_names(sweeps):
    for run in sorted((sweeps / "one").glob("arm=*")):
        arm, seed = json.loads((run / "point.json").read_text()).values()
        visual = [None, "small", "large"][arm % 3]
        (run / "point.json").write_text(json.dumps({"arm": arm, "seed": seed, "visual": visual}))
    table, _ = gather([sweeps / "one"])
    assert set(table["stratum"]) == {f"one, visual: {level}" for level in ("null", "small", "large")}


@pytest.mark.parametrize(
    ("stratum", "name"),
    [
        ("gap, expert: 0.0, physics: 0.0, visual: 0.1", "gap: visual 0.1"),
        ("gap, expert: 1.0, physics: 0.5, visual: 0.0", "gap: expert 1, physics 0.5"),
        ("gap, expert: 0.0, physics: 0.0, visual: 0.0", "gap: no gap"),
        ("gap, visual: small", "gap, visual: small"),
        ("gap, world real", "gap, world real"),
        ("gap, no gap", "gap, no gap"),
    ],
)
def test_the_legend_names_the_parts_of_a_gap_that_there_are(stratum, name):
    assert called("gap", stratum) == name


def test_gaps_of_one_sweep_have_one_hue_and_a_marker_each(sweeps, drawn):
    for arm, seed in [(arm, seed) for arm in range(8) for seed in (0, 1)]:
        run = sweeps / f"many/visual={arm / 8},seed={seed}"
        shutil.copytree(sweeps / "one" / f"arm={arm % 6},seed={seed}", run)
        point = {"visual": arm / 8, "physics": 0, "expert": 0, "seed": seed}
        (run / "point.json").write_text(json.dumps(point))
    shutil.copy(sweeps / "one/grid.json", sweeps / "many")
    report([sweeps / "many", sweeps / "two"], sweeps / "out", None)
    ax = drawn["mechanism.png"].axes[0]
    assert [c.get_label() for c in ax.collections][:2] == ["many: no gap", "many: visual 0.125"]
    hues = [rgb_to_hsv(c.get_facecolor()[0][:3])[0] for c in ax.collections]
    assert np.ptp(hues[:-1]) < 0.02 < abs(hues[0] - hues[-1])
    outlines = {c.get_paths()[0].vertices.tobytes() for c in ax.collections[:-1]}
    assert len(outlines) == 8


def test_the_picture_has_each_statistic_on_its_own_axis(sweeps, drawn):
    report([sweeps / "one", sweeps / "two"], sweeps / "out", None)
    auc, mmd = drawn["mechanism.png"].axes
    assert [ax.get_xlabel() for ax in (auc, mmd)] == ["probe AUC, image", "MMD², image"]
    runs = pd.read_csv(sweeps / "out/mechanism_runs.csv")
    for ax, statistic in ((auc, "auc"), (mmd, "mmd2")):
        assert ax.get_ylabel() == "Score in real"
        for points, (stratum, part) in zip(ax.collections, runs.groupby("stratum", sort=False), strict=True):
            assert points.get_label() == stratum.replace(", visual: ", ": visual ").removesuffix(".0")
            np.testing.assert_allclose(
                points.get_offsets(), part[[f"image/{statistic}", "success"]], rtol=1e-5
            )
    table = pd.read_csv(sweeps / "out/mechanism.csv").query("stratum == 'all, within strata'")
    for ax, rho in zip((auc, mmd), table["ρ"], strict=True):
        assert ax.get_title(loc="right").startswith(f"ρ = {rho:.2f} [".replace("-", "−"))


def test_a_run_counts_where_it_was_probed(sweeps, tmp_path):
    """One run was also probed at another site, one with a network alone, one has no trials."""
    first, second, third, *_ = sorted((sweeps / "one").glob("arm=*"))
    probe = json.loads((first / "probe.json").read_text())
    probe["sites"]["denoiser"] = probe["sites"]["image"]
    (first / "probe.json").write_text(json.dumps(probe))
    mlp = {"mlp": {"auc": probe["sites"]["image"]["auc"]}}
    (second / "probe.json").write_text(json.dumps({"sites": {"image": mlp}}))
    (third / "rollouts.csv").unlink()
    table, left = gather([sweeps / "one"])
    assert len(table) == 10 and left == ["2 of 12 runs of one, without score or probe"]
    assert table["probe/denoiser/auc"].notna().sum() == 1
    report([sweeps / "one"], tmp_path / "out", None)
    assert f"Left out: {left[0]}." in (tmp_path / "out/mechanism.md").read_text()
    for run in (sweeps / "one").glob("arm=*"):
        (run / "probe.json").write_text(json.dumps({"sites": {"image": mlp}}))
    assert gather([sweeps / "one", sweeps / "two"])[1] == ["one, which has no probe"]


def test_sweeps_of_one_name_are_refused(sweeps, capsys):
    for folder in ("a", "b"):
        (sweeps / folder).mkdir()
        (sweeps / ("one" if folder == "a" else "two")).rename(sweeps / folder / "lambda")
    for command in (
        ["mechanism", str(sweeps)],
        ["select", str(sweeps / "a/lambda"), str(sweeps / "b/lambda")],
    ):
        assert main([*command, "--out", str(sweeps / "out")]) == 2
        error = capsys.readouterr().err
        assert "a/lambda" in error and "b/lambda; expected other names" in error and error.count("\n") == 1


def test_a_training_that_was_taken_over_counts_once(sweeps):
    taken = sweeps / "two" / "arm=0,seed=0"
    (taken / "taken_over.json").write_text(json.dumps({"sweep": "one", "run": "arm=3,seed=1"}))
    (sweeps / "two" / "arm=1,seed=0" / "taken_over.json").write_text(
        json.dumps({"sweep": "elsewhere", "run": "arm=3,seed=1"})
    )
    table, left = gather([sweeps / "one", sweeps / "two"])
    assert len(table) == 23 and left == ["1 runs of two that are copies of others among these"]
    assert len(gather([sweeps / "two"])[0]) == 12
    read = [Sweep(sweeps / name) for name in ("two", "one")]
    assert copies(read) == [{"arm=0,seed=0"}, set()], "in any order"
    assert "summary/taken_over" in read[0].frame and "summary/taken_over" not in read[1].frame
    twin = sweeps / "one" / "arm=5,seed=0" / "taken_over.json"  # of two copies of what is not there, one
    twin.write_text(json.dumps({"sweep": "elsewhere", "run": "arm=3,seed=1"}))
    assert copies([Sweep(sweeps / name) for name in ("one", "two")])[1] == {"arm=0,seed=0", "arm=1,seed=0"}


def test_a_training_counts_once_where_nothing_tells_where_it_was_taken_from(sweeps):
    """It took the same time and came to the same losses; another of the same length does not."""
    told = {"training_seconds": 632.8, "train_denoise": 0.03, "train_loss": 0.03, "val_loss_real": 0.29}
    other = told | {"train_denoise": 0.031}
    for run, found in (("one/arm=0,seed=0", told), ("two/arm=0,seed=0", told), ("two/arm=1,seed=0", other)):
        path = sweeps / run / "summary.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | found))
    read = [Sweep(sweeps / name) for name in ("one", "two")]
    assert copies(read) == [set(), {"arm=0,seed=0"}] and copies(read[::-1]) == [set(), {"arm=0,seed=0"}]
    taken = sweeps / "one" / "arm=0,seed=0" / "taken_over.json"
    taken.write_text(json.dumps({"sweep": "two", "run": "arm=0,seed=0"}))
    read = [Sweep(sweeps / name) for name in ("one", "two")]
    assert copies(read) == [{"arm=0,seed=0"}, set()], "one of them is left"
