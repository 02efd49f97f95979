"""What is kept of a sweep is enough to draw it again: the same bytes, without its runs."""

import gzip
import json
import shutil

import numpy as np
import pandas as pd
import pytest
import yaml
from synthetic_runs import write_probe, write_run

from align.analysis.commands import keep as keep_command
from align.analysis.commands import report as report_command
from align.analysis.reports.everything import report
from align.analysis.reports.mechanism import gap_of
from align.analysis.reports.sweep import Metric, Sweep, kept
from align.analysis.reports.sweep.keep import keep
from align.analysis.reports.sweep.kept import ORIGIN
from align.analysis.reports.sweep.regime import of_regime
from align.analysis.reports.sweep.run_table import HELD_OUT, collect, held_out, recorded
from align.analysis.reports.sweep.stores import stores, stores_of_each
from align.analysis.reports.sweep.taking import complete, take
from align.cli import main
from align.errors import InputError


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    """Arms with a number and a word on their axes, one run without trials, one world of moved paths."""
    folder = tmp_path_factory.mktemp("sweep")
    for arm, value in (("plain", 0), ("mmd", 0.1), ("natural", "natural")):
        for seed in (0, 1):
            point = {"arm": arm, "alpha": value, "seed": seed}
            run = write_run(
                folder / f"{arm},{seed}", point, 0.6 + seed / 10, seed=seed, episodes=2, windows=1
            )
            write_probe(run, auc=0.7 + seed / 30)
            rng = np.random.default_rng(seed)
            stored = dict(np.load(run / "embeddings.npz"))
            stored |= {name: rng.random(len(stored["domain"])).astype(np.float32) for name in HELD_OUT}
            np.savez(run / "embeddings.npz", **stored)
            trials = pd.read_csv(run / "rollouts.csv")
            good = trials[trials["world"] == "real"]
            arrays = {}
            for t in good["seed"]:
                arrays[f"real/{t}"] = rng.normal(0, 1, (12, 2)).cumsum(0).astype(np.float32)
            _write_paths(run, good["seed"].tolist(), list(arrays.values()))
    (folder / "natural,1" / "rollouts.csv").unlink()
    (folder / "natural,1" / "paths.npz").unlink()
    (folder / "grid.json").write_text(
        json.dumps({"title": "Which?", "reference": {"arm": "plain", "alpha": 0}})
    )
    report(folder)
    return folder


def _write_paths(run, seeds, paths):
    from align.run.paths import write_paths

    write_paths(run / "paths.npz", seeds, {"real": paths})


def test_the_run_whose_pictures_are_kept_is_of_the_reference_and_no_copy(sweep, tmp_path):
    """A copy's pictures are those of the sweep that it is from."""
    folder = tmp_path / "copied"
    shutil.copytree(sweep, folder)

    def shown() -> str:
        keep(folder, tmp_path / "kept", "made")
        found = yaml.safe_load((tmp_path / "kept/config.yaml").read_text())
        shutil.rmtree(tmp_path / "kept")
        return found["data"]["real"]

    for run in folder.glob("*/point.json"):
        (run.parent / "config.yaml").write_text(f"data:\n  real: '{run.parent.name}'\n")
    (folder / "natural,1/probe.json").unlink()
    names = []
    for copied in ("plain,0", "plain,1"):
        names.append(shown())
        (folder / copied / "taken_over.json").write_text('{"sweep": "another", "run": "a"}')
    names.append(shown())
    for copied in ("mmd,0", "mmd,1", "natural,0"):
        (folder / copied / "taken_over.json").write_text('{"sweep": "another", "run": "a"}')
    names.append(shown())
    assert names == ["plain,0", "plain,1", "mmd,0", "plain,0"], "of all that is complete; natural,1 is not"


def test_folders_of_the_machine_are_not_kept(sweep, tmp_path):
    copy = shutil.copytree(sweep, tmp_path / "copy")
    labs = ["/lab/monday/demos.zarr", "/lab/tuesday/demos.zarr"]
    config = {
        "data": {"real": labs, "sim": "data/sim.zarr", "seed": None, "keys": {"action": "/obs/qpos"}},
        "model": {"initial": "~/runs/base", "worlds": {"real": {"visual": 0.2}}},
    }
    for run in copy.glob("*,?"):
        (run / "config.yaml").write_text(yaml.safe_dump(config))
    keep(copy, tmp_path / "results", "it")
    config["data"]["real"] = ["monday/demos.zarr", "tuesday/demos.zarr"]
    config["model"]["initial"] = "base"
    assert yaml.safe_load((tmp_path / "results/config.yaml").read_text()) == config


