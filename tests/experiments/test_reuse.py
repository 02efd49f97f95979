"""Runs that another sweep has finished: taken over where they are the same, and only there."""

import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
import yaml

from align.analysis.reports.sweep import kept
from align.analysis.reports.sweep.keep import keep
from align.analysis.reports.sweep.run_table import collect, recorded
from align.cli import main
from align.errors import InputError
from align.experiments import dry_fit
from align.experiments.dry_fit import is_same
from align.experiments.launch import LocalLauncher
from align.experiments.reuse import Asked, finished_elsewhere, kept_here, take_over, would_take_over
from align.run.layout import EVENTS, GRID, PROBE, PROVENANCE, REQUEST, SECONDS, SUMMARY, TAKEN_OVER


@pytest.fixture
def other(tmp_path):
    """A sweep of one finished run; returns its directory and what was asked of the run."""
    sweep = tmp_path / "other"
    run = sweep / "lambda=0,seed=0"
    (run / "checkpoints").mkdir(parents=True)
    request = {"model": {"alignment_weight": 0}, "data": {"sim": "a", "real": "b", "alpha": 0.25}}
    request["seed_everything"] = 0
    (run / REQUEST).write_text(yaml.safe_dump({**request, "run": str(run)}))
    (run / PROVENANCE).write_text(json.dumps({"commit": "0123456789abcdef+changes"}))
    for name in ("point.json", SUMMARY, PROBE, "rollouts.csv", EVENTS, "checkpoints/last.ckpt", SECONDS):
        (run / name).write_text("{}")
    (run / "config.yaml").write_text("trainer: {callbacks: []}")
    (run / ".~probe.png.abc").mkdir()  # what a killed process left
    (sweep / GRID).write_text("{}")
    return sweep, request


def _take(tmp_path, request, *sweeps, asked=None):
    folder = tmp_path / "new"
    others = finished_elsewhere([str(s) for s in sweeps], folder)
    known = [] if asked is None else asked

    def same(run, config, _after):
        known.append((run.name, yaml.safe_load(config.read_text())))
        return True

    arm = Asked({**request, "run": str(folder / "arm")}, {"arm": "arm"}, {})
    return take_over({"arm": arm}, folder, others, same)[0], folder / "arm"


def test_a_run_that_is_the_same_is_copied_whole(tmp_path, other):
    sweep, request = other
    told, run = _take(tmp_path, request, sweep)
    first = sweep / "lambda=0,seed=0"
    assert told == [f"arm: taken over from {first}, trained at commit 0123456 with changes"]
    there, here = ({p.relative_to(x) for p in x.rglob("*") if ".~" not in str(p)} for x in (first, run))
    assert here == there - {Path(SECONDS)} | {Path(TAKEN_OVER)}  # the time is the other sweep's
    assert json.loads((run / TAKEN_OVER).read_text()) == {"sweep": "other", "run": "lambda=0,seed=0"}
    assert (first / SUMMARY).exists()
    assert _take(tmp_path, request, sweep)[0] == []  # it has begun
    (run.parent / GRID).write_text("{}")
    shutil.copytree(run.parent, tmp_path / "middle").joinpath("arm", REQUEST).write_text(
        yaml.safe_dump(request)
    )
    shutil.rmtree(run.parent)
    _take(tmp_path, request, tmp_path / "middle")  # a copy of a copy is one of the first
    assert json.loads((run / TAKEN_OVER).read_text()) == {"sweep": "other", "run": "lambda=0,seed=0"}


@pytest.mark.parametrize(
    "change",
    [
        {"seed_everything": 1},
        {"model": {"alignment_weight": 0.1}},
        {"data": {"sim": "a", "real": "b", "alpha": 0.5}},
    ],
    ids=["seed", "weight", "alpha"],
)
def test_what_asks_for_something_else_is_not_even_compared(tmp_path, other, change):
    sweep, request = other
    asked = []
    assert _take(tmp_path, {**request, **change}, sweep, asked=asked)[0] == [] == asked


def test_what_one_says_and_the_other_leaves_to_the_default_is_compared(tmp_path, other):
    sweep, request = other
    asked = []
    more = {**request, "model": {"learning_rate": 1e-4}, "data": {"sim": "c", "real": "d"}}
    assert len(_take(tmp_path, more, sweep, asked=asked)[0]) == 1
    assert asked[0][1]["model"] == {"learning_rate": 1e-4}


@pytest.mark.parametrize("absent", [SUMMARY, PROBE, EVENTS, PROVENANCE, "config.yaml"])
def test_an_unfinished_run_is_not_taken(tmp_path, other, absent):
    sweep, request = other
    (sweep / "lambda=0,seed=0" / absent).unlink()
    assert _take(tmp_path, request, sweep)[0] == []


