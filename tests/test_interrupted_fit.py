"""A run killed anywhere and started again leaves what an uninterrupted one does: every file, but times."""

import json
import os
import shutil
import signal
from pathlib import Path

import pytest
import torch
import yaml
from run_contents import contents

from align.callbacks import Rollouts
from align.cli import main

OPTIONS = {
    "model.alignment_weight": 0.5,
    "checkpoint": {"every": 2},
    "trainer.max_steps": 8,
    "trainer.val_check_interval": 3,  # after 3, 6 and the last
    "trainer.log_every_n_steps": 3,
    "trainer.callbacks": [
        {
            "class_path": "align.callbacks.Rollouts",
            "init_args": {"worlds": {"sim": {}}, "size": 16, "trials": 2, "steps": 2, "film": 1},
        }
    ],
}


class Killed(BaseException):
    """Nothing of the program catches it."""


@pytest.fixture
def whole(write_config, tmp_path):
    """An uninterrupted run's contents."""
    run = tmp_path / "whole/run"  # pictures show its name
    assert main(["fit", "--config", write_config("whole", run=str(run), **OPTIONS)]) == 0
    return contents(run)


def _compare(run: Path, whole: dict) -> None:
    found = contents(run)
    found.pop("provenance.json"), whole.pop("provenance.json", None)
    assert found.keys() == whole.keys()
    for name, value in whole.items():
        assert found[name] == value, name


@pytest.mark.slow
def test_killed_at_every_write(whole, write_config, tmp_path, monkeypatch):
    """In turn before and after a rename, since a file that appeared may be all that a run got to."""
    for n in range(1, 100):
        run, count = tmp_path / f"cut-{n}/run", 0
        config = write_config("cut", run=str(run), **OPTIONS)

        def replace(source, target, real=os.replace, n=n):
            nonlocal count
            count += 1
            if count < n or n % 2:
                real(source, target)
            if count == n:
                raise Killed

        with monkeypatch.context() as patch:
            patch.setattr(os, "replace", replace)
            try:
                main(["fit", "--config", config])
                break
            except Killed:
                pass
        assert main(["fit", "--config", config]) == 0
        _compare(run, whole)
    assert n > 8  # so many files were written


def test_killed_between_validation_and_what_follows(whole, write_config, tmp_path, monkeypatch):
    from align.module import CotrainingModule

    for n in range(3):
        run, count = tmp_path / f"cut-{n}/run", 0
        config = write_config("cut", run=str(run), **OPTIONS)
        real = CotrainingModule.on_validation_epoch_end

        def ends(self, n=n, real=real):
            nonlocal count
            count += 1
            if count == n + 1:
                raise Killed
            real(self)

        with monkeypatch.context() as patch, pytest.raises(Killed):
            patch.setattr(CotrainingModule, "on_validation_epoch_end", ends)
            main(["fit", "--config", config])
        assert main(["fit", "--config", config]) == 0
        _compare(run, whole)


def test_a_run_that_was_moved_with_its_data_goes_on(
    whole, write_config, stores, tmp_path, monkeypatch, capsys
):
    """From another folder, too; a store of the same path or place with other contents is another."""
    from align.callbacks import LastCheckpoint

    config, real = write_config("cut", run=str(tmp_path / "cut"), **OPTIONS), LastCheckpoint._write

    def write_once(self, trainer):
        real(self, trainer)
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(LastCheckpoint, "_write", write_once)
        main(["fit", "--config", config])
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for path in (tmp_path / "cut", *map(Path, stores.values())):
        shutil.move(path, elsewhere / path.name)
    monkeypatch.chdir(elsewhere)
    moved = ["fit", "--config", "cut/config.yaml", "--run", "cut"]
    assert main([*moved, "--data.sim", "real.zarr", "--data.real", "sim.zarr"]) == 2
    assert "another configuration (data." in capsys.readouterr().err
    assert main([*moved, "--data.sim", "sim.zarr", "--data.real", "./real.zarr"]) == 0
    recorded = yaml.safe_load(Path("cut/config.yaml").read_text())
    assert [recorded["run"], recorded["data"]["sim"]] == ["cut", "sim.zarr"]
    found = contents(Path("cut"))
    for name in ("checkpoints/last.ckpt", "summary.json", "embeddings.npz", "rollouts.csv", "./events"):
        assert found[name] == whole[name], name


