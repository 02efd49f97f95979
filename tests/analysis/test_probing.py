"""Runs that are probed side by side."""

import json
import multiprocessing
from concurrent.futures.process import BrokenProcessPool
from types import SimpleNamespace

import pytest
from synthetic_runs import write_run

from align.analysis import probing
from align.analysis.probing import probe_runs
from align.errors import InputError


def test_side_by_side_is_one_after_the_other_and_one_that_cannot_be_probed_spoils_no_other(
    tmp_path, monkeypatch
):
    def fork(method: str):  # which need not import everything anew
        return multiprocessing.get_context("fork")

    double = SimpleNamespace(get_context=fork, parent_process=multiprocessing.parent_process)
    monkeypatch.setattr(probing, "multiprocessing", double)
    for other in ("measure_run", "task_probe_run", "write_run"):  # which take most of the time
        monkeypatch.setattr(probing, other, lambda run, *_: [run])
    small = {"episodes": 6, "windows": 4, "dims": (3, 3, 3), "trials": 4}
    runs = [write_run(tmp_path / f"seed={s}", {"seed": s}, seed=s, **small) for s in range(2)]
    runs.insert(1, write_run(tmp_path / "broken", {"seed": 2}, **small | {"episodes": 2}))
    told = {1: list(probe_runs(runs, "linear"))}
    numbers = [json.loads((run / "probe.json").read_text()) for run in (runs[0], runs[2])]
    for run in (runs[0], runs[2]):
        (run / "probe.json").unlink()
    told[2] = list(probe_runs(runs, "linear", jobs=2))
    assert [json.loads((run / "probe.json").read_text()) for run in (runs[0], runs[2])] == numbers
    assert numbers[0]["sites"] != numbers[1]["sites"]
    for found in told.values():
        assert isinstance(found[1], InputError) and "2 sim" in str(found[1])
        assert f"{runs[0]}: image AUC" in found[0][-1] and f"{runs[2]}: image AUC" in found[2][-1]
    assert told[1][0] == told[2][0] and str(told[1][1]) == str(told[2][1])


def test_a_process_that_is_killed_is_told_in_a_line(tmp_path, monkeypatch):
    class Killed:
        def __init__(self, jobs, **_):
            self.jobs = jobs

        def map(self, task, runs):
            yield from ([str(run)] for run in runs[:1])
            raise BrokenProcessPool

        def shutdown(self, cancel_futures):
            assert cancel_futures

    monkeypatch.setattr(probing, "ProcessPoolExecutor", Killed)
    found = probe_runs([tmp_path / "a", tmp_path / "b"], jobs=9)
    assert next(found) == [str(tmp_path / "a")]
    with pytest.raises(InputError, match="jobs=2: a process that probed was killed"):
        next(found)