def test_only_another_sweep_can_be_reused(tmp_path, other, capsys):
    sweep, _ = other
    (tmp_path / "none").mkdir()
    with pytest.raises(InputError, match=re.escape("none': expected the directory of a sweep")):
        finished_elsewhere([str(tmp_path / "none")], tmp_path / "new")
    with pytest.raises(InputError, match="this sweep itself"):
        finished_elsewhere([str(sweep / "../other")], sweep)
    assert main(["sweep", "lambda", "--scale", "smoke", "--dry-run", "--reuse", str(tmp_path / "none")]) == 2
    assert "expected the directory of a sweep" in capsys.readouterr().err


def test_the_same_is_what_fit_makes_of_it_on_stores_that_hold_the_same(
    write_config, tmp_path, stores, make_store
):
    """Defaults included: what they were in the run counts, and not only what was asked."""
    assert main(["fit", "--config", write_config()]) == 0
    run, asked = tmp_path / "run", iter(range(99))

    def same(**changes):
        return is_same(run, Path(write_config(f"asked{next(asked)}", run=str(tmp_path / "new"), **changes)))

    assert same() and not (tmp_path / "new").exists()
    assert not same(**{"model.learning_rate": 0.5})
    moved = shutil.copytree(stores["real"], tmp_path / "elsewhere.zarr")
    assert same(**{"data.real": str(moved)})
    assert not same(**{"data.real": make_store("another", 6, seed=2)})
    assert not same(**{"model.initial": str(run)})
    config = yaml.safe_load((run / "config.yaml").read_text())
    config["model"]["ema_power"] = 0.5  # as if that had been the default
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    assert not same() and same(**{"model.ema_power": 0.5})
    (run / PROVENANCE).write_text(json.dumps({"data": {}}))
    assert not same(**{"model.ema_power": 0.5})


def test_a_sweep_takes_over_and_trains_the_rest(write_config, tmp_path, monkeypatch, capsys):
    config = yaml.safe_load(Path(write_config(**{"data.validation": 4})).read_text())
    del config["run"]
    base = {"demos": {}, "config": config, "scales": {"laptop": {}}}
    (tmp_path / "base.yaml").write_text(yaml.safe_dump(base))
    for name, values in (("first", [0]), ("second", [0, 1])):
        axes = {"lambda": {"option": "model.alignment_weight", "values": values}}
        grid = {"title": "tiny", "base": "base.yaml", "axes": axes}
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(grid))

    def sweep(name, *more):
        out = tmp_path / "out" / name
        arguments = [str(tmp_path / f"{name}.yaml"), "--out", str(out), "--report", "false", *more]
        return main(["sweep", *arguments]), out

    assert sweep("first")[0] == 0
    capsys.readouterr()
    started = []
    monkeypatch.setattr(LocalLauncher, "start", lambda _, job: started.append(job.name))
    monkeypatch.setattr(LocalLauncher, "status", lambda *_: 3)
    assert sweep("second", "--dry-run", "--reuse", str(tmp_path / "out/first"))[0] == 0
    printed = capsys.readouterr().out
    assert f"lambda=0: to be taken over from {tmp_path}/out/first/lambda=0\n" in printed
    assert "2 runs, 1 of them to run, 1 to be taken over" in printed
    assert not (tmp_path / "out/second").exists()
    status, out = sweep("second", "--reuse", str(tmp_path / "out/first"))
    assert status == 1 and started == ["lambda=1"]
    printed = capsys.readouterr().out
    assert f"lambda=0: taken over from {tmp_path}/out/first/lambda=0" in printed
    assert "lambda=0: skipped" in printed
    requested = yaml.safe_load((out / "lambda=0" / REQUEST).read_text())
    assert requested["run"] == str(out / "lambda=0")

    # The same of what was kept of the first: its trials and numbers, and no directory.
    first, results = tmp_path / "out/first", tmp_path / "results/first"
    assert main(["report", str(first)]) == main(["keep", str(first), str(results), "it"]) == 0
    shutil.rmtree(first)
    (tmp_path / "out/second").rename(tmp_path / "out/copied")
    started.clear()
    capsys.readouterr()
    assert sweep("second", "--dry-run", "--reuse", str(results))[0] == 0
    printed = capsys.readouterr().out
    assert f"to be taken over from {results}/lambda=0" in printed and "2 runs, 1 of them to run, 1" in printed
    assert sweep("second", "--reuse", str(results))[0] == 1 and started == ["lambda=1"]
    printed = capsys.readouterr().out
    assert f"lambda=0: taken over from {results}/lambda=0" in printed and "lambda=0: skipped" in printed
    assert not (out / "lambda=0").exists()
    assert collect(out)["run"].tolist() == ["lambda=0", "lambda=1"]
    started.clear()
    assert sweep("second")[0] == 1 and started == ["lambda=1"]  # known from then on
    assert "taken over" not in capsys.readouterr().out
    assert sweep("second", "--dry-run")[0] == 0 and "2 runs, 1 of them to run" in capsys.readouterr().out
    assert sweep("second", "--set", "model.learning_rate=0.5")[0] == 2
    error = capsys.readouterr().err
    assert "lambda=0 was taken over (runs.json.gz) and had another configuration" in error


