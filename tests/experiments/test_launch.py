"""Jobs of a sweep and their processes: in which order they run, how they end, and what is said of it."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from waiting import LONG, until

from align.experiments import launch
from align.experiments.launch import Job, LocalLauncher, run_jobs


def test_at_most_so_many_at_once_and_stopped_with_the_sweep(tmp_path, monkeypatch):
    started, stopped = [], []

    class Launcher:
        def start(self, job):
            started.append(job.name)

        def status(self, job):
            return 0 if job.name == "a" and len(started) == 2 else None

        def stop(self, job):
            stopped.append(job.name)

    monkeypatch.setattr(launch, "POLL_SECONDS", 0)
    polls = run_jobs([Job(n, tmp_path) for n in "abcd"], Launcher(), 2)
    states = [j.state for j in next(polls)]
    assert states == ["finished", "running", "waiting", "waiting"]
    assert [j.state for j in next(polls)] == ["finished", "running", "running", "waiting"]
    polls.close()
    assert sorted(stopped) == ["b", "c"]


def test_an_interruption_while_a_process_starts_leaves_none_behind(tmp_path):
    """To start one takes seconds on a busy machine, as long as it is not known how to stop it."""
    stopped = []

    class Launcher:
        def start(self, job):
            signal.raise_signal(signal.SIGINT)
            job.handle = "started"

        def stop(self, job):
            stopped.append(job.handle)

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        next(run_jobs([Job("a", tmp_path)], Launcher(), 1))
    assert stopped == ["started"] and signal.getsignal(signal.SIGINT) is before


def _follow(tmp_path, monkeypatch, failing: str) -> tuple[list[str], list[Job]]:
    """The order in which a, c (after b) and b are started, and the jobs at the end."""
    started = []

    class Launcher:
        def start(self, job):
            started.append(job.name)

        def status(self, job):
            return int(job.name == failing)

    monkeypatch.setattr(launch, "POLL_SECONDS", 0)
    for name in "abc":
        (tmp_path / name).mkdir()
    jobs = [Job("a", tmp_path / "a"), Job("c", tmp_path / "c", after=["b"]), Job("b", tmp_path / "b")]
    for _ in run_jobs(jobs, Launcher(), 2):
        pass
    return started, jobs


def test_a_job_waits_for_those_it_comes_after(tmp_path, monkeypatch):
    started, jobs = _follow(tmp_path, monkeypatch, failing="")
    assert started == ["a", "b", "c"] and {job.state for job in jobs} == {"finished"}


def test_a_job_fails_with_those_it_comes_after(tmp_path, monkeypatch):
    started, jobs = _follow(tmp_path, monkeypatch, failing="b")
    assert started == ["a", "b"] and [job.state for job in jobs] == ["finished", "failed", "failed"]
    assert jobs[1].last_line() == "not started: b failed"


def test_each_arm_is_trained_once_before_one_is_trained_again(tmp_path, monkeypatch):
    started = []

    class Launcher:
        def start(self, job):
            started.append(job.name)

        def status(self, job):
            return 0

    monkeypatch.setattr(launch, "POLL_SECONDS", 0)
    arms = {"a": {"gap": 1, "lambda": 0}, "b": {"gap": 1, "lambda": 1}, "c": {"gap": 2, "lambda": 0}}
    jobs = [
        Job(f"{arm}{seed}", tmp_path, point={**point, "seed": seed})
        for arm, point in arms.items()
        for seed in (0, 1, 2)
    ]
    jobs[0].state = "finished"  # it counts as the first of its arm
    jobs.append(Job("after b2", tmp_path, after=["b2"]))
    for _ in run_jobs(jobs, Launcher(), 1):
        pass
    assert started == ["b0", "c0", "a1", "b1", "c1", "a2", "b2", "after b2", "c2"]


def _sleeper(folder):
    """A run whose own process started another, which sleeps."""
    os.setsid()
    pid_file = str(Path(folder) / "pid")
    code = f"import os, time; open({pid_file!r}, 'w').write(str(os.getpid())); time.sleep({LONG})"
    subprocess.call([sys.executable, "-c", code])


def test_local_launcher_ends_the_whole_process_group(tmp_path, monkeypatch):
    monkeypatch.setattr(launch, "_lead", _sleeper)
    job, launcher, pid_file = Job("x", tmp_path), LocalLauncher(), tmp_path / "pid"
    launcher.start(job)
    until(lambda: launcher.status(job) is not None or (pid_file.exists() and pid_file.read_text()))
    assert launcher.status(job) is None
    launcher.stop(job)
    assert launcher.status(job)
    status = Path(f"/proc/{int(pid_file.read_text())}/stat")

    def ended() -> bool:
        try:
            return status.read_text().rpartition(")")[2].split()[0] in "ZX"
        except OSError:
            return True

    until(ended, LONG / 2)  # by itself it would end later


def _deaf(folder):
    """A run that does not hear SIGTERM."""
    os.setsid()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    (Path(folder) / "pid").write_text(str(os.getpid()))
    time.sleep(LONG)


@pytest.mark.parametrize("method", ["forkserver", "spawn"])
def test_stopping_ends_though_a_run_is_deaf_or_our_own_child(method, tmp_path, monkeypatch):
    """A child that has ended is a zombie of its group until it is waited for."""
    context = multiprocessing.get_context(method)
    job, launcher = Job("x", tmp_path), LocalLauncher()
    monkeypatch.setattr(launch, "STOP_SECONDS", 1.0)
    job.handle = context.Process(target=_deaf, args=(str(tmp_path),))
    job.handle.start()
    until((tmp_path / "pid").exists)
    stopping = threading.Thread(target=launcher.stop, args=(job,), daemon=True)
    stopping.start()
    stopping.join(LONG / 2)
    assert not stopping.is_alive()
    assert launcher.status(job) == -signal.SIGKILL


def _kill_self():
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_run_is_reported_by_its_signal(tmp_path):
    """Whether it is the command that was killed, or the process that runs its commands."""
    job = Job("x", tmp_path)
    (tmp_path / "log.txt").write_text("step 3/9\n")
    assert launch.execute(str(tmp_path), lambda command, log: -9) == -9
    assert job.last_line() == "align fit was killed by SIGKILL"

    class Launcher(LocalLauncher):
        def start(self, job):
            job.handle = multiprocessing.get_context("fork").Process(target=_kill_self)
            job.handle.start()

    list(launch.run_jobs([job], Launcher(), 1))
    assert job.state == "failed" and job.last_line() == "the run was killed by SIGKILL"


def test_the_time_of_an_uninterrupted_run_is_recorded(tmp_path):
    def call(command, log):
        return int("bad" in command[-1])

    for name in ("whole", "resumed", "bad"):
        (tmp_path / name).mkdir()
    (tmp_path / "resumed/config.yaml").touch()
    assert [launch.execute(str(tmp_path / name), call) for name in ("whole", "resumed", "bad")] == [0, 0, 1]
    assert set(json.loads((tmp_path / "whole/seconds.json").read_text())) == {"fit", "probe"}
    assert not list(tmp_path.glob("resumed/seconds.json")) and not list(tmp_path.glob("bad/seconds.json"))


def test_a_run_whose_log_cannot_be_written_fails_in_a_line(tmp_path, capfd):
    """As on a full disk; the sweep goes on to the others, and says why as far as it knows."""
    (tmp_path / "log.txt").mkdir()
    (tmp_path / "request.yaml").write_text("trainer: {accelerator: cpu}")
    process = multiprocessing.get_context("fork").Process(target=launch._lead, args=(str(tmp_path),))
    process.start()
    process.join()
    assert process.exitcode == 2
    told = capfd.readouterr().err
    assert "log.txt" in told and "Traceback" not in told and told.count("\n") == 1
    job = Job("x", tmp_path)
    job.note("not started: y failed")
    assert job.last_line() == "not started: y failed"