def test_killed_while_it_is_evaluated(whole, write_config, tmp_path, monkeypatch):
    run = tmp_path / "cut/run"
    config = write_config("cut", run=str(run), **OPTIONS)

    def killed(*_):
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Rollouts, "on_fit_end", killed)
        main(["fit", "--config", config])
    assert not (run / "summary.json").exists()
    assert main(["fit", "--config", config]) == 0
    _compare(run, whole)


@pytest.mark.parametrize("moment", ["training", "evaluation"])
def test_sigterm_is_told_and_the_run_goes_on(moment, whole, write_config, tmp_path, monkeypatch, capsys):
    """While it trains a checkpoint is written; the exit status is a shell's for the signal."""
    from align.module import CotrainingModule

    run = tmp_path / "cut/run"
    config = write_config("cut", run=str(run), **OPTIONS | {"checkpoint": {"every": 1000}})
    name, kind = {
        "training": ("training_step", CotrainingModule),
        "evaluation": ("on_fit_end", Rollouts),
    }[moment]
    real = getattr(kind, name)

    def told(self, *arguments):
        if moment == "evaluation" or self.global_step == 4:
            os.kill(os.getpid(), signal.SIGTERM)
        return real(self, *arguments)

    signals = (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)
    before = [signal.getsignal(number) for number in signals]
    with monkeypatch.context() as patch:
        patch.setattr(kind, name, told)
        assert main(["fit", "--config", config]) == 143
    assert [signal.getsignal(number) for number in signals] == before
    error = capsys.readouterr().err
    assert str(run) in error and "SIGTERM" in error and error.count("\n") == 1
    assert not (run / "rollouts.csv").exists() and not (run / "summary.json").exists()
    checkpoint = torch.load(run / "checkpoints/last.ckpt", weights_only=True)
    assert checkpoint["global_step"] == (5 if moment == "training" else 8)
    assert main(["fit", "--config", config]) == 0
    assert json.loads((run / "summary.json").read_text())["steps"] == 8


def test_max_time_leaves_an_unfinished_run_that_goes_on(write_config, tmp_path, capsys):
    run = tmp_path / "cut/run"
    config = write_config(
        "cut", **{"run": str(run), "trainer.max_steps": 2000, "trainer.max_time": "00:00:00:01"}
    )
    assert main(["fit", "--config", config]) == 75
    told, error = capsys.readouterr()
    assert "going on" not in told
    assert "max_time" in error and "of 2000" in error and error.count("\n") == 1
    assert not (run / "summary.json").exists() and not (run / "embeddings.npz").exists()
    first = torch.load(run / "checkpoints/last.ckpt", weights_only=True)["global_step"]
    assert main(["fit", "--config", config]) == 75  # a second again
    assert torch.load(run / "checkpoints/last.ckpt", weights_only=True)["global_step"] > first > 0
    assert f"going on from step {first}\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("option", "value"),
    [("max_steps", 0), ("max_steps", -1), ("limit_train_batches", 0), ("fast_dev_run", True)],
)
def test_a_run_that_would_train_nothing_is_refused(option, value, write_config, tmp_path, capsys):
    assert main(["fit", "--config", write_config(**{f"trainer.{option}": value})]) == 2
    error = capsys.readouterr().err
    assert option in error and str(value) in error and error.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_a_run_that_is_killed_while_it_is_claimed_records_its_provenance_later(
    write_config, tmp_path, monkeypatch
):
    config = write_config(**{"trainer.max_steps": 1})

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("align.fit.provenance", killed)
        assert main(["fit", "--config", config]) == 130
    assert main(["fit", "--config", config]) == 0
    assert (tmp_path / "run/provenance.json").exists()
