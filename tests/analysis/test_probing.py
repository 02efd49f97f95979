"""Runs that are probed side by side."""

import multiprocessing
import os
from concurrent.futures.process import BrokenProcessPool
from types import SimpleNamespace

import pytest
from synthetic_runs import write_run

from align.analysis import probing
from align.analysis.probing import probe_runs
from align.errors import InputError


def measured(run, seed, probe) -> dict:
    """In place of `probe_run`: says which process it was, and refuses a run."""
    if run.name == "broken":
        raise InputError("too few episodes")
    (run / "process").write_text(str(os.getpid()))
    auc = {"value": seed + float(run.name), "low": 0.0, "high": 1.0}
    return {"sites": {"image": {"auc": auc}}, "codecs": {"sim": [], "real": []}}


@pytest.mark.parametrize("jobs", [1, 2])
def test_runs_are_told_in_their_order_and_one_that_cannot_be_probed_spoils_no_other(
    jobs, tmp_path, monkeypatch
):
    def fork(method: str):  # which has the doubles, and need not import everything anew
        return multiprocessing.get_context("fork")

    double = SimpleNamespace(get_context=fork, parent_process=multiprocessing.parent_process)
    monkeypatch.setattr(probing, "multiprocessing", double)
    monkeypatch.setattr(probing, "probe_run", measured)
    for other in ("_check_arrays", "measure_run", "task_probe_run", "write_run"):
        monkeypatch.setattr(probing, other, lambda run, *_: {"sites": {}})
    small = {"episodes": 2, "windows": 2, "dims": (2, 2, 2), "trials": 2}
    runs = [write_run(tmp_path / name, {"seed": 0}, **small) for name in ("0", "broken", "2")]
    first, second, third = probe_runs(runs, "linear", seed=3, jobs=jobs)
    assert first == [f"{runs[0]}: image AUC 3.000 [0.000, 1.000]"]
    assert isinstance(second, InputError) and str(second) == "too few episodes"
    assert third == [f"{runs[2]}: image AUC 5.000 [0.000, 1.000]"]
    here = {int((run / "process").read_text()) == os.getpid() for run in (runs[0], runs[2])}
    assert here == {jobs == 1}


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
