"""Sweeps: what runs, what is skipped, what is refused, and submitit's executors."""

import json
import os
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
import yaml

from align.cli import main
from align.experiments.estimate import Measured
from align.experiments.launch import LocalLauncher
from align.run.layout import EVENTS, PROBE, ROLLOUTS, SUMMARY
from align.run.provenance import hash_store


@pytest.fixture
def tiny(write_config, tmp_path):
    """A grid of two λ over the smallest configuration; returns its path."""
    config = yaml.safe_load(Path(write_config()).read_text())
    del config["run"]
    config["data"]["validation"] = 4  # as few as can be probed
    base = {"demos": {}, "config": config, "scales": {"laptop": {}}}
    grid = {
        "title": "tiny",
        "base": "base.yaml",
        "axes": {"lambda": {"option": "model.alignment_weight", "values": [0, 1]}},
    }
    for name, content in (("base", base), ("grid", grid)):
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(content))
    return tmp_path / "grid.yaml"


@pytest.fixture
def instant(monkeypatch):
    """Replaces training by writing what marks a run as finished; the run of λ = 1 fails where FAIL is set."""

    def execute(folder):
        if "lambda=1" in folder and os.environ.get("FAIL"):
            Path(folder, "log.txt").write_text("some text\nthe reason\n")
            return 3
        for name in (SUMMARY, ROLLOUTS, PROBE):
            Path(folder, name).write_text("{}")
        Path(folder, EVENTS).touch()
        return 0

    class Launcher:
        def start(self, job):
            job.handle = execute(str(job.folder))

        def status(self, job):
            return job.handle

        def stop(self, job):
            raise AssertionError("nothing is left running")

    monkeypatch.setattr("align.experiments.sweep.LocalLauncher", Launcher)
    monkeypatch.setattr("align.experiments.sweep.check", lambda *_, **__: None)


def _sweep(grid, out, *more) -> int:
    return main(["sweep", str(grid), "--out", str(out), "--report", "false", *more])


@pytest.mark.parametrize("switch", ["--dry_run true", "--dry-run", "--dry-run=true", "--dry-run --jobs 1"])
def test_dry_run_does_nothing(tiny, tmp_path, capsys, switch, monkeypatch):
    monkeypatch.setattr("align.experiments.sweep._measure", lambda run: Measured(0.6, 54.0))
    assert _sweep(tiny, tmp_path / "out", *switch.split()) == 0
    assert main(["sweep", *switch.split(), str(tiny), "--out", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out
    assert "lambda=0: to run" in printed and "2 runs" in printed
    assert "expected time: " in printed
    assert not (tmp_path / "out").exists()


def test_failures_are_listed_and_only_they_run_again(tiny, tmp_path, capsys, instant, monkeypatch):
    monkeypatch.setenv("FAIL", "1")
    assert _sweep(tiny, tmp_path / "out") == 1
    assert "failed: lambda=1: the reason" in capsys.readouterr().out
    monkeypatch.delenv("FAIL")
    assert _sweep(tiny, tmp_path / "out") == 0
    printed = capsys.readouterr().out
    assert "lambda=0: skipped" in printed and "lambda=1: finished" in printed
    assert json.loads((tmp_path / "out/lambda=1/point.json").read_text()) == {"lambda": 1}


def test_another_configuration_in_the_same_place_is_refused(tiny, tmp_path, capsys, instant):
    assert _sweep(tiny, tmp_path / "out") == 0
    before = (tmp_path / "out/lambda=0/request.yaml").read_text()
    assert _sweep(tiny, tmp_path / "out", "--set+=model.lr_warmup=3") == 2
    error = capsys.readouterr().err
    assert "another configuration" in error and error.count("\n") == 1
    assert (tmp_path / "out/lambda=0/request.yaml").read_text() == before


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("model.lr_warmpu=3", "lr_warmpu"),
        ("data.real=nowhere.zarr", "nowhere.zarr: no such file or folder"),
        ("data.validation=2", "data.validation=2: holds out 2 sim, 2 real episodes"),
        (
            "data.validation=2",
            "needs 4 or more of each, and a whole number (data.validation=4) is of episodes",
        ),
        ("data.sim={real}", "data.sim, data.real: both"),
        ("model.policy.horizon=-1", "horizon"),
    ],
)
def test_what_runs_would_refuse_is_told_before_anything_is_claimed(
    option, words, tiny, stores, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(LocalLauncher, "start", lambda *_: pytest.fail("a run was started"))
    assert _sweep(tiny, tmp_path / "out", f"--set+={option.format(**stores)}") == 2
    error = capsys.readouterr().err
    assert words in error and "lambda=0: " in error and error.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("file", "place", "value", "words"),
    [
        ("grid", ("axes", "lambda", "values"), [0, "x"], "grid.yaml: lambda=x: model.alignment_weight='x'"),
        ("base", ("config", "model"), None, "base.yaml': None; expected a mapping of options"),
        (
            "base",
            ("config", "model", "policy", "encoder", "init_args"),
            -1,
            "init_args=-1: expected a mapping",
        ),
        ("base", ("config", "data", "seed"), None, "lambda=0: data.seed=null: expected int"),
        ("base", ("scales",), {}, "base.yaml': there is none; expected 'laptop'"),
    ],
)
def test_a_mistake_in_a_file_is_told_with_the_file(file, place, value, words, tiny, tmp_path, capsys):
    path = tmp_path / f"{file}.yaml"
    content = inner = yaml.safe_load(path.read_text())
    for name in place[:-1]:
        inner = inner[name]
    inner[place[-1]] = value
    path.write_text(yaml.safe_dump(content))
    assert _sweep(tiny, tmp_path / "out", "--dry-run") == 2
    error = capsys.readouterr().err
    assert words in error and error.count("\n") == 1


