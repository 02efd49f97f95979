"""Runs that another sweep has finished: taken over where they are the same, and only there."""

import json
import re
import shutil
from pathlib import Path

import pytest
import yaml

from align.cli import main
from align.errors import InputError
from align.experiments.launch import LocalLauncher
from align.experiments.reuse import take_over
from align.run.layout import EVENTS, GRID, PROBE, PROVENANCE, REQUEST, SUMMARY
from align.run.provenance import hash_store


@pytest.fixture
def other(tmp_path, stores):
    """A sweep of one finished run; returns its directory and what was asked of the run."""
    sweep = tmp_path / "other"
    run = sweep / "lambda=0,seed=0"
    (run / "checkpoints").mkdir(parents=True)
    request = {"model": {"alignment_weight": 0}, "data": {**stores, "alpha": 0.25}, "seed_everything": 0}
    (run / REQUEST).write_text(yaml.safe_dump({**request, "run": str(run)}))
    data = {name: {"path": path, "hash": hash_store(path)} for name, path in stores.items()}
    (run / "config.yaml").write_text("{}")
    (run / PROVENANCE).write_text(json.dumps({"commit": "0123456789abcdef", "data": data}))
    for name in ("point.json", SUMMARY, PROBE, "rollouts.csv", EVENTS, "checkpoints/last.ckpt"):
        (run / name).write_text("{}")
    (run / ".~probe.png.abc").mkdir()  # what a killed process left
    (sweep / GRID).write_text("{}")
    return sweep, request


def _take(tmp_path, request, *sweeps):
    folder = tmp_path / "new"
    told = take_over({"arm": {**request, "run": str(folder / "arm")}}, folder, [str(s) for s in sweeps])
    return told, folder / "arm"


def test_a_run_that_is_the_same_is_copied_whole(tmp_path, other):
    sweep, request = other
    told, run = _take(tmp_path, request, sweep)
    assert told == [f"arm: taken over from {sweep}/lambda=0,seed=0, trained at commit 0123456"]
    there = {p.relative_to(run) for p in run.rglob("*")}
    first = sweep / "lambda=0,seed=0"
    assert there == {p.relative_to(first) for p in first.rglob("*") if ".~" not in str(p)}
    assert (first / SUMMARY).exists()
    assert _take(tmp_path, request, sweep)[0] == []  # it has begun


@pytest.mark.parametrize(
    "change",
    [
        {"seed_everything": 1},
        {"model": {"alignment_weight": 0.1}},
        {"model": {"alignment_weight": 0, "learning_rate": 0.1}},
        {"trainer": {"max_steps": 5}},
    ],
    ids=["seed", "weight", "more", "trainer"],
)
def test_another_configuration_is_not_taken(tmp_path, other, change):
    sweep, request = other
    assert _take(tmp_path, {**request, **change}, sweep)[0] == []
    data = {**request["data"], "alpha": 0.5}
    assert _take(tmp_path, {**request, "data": data}, sweep)[0] == []


@pytest.mark.parametrize(
    ("first", "then", "taken"),
    [
        ({}, {"alignment_weight": 0}, True),
        ({"alignment_weight": 0}, {}, True),
        ({"alignment_weight": 0.1}, {}, False),
        ({}, {"alignment_weight": 0.1}, False),
        ({"learning_rate": 1e-4}, {}, True),
        ({}, {"nothing": None}, False),
    ],
)
def test_what_one_says_the_other_may_leave_to_the_default(tmp_path, other, first, then, taken):
    sweep, request = other
    run = sweep / "lambda=0,seed=0"
    resolved = {"alignment_weight": 0.0, "learning_rate": 1e-4} | first
    (run / "config.yaml").write_text(yaml.safe_dump({"model": resolved}))
    (run / REQUEST).write_text(yaml.safe_dump({**request, "model": first, "run": str(run)}))
    assert bool(_take(tmp_path, {**request, "model": then}, sweep)[0]) == taken


def test_stores_count_by_what_they_hold(tmp_path, other, make_store):
    sweep, request = other
    moved = shutil.copytree(request["data"]["real"], tmp_path / "elsewhere.zarr")
    changed = make_store("another", 6, seed=2)
    for path, taken in ((changed, 0), (str(moved), 1)):
        assert len(_take(tmp_path, {**request, "data": {**request["data"], "real": path}}, sweep)[0]) == taken


def test_a_store_that_was_written_anew_is_another(tmp_path, other, make_store):
    sweep, request = other
    shutil.rmtree(request["data"]["real"])
    shutil.move(make_store("another", 6, seed=2), request["data"]["real"])
    assert _take(tmp_path, request, sweep)[0] == []


@pytest.mark.parametrize("absent", [SUMMARY, PROBE, EVENTS, "rollouts.csv"])
def test_an_unfinished_run_is_not_taken(tmp_path, other, absent):
    sweep, request = other
    (sweep / "lambda=0,seed=0/config.yaml").unlink()  # by which it would be tested in no world
    (sweep / "lambda=0,seed=0" / absent).unlink()
    assert _take(tmp_path, request, sweep)[0] == []


def test_what_goes_on_from_another_run_is_trained(tmp_path, other):
    """Its predecessor lies in its own sweep."""
    sweep, request = other
    run = sweep / "lambda=0,seed=0"
    asked = {**request, "model": {"initial": str(sweep / "first")}}
    (run / REQUEST).write_text(yaml.safe_dump({**asked, "run": str(run)}))
    assert _take(tmp_path, {**asked, "model": {"initial": str(tmp_path / "new/first")}}, sweep)[0] == []


def test_only_another_sweep_can_be_reused(tmp_path, other):
    sweep, request = other
    (tmp_path / "none").mkdir()
    with pytest.raises(InputError, match=re.escape("none': expected the directory of a sweep")):
        _take(tmp_path, request, tmp_path / "none")
    with pytest.raises(InputError, match="this sweep itself"):
        take_over({}, sweep, [str(sweep / "../other")])


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
    status, out = sweep("second", "--reuse", str(tmp_path / "out/first"))
    assert status == 1 and started == ["lambda=1"]
    printed = capsys.readouterr().out
    assert f"lambda=0: taken over from {tmp_path}/out/first/lambda=0" in printed
    assert "lambda=0: skipped" in printed
    requested = yaml.safe_load((out / "lambda=0" / REQUEST).read_text())
    assert requested["run"] == str(out / "lambda=0")
