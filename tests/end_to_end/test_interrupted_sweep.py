"""A sweep that is stopped or killed, with its runs or without them, ends as one that never was."""

import os
import re
import signal
import sys
import time
from pathlib import Path

import pytest
import torch
import yaml
from run_weights import last_weights
from waiting import until

from align.cli import main

sys.path.append(str(Path(__file__).parents[1] / "torture"))

import forked

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
STEPS, EVERY, GATES = 80, 10, (15, 35, 55)
GATE = """
import time
from pathlib import Path
from pytorch_lightning import Callback

class Gate(Callback):
    def __init__(self, folder: str, steps: list[int]):
        self.folder, self.steps = Path(folder), steps

    def on_train_batch_start(self, trainer, module, batch, batch_idx):
        key = f"{Path(trainer.default_root_dir).name} {trainer.global_step}"
        while trainer.global_step in self.steps and not (self.folder / key).exists():
            if trainer.received_sigterm:
                return
            time.sleep(0.01)
"""
"""Before some steps, waits until a file says that the run may go on."""


def _interruptible(*given, main=forked._main) -> None:
    """Who runs the tests in the background has SIGINT ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    main(*given)


@pytest.fixture
def start(write_config, tmp_path, monkeypatch):
    """Starts a sweep of two runs, one at a time, in a process of its own."""
    monkeypatch.setattr(forked, "_main", _interruptible)
    (tmp_path / "gate.py").write_text(GATE)
    monkeypatch.syspath_prepend(tmp_path)
    config = yaml.safe_load(Path(write_config()).read_text())
    del config["run"]
    config["data"]["validation"] = 4  # as few as can be probed
    callbacks = [
        {"class_path": "align.callbacks.LastCheckpoint", "init_args": {"every": EVERY}},
        {"class_path": "gate.Gate", "init_args": {"folder": str(tmp_path), "steps": list(GATES)}},
    ]
    config["trainer"] |= {"max_steps": STEPS, "val_check_interval": STEPS, "callbacks": callbacks}
    base = {"demos": {}, "config": config, "scales": {"laptop": {}}}
    axes = {"lambda": {"option": "model.alignment_weight", "values": [0, 1]}}
    for name, content in (("base", base), ("grid", {"title": "two", "base": "base.yaml", "axes": axes})):
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(content))

    def run(out: Path) -> forked.Forked:
        command = ["sweep", "grid.yaml", "--out", str(out), "--jobs", "1", "--report", "false"]
        return forked.Forked(tmp_path, command, tmp_path / "output.txt")

    return run


def _processes(run: Path) -> list[int]:
    """The processes that write to the log of a run."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if any(os.readlink(fd) == str(run / "log.txt") for fd in (folder / "fd").iterdir()):
                found.append(int(folder.name))
        except OSError:
            continue
    return found


def test_stopped_and_killed_anywhere_it_ends_with_the_same_weights(start, tmp_path):
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    runs = [cut / name for name in ("lambda=0", "lambda=1")]

    def trained(run: Path, since: int = 0) -> bool:
        checkpoint = run / "checkpoints/last.ckpt"
        return checkpoint.exists() and checkpoint.stat().st_mtime_ns > since

    def open_gates(run: Path, *steps: int) -> None:
        for step in steps:
            (tmp_path / f"{run.name} {step}").touch()

    for end, gate in zip((signal.SIGINT, signal.SIGTERM, signal.SIGKILL), GATES, strict=True):
        sweep, since = start(cut), time.time_ns()  # each time the first run gets a little further
        until(lambda since=since: trained(runs[0], since))
        os.kill(sweep.pid, end)
        assert sweep.wait() != 0
        assert not (runs[0] / "summary.json").exists() and not trained(runs[1])
        if end != signal.SIGKILL:
            assert not _processes(runs[0]), "a sweep that is stopped takes its runs along"
            open_gates(runs[0], gate)
    sweep = start(cut)  # while what was killed has left a run behind
    open_gates(runs[0], *GATES)
    open_gates(runs[1], *GATES[:-1])
    until(lambda: trained(runs[1]))
    for process in _processes(runs[1]):
        os.kill(process, signal.SIGKILL)
    assert sweep.wait() == 1, "the run that was killed is reported"
    open_gates(runs[1], *GATES)
    assert start(cut).wait() == 0
    for run in runs:
        assert main(["fit", "--config", str(run / "request.yaml"), "--run", str(whole / run.name)]) == 0
        states = [last_weights(folder / run.name) for folder in (whole, cut)]
        assert all(torch.equal(v, states[1][k]) for k, v in states[0].items()), run.name
        log = (run / "log.txt").read_text()
        assert len(re.findall(rf"step {STEPS}/{STEPS}", log)) == 1, "trained to the end once"
        assert "Traceback" not in log