@pytest.fixture
def results(tmp_path, monkeypatch):
    """What was kept of a run, and of one that went on from it; configurations are taken as they stand."""
    monkeypatch.setattr(dry_fit, "completed", lambda path: yaml.safe_load(path.read_text()))
    rows, facts = [], {}
    for name, config in (
        ("base", {"seed_everything": 0}),
        ("tuned", {"seed_everything": 0, "model": {"initial": "runs/old/base"}}),
    ):
        rows.append({"run": name, "missing": "", "arm": name, "rollout/real/score": 0.5})
        facts[name] = {"config": yaml.safe_dump(config), "provenance": {"commit": "0123456789", "data": {}}}
    trials = pd.DataFrame({"run": ["base", "tuned"], "world": "real", "seed": 1, "score": 0.5})
    trials["success"] = 1.0
    kept.write(tmp_path, trials, pd.DataFrame(rows), {kept.MADE: facts})
    (tmp_path / GRID).write_text("{}")
    return tmp_path


def _asked(**more):
    def run(initial=None, **model):
        after = {} if initial is None else {"model.initial": initial}
        model |= {} if initial is None else {"initial": f"somewhere/{initial}"}
        return Asked({"seed_everything": 0, "model": model}, {}, after)

    return {name: run(**how) for name, how in {"a": {}, "b": {"initial": "a"}, **more}.items()}


@pytest.mark.parametrize(
    ("more", "taken"),
    [
        ({}, {"a", "b"}),
        ({"c": {"initial": "a", "epsilon": 1.0}}, {"b"}),  # which trains, and needs the checkpoint of a
        ({"b": {"initial": "c"}, "c": {"epsilon": 1.0}}, {"a"}),  # from something else
    ],
    ids=["both", "another", "from another"],
)
def test_kept_runs_that_go_on_from_others(results, tmp_path, more, taken):
    folder = tmp_path / "new"
    folder.mkdir()

    def same(run, config, after_the_same):
        one, other = (yaml.safe_load(path.read_text()) for path in (run / "config.yaml", config))
        assert after_the_same == ("initial" in other["model"])
        return one.get("model", {}) == other["model"]

    asked = _asked(**more)
    told, tables = take_over(asked, folder, finished_elsewhere([str(results)], folder), same)
    assert tables == taken == kept_here(folder) and len([t for t in told if "taken over" in t]) == len(taken)
    assert ("c" in more and "b" not in more) == any("a: trained here, since a run" in line for line in told)
    again, tables = take_over(asked, folder, finished_elsewhere([], folder), same)
    assert again == [] and tables == taken


def test_before_demonstrations_are_made_a_dry_run_counts_nothing_as_taken_over(other, tmp_path, capsys):
    sweep, _ = other
    arguments = ["sweep", "lambda", "--scale", "smoke", "--data", str(tmp_path / "data"), "--dry-run"]
    assert main([*arguments, "--out", str(tmp_path / "new"), "--reuse", str(sweep)]) == 0
    printed = capsys.readouterr().out
    runs = printed.count(": to run")
    assert runs > 1 and f"{runs} runs cannot be compared with those of other sweeps before" in printed
    assert f"{runs} runs, {runs} of them to run\n" in printed
    assert not (tmp_path / "data").exists() and not (tmp_path / "new").exists()


def test_a_look_ahead_takes_what_would_be_taken(results, tmp_path):
    """Of kept runs, one that a run goes on from which is to be trained is trained too."""
    folder, others = tmp_path / "new", finished_elsewhere([str(results)], tmp_path / "new")

    def same(*_):
        return True

    asked = _asked()
    found = would_take_over(asked, folder, others, is_same=same)
    assert found == {"a": results / "base", "b": results / "tuned"}
    assert would_take_over(asked, folder, others, {"b"}, same) == {}
    assert not folder.exists()