@pytest.mark.parametrize("dry", [[], ["--dry-run"]])
def test_no_demonstrations_are_made_where_some_cannot_be(dry, tiny, tmp_path, capsys):
    base = yaml.safe_load((tmp_path / "base.yaml").read_text())
    base["demos"] = {"data.sim": {"n": 1, "size": 16}, "data.real": {"n": 0}}
    (tmp_path / "base.yaml").write_text(yaml.safe_dump(base))
    assert _sweep(tiny, tmp_path / "out", "--data", str(tmp_path / "data"), *dry) == 2
    error = capsys.readouterr().err
    assert "n=0: expected a whole number" in error and error.count("\n") == 1
    assert not (tmp_path / "data").exists() and not (tmp_path / "out").exists()
    assert _sweep(tiny, tmp_path / "out", "--data", str(tiny), *dry) == 2
    assert f"data={str(tiny)!r}: a file; expected a folder" in capsys.readouterr().err


def test_a_claim_without_training_is_replaceable_and_training_is_not(tiny, tmp_path, capsys, monkeypatch):
    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr("align.experiments.sweep._follow", lambda *_: None)
        _sweep(tiny, out, "--set+=model.lr_warmup=3")
        (out / "lambda=1/config.yaml").write_text("model: {lr_warmup: 3}")  # and failed before a checkpoint
        _sweep(tiny, out, "--set+=model.lr_warmup=4")
        requested = yaml.safe_load((out / "lambda=1/request.yaml").read_text())
        assert requested["model"]["lr_warmup"] == 4
        (out / "lambda=1/checkpoints").mkdir()
        (out / "lambda=1/checkpoints/last.ckpt").touch()
        assert _sweep(tiny, out, "--set+=model.lr_warmup=5") == 2
    error = capsys.readouterr().err
    assert "lambda=1 was run with another configuration (model.lr_warmup: 4 there, 5 here)" in error
    assert "choose another directory with --out" in error
    assert "lr_warmup: 4" in (out / "lambda=0/request.yaml").read_text()  # no part of it is claimed


