"""`align sweep --together`: which runs are trained together, and what follows."""

from pathlib import Path

import pytest
import torch
import yaml
from run_weights import last_weights

from align.cli import main
from align.experiments import launch
from align.experiments.launch import Job, run_jobs
from align.experiments.together import on_cpu, together
from align.together import train_together


def _jobs(tmp_path, **changes) -> tuple[list[Job], dict]:
    """Two arms of three seeds each, and their requests, one of which is changed."""
    jobs, requests = [], {}
    for lambda_ in (0, 1):
        for seed in range(3):
            name = f"lambda={lambda_},seed={seed}"
            jobs.append(Job(name, tmp_path / name, point={"lambda": lambda_, "seed": seed}))
            data = {"seed": seed, "batch_size": 8}
            config = {"run": str(tmp_path / name), "seed_everything": seed, "data": data}
            requests[name] = config | {
                "model": {"alignment_weight": lambda_},
                "trainer": {"accelerator": "gpu"},
            }
    requests["lambda=0,seed=2"]["data"] |= changes
    return jobs, requests


def test_runs_that_differ_in_seeds_alone_are_trained_together(tmp_path):
    jobs, requests = _jobs(tmp_path)
    trainers = together(jobs, requests, tmp_path, 8)[:2]
    assert [[run.name for run in trainer.trains] for trainer in trainers] == [
        [f"lambda={lambda_},seed={seed}" for seed in range(3)] for lambda_ in (0, 1)
    ]
    assert all(job.after == (trainers[job.point["lambda"]].name,) for job in jobs)
    assert not on_cpu(trainers, requests)
    requests["lambda=1,seed=1"]["trainer"]["accelerator"] = "cpu"
    assert on_cpu(trainers, requests)


@pytest.mark.parametrize(("changes", "size"), [({"batch_size": 9}, 8), ({}, 2)])
def test_one_that_is_different_or_left_over_is_trained_alone(changes, size, tmp_path):
    jobs, requests = _jobs(tmp_path, **changes)
    jobs[3].state = "skipped"
    trainers = together(jobs, requests, tmp_path, size)[:2]
    assert [[jobs.index(run) for run in trainer.trains] for trainer in trainers] == [[0, 1], [4, 5]]
    assert jobs[2].after == () == jobs[3].after


def test_where_they_cannot_be_trained_together_each_is_by_itself(tmp_path, monkeypatch, capsys):
    from align.experiments.following import follow

    started = []

    class Launcher:
        def start(self, job):
            started.append(job.name)
            job.note("why not")

        def status(self, job):
            return 2 if job.trains else 0

    monkeypatch.setattr(launch, "POLL_SECONDS", 0)
    jobs, requests = _jobs(tmp_path)
    for job in jobs:
        job.folder.mkdir()
    everything = together(jobs, requests, tmp_path, 8)
    follow(run_jobs(everything, Launcher(), 2), 2)
    assert [job.state for job in everything] == ["apart"] * 2 + ["finished"] * 6
    assert started[:2] == [job.name for job in everything[:2]]
    assert "lambda=0,3 together from lambda=0,seed=0: apart: why not" in capsys.readouterr().out


def test_a_sweep_trains_seeds_together_and_evaluates_each(write_config, tmp_path, monkeypatch, capfd):
    class Launcher:
        """Runs all in this process, but for probes."""

        def start(self, job):
            call = lambda command, log: main(command) if command[0] == "fit" else 0  # noqa: E731
            job.handle = launch.execute(str(job.folder), call)

        def status(self, job):
            return job.handle

    config = yaml.safe_load(Path(write_config()).read_text())
    del config["run"]
    axes = {"seed": {"option": "seed_everything", "values": [0, 1]}}
    base = {"demos": {}, "config": config, "scales": {"laptop": {}}}
    for name, content in (("base", base), ("grid", {"title": "t", "base": "base.yaml", "axes": axes})):
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(content))
    monkeypatch.setattr("align.experiments.sweep.LocalLauncher", Launcher)
    monkeypatch.setattr("align.experiments.sweep.check", lambda *_, **__: None)
    monkeypatch.setattr(launch, "POLL_SECONDS", 0)
    monkeypatch.setattr(launch, "_new_process", lambda module, configs, log: train_together(configs) or 0)
    out = tmp_path / "out"
    options = ["--out", str(out), "--report", "false", "--together", "8"]
    assert main(["sweep", str(tmp_path / "grid.yaml"), *options]) == 0
    printed = capfd.readouterr().out
    assert "2 together from seed=0: finished" in printed and "on a CPU" in printed
    weights = []
    for seed in (0, 1):
        run = out / f"seed={seed}"
        assert "trained together with 1 more" in (run / "log.txt").read_text()
        assert (run / "summary.json").exists() and (run / "embeddings.npz").exists()
        weights.append(last_weights(run)["policy.encoder.head.weight"])
    assert not torch.equal(*weights)