def _all_the_same(run, config, after_the_same):
    return True


def test_what_is_taken_as_a_table_replaces_a_claim_and_keeps_what_was_taken_before(results, tmp_path):
    """Of two runs that ask for the same, each has its row; what another grid took stays."""
    folder = tmp_path / "new"
    (folder / "a").mkdir(parents=True)
    (folder / "a" / REQUEST).write_text("{}")  # of a sweep that was interrupted before it trained
    asked = {"a": _asked()["a"], "again": _asked()["a"]}
    others = finished_elsewhere([str(results)], folder)
    assert take_over(asked, folder, others, _all_the_same)[1] == {"a", "again"} == kept_here(folder)
    assert not (folder / "a").exists()
    others = finished_elsewhere([str(results)], folder)
    assert take_over({"other": _asked()["a"]}, folder, others, _all_the_same)[1] == {"other"}
    assert collect(folder)["run"].tolist() == ["a", "again", "other"]
    (folder / GRID).write_text("{}")
    (folder / "results.csv").write_text("run,missing")
    keep(folder, tmp_path / "kept", "it")  # of a sweep without any directory
    assert recorded(tmp_path / "kept")["run"].tolist() == ["a", "again", "other"]


def test_a_directory_goes_before_a_table(results, tmp_path):
    """It has the checkpoint that another run goes on from."""
    folder = tmp_path / "new"
    run = tmp_path / "runs/first"
    run.mkdir(parents=True)
    for name in ("point.json", SUMMARY, PROBE, "rollouts.csv", EVENTS, PROVENANCE):
        (run / name).write_text("{}")
    (run / REQUEST).write_text("seed_everything: 0")
    (run / "config.yaml").write_text("trainer: {callbacks: []}")
    (run.parent / GRID).write_text("{}")
    asked = _asked(c={"initial": "a", "epsilon": 1.0})
    others = finished_elsewhere([str(results), str(run.parent)], folder)
    told, tables = take_over(asked, folder, others, lambda run, config, _: "1.0" not in config.read_text())
    assert f"a: taken over from {run}" in told and tables == {"b"} and (folder / "a" / SUMMARY).is_file()


def test_a_kept_run_of_this_machines_precision_goes_before_one_of_another(results, tmp_path, monkeypatch):
    rows, facts = [], {}
    for name, precision in (("full", "32-true"), ("half", "bf16-mixed")):
        rows.append({"run": name, "missing": "", "arm": name, "rollout/real/score": 0.5})
        config = yaml.safe_dump({"seed_everything": 0, "trainer": {"precision": precision}})
        facts[name] = {"config": config, "provenance": {"commit": "0123456789", "data": {}}}
    trials = pd.DataFrame({"run": ["full", "half"], "world": "real", "seed": 1, "score": 0.5, "success": 1.0})
    kept.write(results, trials, pd.DataFrame(rows), {kept.MADE: facts})
    others = finished_elsewhere([str(results)], tmp_path / "new")
    for precision, found in (("bf16-mixed", "half"), ("32-true", "full"), ("tf32", "full")):
        monkeypatch.setattr("align.step.precision.resolve_precision", lambda _, p=precision: p)
        folder = tmp_path / precision
        folder.mkdir()
        (told,), _ = take_over({"a": _asked()["a"]}, folder, others, _all_the_same)
        assert told.startswith(f"a: taken over from {results / found}, trained at commit 0123456")
        assert ("in 32-true, which this machine would not" in told) == (precision == "tf32")


def test_where_stores_lie_is_no_difference_though_there_are_several(other, tmp_path):
    sweep, request = other
    path = sweep / "lambda=0,seed=0" / REQUEST
    path.write_text(yaml.safe_dump({**request, "data": {"sim": "a", "real": ["x", "y"]}}))
    asked = {**request, "data": {"sim": "a", "real": ["there/x", "there/y"]}}
    assert len(_take(tmp_path, asked, sweep)[0]) == 1


@pytest.mark.parametrize("damage", ["a: [", "only text", {"a": 1}])
def test_how_a_run_was_made_is_read_with_a_schema(results, damage):
    facts = {"base": {"config": damage, "provenance": {"data": {}}}}
    trials = pd.DataFrame({"run": ["base"], "world": "real", "seed": 1, "score": 0.5})
    kept.write(results, trials, pd.DataFrame([{"run": "base", "missing": ""}]), {kept.MADE: facts})
    with pytest.raises(InputError, match=r"runs\.json\.gz"):
        finished_elsewhere([str(results)], results / "new")