def test_a_run_that_began_on_other_data_is_not_gone_on_with(tiny, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("align.experiments.sweep._follow", lambda *_: None)
    out = tmp_path / "out"
    _sweep(tiny, out)
    data = yaml.safe_load((out / "lambda=1/request.yaml").read_text())["data"]
    held = {name: {"path": data[name], "hash": hash_store(data[name])} for name in ("sim", "real")}
    (out / "lambda=1/provenance.json").write_text(json.dumps({"data": held}))
    (out / "lambda=1/checkpoints").mkdir()
    (out / "lambda=1/checkpoints/last.ckpt").touch()
    assert _sweep(tiny, out) == 0
    held["real"]["hash"] = "of what it held then"
    (out / "lambda=1/provenance.json").write_text(json.dumps({"data": held}))
    assert _sweep(tiny, out) == 2
    error = capsys.readouterr().err
    assert f"{data['real']} was written anew since lambda=1 began" in error


def test_only_distinct_configurations_are_checked_and_those_that_began_are_not(tiny, tmp_path, monkeypatch):
    checked: list[str] = []
    monkeypatch.setattr(
        "align.experiments.dry_fit.DryFit.__call__", lambda self, path: checked.append(Path(path).read_text())
    )
    monkeypatch.setattr("align.experiments.sweep._follow", lambda *_: None)
    content = yaml.safe_load(tiny.read_text())
    content["axes"]["seed"] = {"option": "seed_everything", "values": [0, 1]}
    content["axes"]["start"] = {
        "values": {"new": {}, "on": {"model.initial": {"after": {"start": "new"}}, "only": {"lambda": [1]}}}
    }
    tiny.write_text(yaml.safe_dump(content, sort_keys=False))
    for name in ("lambda=0,seed=0,start=new", "lambda=0,seed=1,start=new"):
        (tmp_path / "out" / name / "checkpoints").mkdir(parents=True)
        (tmp_path / "out" / name / "checkpoints/last.ckpt").touch()
    _sweep(tiny, tmp_path / "out")
    assert len(checked) == 2 and all("alignment_weight: 1" in config for config in checked)
    assert "initial: null" in checked[1]  # the run that it begins with is yet to be trained


def test_second_sweep_on_one_directory_is_refused(tiny, tmp_path, capsys):
    from align.run.locks import locked

    with locked(tmp_path / "out", "sweep"):
        assert _sweep(tiny, tmp_path / "out") == 2
    assert "in use" in capsys.readouterr().err


@pytest.mark.parametrize("option", [["--jobs", "0"], ["--scale", "giant"], ["--no_such", "1"]])
def test_mistakes_are_one_line(tiny, tmp_path, capsys, option):
    assert _sweep(tiny, tmp_path / "out", *option) == 2
    error = capsys.readouterr().err
    assert error.startswith("align: error:") and error.count("\n") == 1


@pytest.mark.parametrize("cluster", ["local", "debug"])
def test_cluster_runs_real_runs(tiny, tmp_path, cluster, capsys, monkeypatch):
    """Through submitit: training itself, and its failure (two episodes are too few to probe) reported."""

    def here(command, log):
        with redirect_stdout(log), redirect_stderr(log):
            return main(command)

    out = tmp_path / "out"
    monkeypatch.setattr("align.experiments.sweep.check", lambda *_, **__: None)
    if cluster == "debug":  # the job is in this process: so may be what it starts, which takes seconds
        monkeypatch.setattr("align.experiments.launch._cold", here)
    base = yaml.safe_load((tmp_path / "base.yaml").read_text())
    base["config"]["data"]["validation"] = 2
    (tmp_path / "base.yaml").write_text(yaml.safe_dump(base))
    tiny.write_text(tiny.read_text().replace("- 0\n", ""))  # one run is enough
    assert _sweep(tiny, out, "--cluster", cluster) == 1
    assert (out / "lambda=1/summary.json").exists()
    printed = capsys.readouterr().out
    assert printed.count("failed: ") == 1 and "episodes" in printed


def test_cluster_mistakes_are_one_line(tiny, tmp_path, capsys):
    assert _sweep(tiny, tmp_path / "out", "--cluster", "local", "--cluster_parameters", "{no_such: 1}") == 2
    error = capsys.readouterr().err
    assert "no_such" in error and error.count("\n") == 1


def test_the_directory_of_the_run_before_is_handed_on(tiny, tmp_path, instant):
    content = yaml.safe_load(tiny.read_text())
    content["axes"] = {
        "stage": {"values": {"first": {}, "second": {"model.initial": {"after": {"stage": "first"}}}}}
    }
    tiny.write_text(yaml.safe_dump(content, sort_keys=False))
    assert _sweep(tiny, tmp_path / "out") == 0
    request = yaml.safe_load((tmp_path / "out/stage=second/request.yaml").read_text())
    assert request["model"]["initial"] == str(tmp_path / "out/stage=first")


def test_runs_get_the_demonstrations_of_their_axes(tiny, tmp_path, instant, monkeypatch):
    def prepare(demos, data, jobs):
        made.append(demos)
        return {option: f"{option}-{arguments.get('world')}" for option, arguments in demos.items()}

    made: list[dict] = []
    monkeypatch.setattr("align.experiments.sweep.prepare", prepare)
    content = yaml.safe_load(tiny.read_text())
    levels = {"values": {x: {"demos.data.real.world.visual": x} for x in (0, 0.5)}}
    content["axes"] = {"level": levels, "lambda": content["axes"]["lambda"]}
    tiny.write_text(yaml.safe_dump(content, sort_keys=False))
    base = yaml.safe_load((tmp_path / "base.yaml").read_text())
    (tmp_path / "base.yaml").write_text(yaml.safe_dump(base | {"demos": {"data.real": {"n": 1}}}))
    assert _sweep(tiny, tmp_path / "out") == 0
    for level in (0, 0.5):
        request = yaml.safe_load((tmp_path / f"out/level={level},lambda=1/request.yaml").read_text())
        assert request["data"]["real"] == f"data.real-{{'visual': {level}}}"
    assert len(made) == 2  # one a level, not one a run
