"""Sweeps on a real SLURM of one node: jobs that end well, fail, are cancelled, out of time, left behind.

`make test` runs them where SLURM is installed (Debian: slurm-wlm, munge) and this is root.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from waiting import LONG, until

from align.cli import main

sys.path.append(str(Path(__file__).parents[1] / "torture"))

from forked import Forked

SCRIPT = Path(__file__).with_name("cluster.sh")
TOOLS = ("slurmctld", "slurmd", "munged", "sbatch")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        os.geteuid() != 0 or not all(map(shutil.which, TOOLS)), reason="needs root, slurm-wlm and munge"
    ),
]


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    """A cluster; its configuration is in the environment of what is started meanwhile."""
    folder = tmp_path_factory.mktemp("slurm")
    subprocess.run([SCRIPT, "start", folder, "4"], check=True, timeout=LONG)
    os.environ["SLURM_CONF"] = str(folder / "slurm.conf")
    yield
    subprocess.run(["scancel", "--user", "root"], check=False)
    subprocess.run([SCRIPT, "stop", folder], check=True)
    del os.environ["SLURM_CONF"]


@pytest.fixture
def grid(write_config, make_store, tmp_path, monkeypatch):
    """A grid over λ of the smallest runs; returns a function that says what its sweep is asked for."""
    monkeypatch.chdir(tmp_path)
    config = yaml.safe_load(Path(write_config()).read_text())
    del config["run"]
    config["data"] |= {
        "sim": make_store("many sim", 10),
        "real": make_store("many real", 10),
        "validation": 4,
    }
    config["checkpoint"] = {"every": 100_000}  # only what a signal asks for is written
    (tmp_path / "base.yaml").write_text(
        yaml.safe_dump({"demos": {}, "config": config, "scales": {"laptop": {}}})
    )

    def command(values, *options: str, steps: int = 6, out: str = "out") -> list[str]:
        content = {
            "title": "tiny",
            "base": "base.yaml",
            "axes": {"lambda": {"option": "model.alignment_weight"}},
        }
        content["axes"]["lambda"]["values"] = values
        (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(content))
        fixed = ["--cluster", "slurm", "--out", out, "--report", "false"]
        return ["sweep", "tiny.yaml", *fixed, "--set+", f"trainer.max_steps={steps}", *options]

    return command


@pytest.fixture
def start(grid, tmp_path):
    """Starts a sweep in a process of its own, which can be killed; what it prints is added to told.txt."""

    def start(*values, **options) -> Forked:
        return Forked(tmp_path, grid(*values, **options), tmp_path / "told.txt")

    return start


@pytest.fixture
def ended(grid, capfd):
    """Exit status of a sweep, and what it printed."""

    def ended(*values, **options) -> tuple[int, str]:
        capfd.readouterr()
        status = main(grid(*values, **options))
        return status, "".join(capfd.readouterr())

    return ended


def _jobs(*states: str) -> list[str]:
    asked = ["squeue", "--noheader", "--format", "%i", "--states", ",".join(states)]
    return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.split()


def _step(run: Path) -> int:
    """How far a run has come."""
    try:
        return json.loads((run / "progress.json").read_text())["step"]
    except FileNotFoundError:
        return 0


ENDLESS = {"steps": 100_000}
OFTEN = ("--set+", "progress.seconds=0.5")


def test_runs_are_submitted_and_one_that_fails_is_named(slurm, ended, tmp_path):
    (tmp_path / "out/lambda=1.0/checkpoints").mkdir(parents=True)
    (tmp_path / "out/lambda=1.0/checkpoints/last.ckpt").write_bytes(b"no checkpoint")
    status, told = ended([0.0, 1.0], "--jobs", "2")
    assert status == 1, told
    assert [p.parent.name for p in tmp_path.glob("out/*/summary.json")] == ["lambda=0.0"], told
    assert "failed: lambda=1.0" in told and "last.ckpt" in told
    assert not _jobs("PENDING", "RUNNING")


def test_a_run_out_of_time_or_cancelled_goes_on(slurm, start, tmp_path):
    """Out of time it is put back into the queue, and its sweep waits; cancelled it has failed, and
    goes on with the next sweep."""
    run = tmp_path / "out/lambda=0.0"
    last = run / "checkpoints/last.ckpt"  # written by a validation, and when it is told to stop in training
    sweep = start([0.0], *OFTEN, **ENDLESS)
    until(lambda: _step(run))
    (job,) = _jobs("RUNNING")
    subprocess.run(["scancel", "--signal", "USR2", job], check=True)  # as SLURM does before the time is up
    until(last.exists)
    requeued = torch.load(last, weights_only=True)["global_step"]
    (run / "progress.json").unlink()
    assert until(lambda: _step(run)) >= requeued > 0
    (went_on,) = re.findall(r"^going on from step (\d+)$", (run / "log.txt").read_text(), re.M)
    assert int(went_on) >= requeued
    assert _jobs("RUNNING") == [job] and not sweep.has_ended()  # the same job
    subprocess.run(["scancel", job], check=True)
    assert sweep.wait() == 1 and "failed: lambda=0.0" in (tmp_path / "told.txt").read_text()
    cancelled = torch.load(last, weights_only=True)["global_step"]
    (run / "progress.json").unlink()
    sweep = start([0.0], *OFTEN, **ENDLESS)
    assert until(lambda: _step(run)) >= cancelled >= requeued
    assert f"going on from step {cancelled}\n" in (run / "log.txt").read_text()
    os.kill(sweep.pid, signal.SIGTERM)  # a sweep takes its jobs along
    assert sweep.wait()
    until(lambda: not _jobs("PENDING", "RUNNING", "COMPLETING"))


def test_jobs_that_outlive_their_sweep_are_waited_for(slurm, start, ended, tmp_path):
    steps = {"steps": 400}
    sweep = start([0.0], *OFTEN, **steps)
    until(lambda: _step(tmp_path / "out/lambda=0.0"))
    os.kill(sweep.pid, signal.SIGKILL)
    sweep.wait()
    status, told = ended([0.0], *OFTEN, **steps)
    assert status == 0, told
    log = (tmp_path / "out/lambda=0.0/log.txt").read_text()
    assert log.count("training on ") == 1  # the first job trained, the second found it done


def test_two_tasks_train_one_run(slurm, ended, tmp_path):
    distributed = [f"--set+=trainer.{o}" for o in ("devices=2", "strategy=ddp", "accelerator=cpu")]
    status, told = ended([0.5], *distributed, "--cluster_parameters", "{tasks_per_node: 1}", out="alone")
    assert status == 1 and "ntasks-per-node" in told, told
    status, told = ended([0.5], *distributed, "--cluster_parameters", "{tasks_per_node: 2}")
    assert status == 0, told
    assert json.loads((tmp_path / "out/lambda=0.5/summary.json").read_text())["steps"] == 6


def test_a_refusal_of_sbatch_is_one_line(slurm, ended):
    status, told = ended([0.0], "--cluster_parameters", "{slurm_partition: nowhere}")
    assert status == 2 and "nowhere" in told and "Traceback" not in told, told
