"""Runs that another sweep has finished: taken over where they are the same, and only there."""

import json
import re
import shutil
from pathlib import Path

import pytest
import yaml

from align.cli import main
from align.errors import InputError
from align.experiments.dry_fit import is_same
from align.experiments.launch import LocalLauncher
from align.experiments.reuse import finished_elsewhere, take_over
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

    def same(run, config):
        known.append((run.name, yaml.safe_load(config.read_text())))
        return True

    return take_over({"arm": {**request, "run": str(folder / "arm")}}, folder, others, same), folder / "arm"


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
    status, out = sweep("second", "--reuse", str(tmp_path / "out/first"))
    assert status == 1 and started == ["lambda=1"]
    printed = capsys.readouterr().out
    assert f"lambda=0: taken over from {tmp_path}/out/first/lambda=0" in printed
    assert "lambda=0: skipped" in printed
    requested = yaml.safe_load((out / "lambda=0" / REQUEST).read_text())
    assert requested["run"] == str(out / "lambda=0")