@pytest.fixture
def results(sweep, tmp_path):
    """What was kept of it, the sweep itself out of reach."""
    keep_command(str(sweep), str(tmp_path / "results/sweep"), "align sweep it")
    return tmp_path / "results/sweep"


def test_every_file_of_the_report_is_drawn_again_to_the_byte(sweep, results, tmp_path):
    out = tmp_path / "elsewhere"
    report_command(str(results), str(out))
    drawn = {path.name for path in report(results)}
    assert {"results.csv", "arms.csv", "results.md", "table.png", "arms.png", "discernibility.png"} <= drawn
    assert "smoothness_real.png" in drawn
    assert drawn == {path.name for path in sweep.iterdir() if path.suffix in (".csv", ".md", ".png")}
    for name in drawn:
        assert (out / name).read_bytes() == (sweep / name).read_bytes(), name


def test_the_table_of_runs_is_kept_to_the_last_digit_and_type(sweep, results):
    pd.testing.assert_frame_equal(recorded(results), collect(sweep))
    there, here = held_out(sweep / "mmd,1"), held_out(results / "mmd,1")
    assert list(there) == list(here) and len(there) == 2
    for domain, table in there.items():
        assert np.array_equal(table.to_numpy(float), here[domain].to_numpy(float))


def test_the_table_of_trials_is_one_to_read_with_anything(sweep, results):
    table = pd.read_csv(results / "trials.csv.gz")
    for run, rows in table.groupby("run"):
        there = pd.read_csv(sweep / run / "rollouts.csv")
        assert rows["score"].tolist() == there["score"].tolist()
        assert rows["seed"].tolist() == there["seed"].tolist()
    assert set(table["run"]) == {p.name for p in sweep.glob("*,*")} - {"natural,1"}
    table.drop(columns="path_acceleration").to_csv(results / "trials.csv.gz", index=False)
    with pytest.raises(InputError, match=r"trials\.csv\.gz: no acceleration of paths"):
        Sweep(results).ratio(["mmd,1"], ["mmd,1"], Metric("motion", "real", "acceleration"))


def test_all_commits_are_kept_that_runs_were_trained_at(sweep, tmp_path):
    copy = shutil.copytree(sweep, tmp_path / "sweep")
    for n, path in enumerate(sorted(copy.glob("*,*"))):
        (path / "provenance.json").write_text(json.dumps({"commit": "late" if n else "early"}))
    keep(copy, tmp_path / "results", "it")
    found = json.loads((tmp_path / "results/provenance.json").read_text())
    assert found["runs"] == 6 and found["commit"] == {"late": 5, "early": 1}
    assert not (tmp_path / "results/times.json").exists()  # of runs that recorded none


def test_keeping_twice_writes_the_same_bytes(sweep, results, tmp_path):
    keep_command(str(sweep), str(tmp_path / "again"), "align sweep it")
    for name in (kept.TRIALS, kept.RUNS):
        assert (tmp_path / "again" / name).read_bytes() == (results / name).read_bytes()


def test_a_sweep_that_is_too_large_is_refused_and_nothing_written(sweep, tmp_path, monkeypatch):
    monkeypatch.setattr(kept, "MOST_BYTES", 1000)
    with pytest.raises(InputError, match=r"kept, of 300 trials; expected at most 0 MB \(the largest"):
        keep(sweep, tmp_path / "results", "it")
    assert not (tmp_path / "results").exists()


def test_a_sweep_kept_without_trials_is_one_line(results, capsys):
    (results / kept.TRIALS).unlink()
    before = {path: path.read_bytes() for path in results.iterdir()}
    assert main(["report", str(results)]) == 2
    line = capsys.readouterr().err
    assert "was kept without its trials (trials.csv.gz)" in line and line.count("\n") == 1
    assert before == {path: path.read_bytes() for path in results.iterdir()}


@pytest.mark.parametrize("name", [kept.TRIALS, kept.RUNS])
@pytest.mark.parametrize(
    "damage", [b"", b"no gzip", gzip.compress(b"{}", mtime=0), gzip.compress(b"a,b\n1,2\n", mtime=0)]
)
def test_damaged_tables_are_one_line(results, tmp_path, name, damage, capsys):
    folder = shutil.copytree(results, tmp_path / "damaged")
    (folder / name).write_bytes(damage)
    assert main(["report", str(folder)]) == 2
    line = capsys.readouterr().err
    assert name in line and line.count("\n") == 1


def test_what_was_not_kept_is_said(results, capsys):
    report_command(str(results))
    assert "as they were, for what they show was not kept: config.yaml" in capsys.readouterr().out
    with pytest.raises(InputError, match="exists; choose another folder"):
        report_command(str(results), str(results))


