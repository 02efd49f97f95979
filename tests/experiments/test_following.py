"""What a sweep shows of its runs: a table on a terminal, lines elsewhere."""

import json

import pytest
from rich.console import Console

from align.experiments import following, launch
from align.experiments.following import follow, seconds_left, status, table
from align.experiments.launch import Job, run_jobs
from align.run.layout import PROGRESS


@pytest.fixture
def jobs(tmp_path):
    """One that finished after 100 s, one that trains, one that evaluates, one that starts, two that wait."""
    states = ["finished", "running", "running", "running", "waiting", "waiting"]
    seconds = [100.0, 30.0, 80.0, 1.0, None, None]
    made = []
    for i, state in enumerate(states):
        folder = tmp_path / str(i)
        folder.mkdir()
        point = {"lambda": i // 2, "seed": i % 2}
        made.append(Job(f"lambda={i // 2},seed={i % 2}", folder, state, (), point, seconds[i]))
    for i, step in ((1, 250), (2, 1000)):
        report = {"step": step, "steps": 1000, "steps_per_second": 10.0, "loss": 0.1234}
        (made[i].folder / PROGRESS).write_text(json.dumps(report))
    return made


def _text(shown, height=50) -> str:
    console = Console(width=110, height=height, record=True, force_terminal=True)
    console.print(shown)
    return console.export_text()


def test_the_table_names_arm_seed_step_loss_pace_and_time(jobs):
    text = _text(table(jobs, 3))
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in text.splitlines() if "│" in line]
    assert ["lambda=0", "1", "training", "250/1000", "0.1234", "10.0", "75 s"] in rows
    assert rows[2] == ["lambda=1", "0", "evaluating", "1000/1000", "0.1234", "10.0", ""]
    assert rows[3][2] == "starting"
    assert "1 finished, 3 running, 2 waiting of 6" in text.replace("\n", " ")
    few = _text(table(jobs, 3, height=following.ROUND_THE_TABLE + 3))
    assert few.count("lambda=") == 3 and "3 not shown" in few and "finished" in few


def test_time_left_is_by_what_finished_or_by_the_pace(jobs):
    # of 100 s a run: 75 (it still trains), 20, 99 and twice 100 are left, three at a time
    assert seconds_left(jobs, 3) == (pytest.approx((75 + 20 + 99 + 200) / 3), True)
    assert seconds_left(jobs, 1)[0] == pytest.approx(394)
    assert seconds_left(jobs[1:], 5) == (pytest.approx(100), False)  # none is done before the longest
    assert seconds_left(jobs[3:], 2) is None
    assert "about 2 min left in all" in status(jobs, 3)
    assert "left in all, for training alone" in status(jobs[1:], 3)
    assert "not known yet" in status(jobs[3:], 3)
    assert status([jobs[2]], 3).endswith("; the last are evaluated")  # that takes longer than no time at all


def test_without_a_terminal_there_is_a_line_a_change_and_one_now_and_then(jobs, capsys, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(following.time, "monotonic", lambda: clock[0])

    def states():
        for clock[0] in (0, 9, 10, 11, 69, 70.5, 100):
            yield jobs

    follow(states(), 3, Console(force_terminal=False))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(jobs) + 2  # at 10 s, and a minute later
    assert lines[0] == "lambda=0,seed=0: finished (1 finished, 3 running, 2 waiting of 6)"
    assert "lambda=0,seed=1 step 250/1000 loss 0.1234 10.0 steps/s, 75 s left" in lines[-1]
    assert not any("{" in line for line in lines)


def test_a_job_knows_how_long_it_took(tmp_path, monkeypatch):
    class Launcher:
        def start(self, job):
            pass

        def status(self, job):
            return 0

    monkeypatch.setattr(launch, "POLL_SECONDS", 0)
    job = Job("a", tmp_path)
    list(run_jobs([job], Launcher(), 1))
    assert job.seconds is not None and job.seconds >= 0