@pytest.fixture
def mixed(sweep, results, tmp_path):
    """The sweep with some of its runs as directories, the others taken over from what was kept."""
    folder = tmp_path / "elsewhere" / sweep.name
    here = ("mmd,0", "natural,0", "natural,1")
    for name in here:
        shutil.copytree(sweep / name, folder / name)
    shutil.copy(sweep / "grid.json", folder)
    others = [p for p in sorted(sweep.glob("*,?")) if p.name not in here]
    points = {p.name: json.loads((p / "point.json").read_text()) for p in others}
    take(folder, {name: (results, name) for name in points}, points)
    return folder


def test_a_sweep_reports_on_runs_of_which_it_has_tables_as_on_its_own(sweep, mixed):
    assert sorted(complete(mixed)) == ["mmd,1", "plain,0", "plain,1"]
    table = collect(mixed)
    assert table[ORIGIN].dropna().to_dict() == {
        n: f"{sweep.name}/{run}" for n, run in ((1, "mmd,1"), (4, "plain,0"), (5, "plain,1"))
    }
    pd.testing.assert_frame_equal(table.drop(columns=ORIGIN), collect(sweep))
    report(mixed)
    for name in ("arms.csv", "table.png", "smoothness_real.png", "aggregates.md"):
        assert (mixed / name).read_bytes() == (sweep / name).read_bytes(), name


def test_what_is_kept_of_both_is_kept_of_one(sweep, results, mixed, tmp_path):
    report(mixed)
    keep_command(str(mixed), str(tmp_path / "both"), "align sweep it")
    read = {folder: pd.read_csv(folder / kept.TRIALS) for folder in (results, tmp_path / "both")}
    one, other = (t.sort_values(["run", "world", "seed"], ignore_index=True) for t in read.values())
    pd.testing.assert_frame_equal(one, other, check_like=True)
    there, here = (kept.facts(folder) for folder in read)
    assert here["name"] == sweep.name and here == there
    assert json.loads((tmp_path / "both/provenance.json").read_text())["taken_over"] == {sweep.name: 3}


def test_of_several_sources_each_run_has_its_own_name_and_point(results, tmp_path):
    shutil.copytree(results, tmp_path / "other")
    taken = {"a": (results, "plain,0"), "b": (tmp_path / "other", "mmd,1")}
    take(tmp_path / "new", taken, {"a": {"method": "none", "x": [1]}, "b": {"method": "mmd", "x": None}})
    table = recorded(tmp_path / "new")
    assert table["run"].tolist() == ["a", "b"] and table["method"].tolist() == ["none", "mmd"]
    assert table["x"].iloc[0] == "[1]" and "alpha" not in table and "seed" not in table
    assert table["rollout/real/score"].tolist() == [
        recorded(results).set_index("run").loc[name, "rollout/real/score"] for name in ("plain,0", "mmd,1")
    ]
    for here, there in (("a", "plain,0"), ("b", "mmd,1")):
        pd.testing.assert_frame_equal(
            *(
                kept.kept_trials(run).reset_index(drop=True)
                for run in (tmp_path / "new" / here, results / there)
            )
        )
        assert held_out(tmp_path / "new" / here).keys() == held_out(results / there).keys() != set()
    assert kept.facts(tmp_path / "new")["own_distance"] == {}  # arms of another sweep, by their labels


def test_what_each_run_was_made_with_decides_of_regime_gap_and_stores(sweep, results, tmp_path):
    """Also where some or all of the runs are known by tables alone."""
    folder = tmp_path / "new"
    config = {
        "trainer": {"max_steps": 100, "callbacks": [{"init_args": {"worlds": {"real": {"visual": 1}}}}]}
    }
    made = {
        name: {"config": yaml.safe_dump(config), "provenance": {"data": {"real": "abc"}}}
        for name in kept.kept_frame(results)["run"]
    }
    trials = pd.concat(kept.trials_of(results, n).assign(run=n) for n in made if n != "natural,1")
    kept.write(results, trials, kept.kept_frame(results), {kept.MADE: made})
    take(folder, {"a": (results, "mmd,1")}, {"a": {"arm": "a"}})
    assert of_regime(folder, {"trainer.max_steps": 100}) and not of_regime(folder, {"trainer.max_steps": 6})
    assert stores(folder / "a") == {"real": "abc"} and stores_of_each(folder, ["a"], "real") == {"a": "abc"}
    assert gap_of(Sweep(folder), "a", "real") == "visual: 1"
    shutil.copytree(sweep / "mmd,0", folder / "mmd,0")
    (folder / "mmd,0/config.yaml").write_text("trainer: {max_steps: 6}")
    assert not any(of_regime(folder, {"trainer.max_steps": steps}) for steps in (100, 6))
    assert gap_of(Sweep(folder), "a", "real") == "visual: 1"
