"""Runs and sweeps killed at random moments, and started again: all they leave is as if they had not been.

A case is a kill; a test goes on until so many have struck, a run or sweep taking several of them in a row.
"""

import contextlib
import itertools
import os
import random
import signal
import sys
import time
from pathlib import Path

import pytest
from forked import Forked, holding_open
from material import BASE, FIT, GRID, write_stores
from run_contents import contents
from waiting import until
from yaml import safe_dump

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
SAMPLE = 1
SEEDS_OF_RUNS, KILLS_OF_A_RUN = range(25), 4
SEEDS_OF_SWEEPS, KILLS_OF_A_SWEEP = range(10), 3


class Bench:
    """A folder in which commands are killed.

    Args:
        folder: Where the stores are.
        kind: What the names of folders begin with that it writes.
        command: Arguments of `align`, with OUT for the folder that it writes.
        lock: The file in it that a process touches when it begins.
    """

    def __init__(self, folder: Path, kind: str, command: str, lock: str):
        self.folder, self.kind, self.command, self.lock = folder, kind, command, lock
        self.finished("warm")  # the first one waits for what all are forked from
        victim = self.start("whole")
        self.until_begun("whole", victim, 0)
        started = time.monotonic()
        assert victim.wait() == 0
        self.seconds = time.monotonic() - started
        self.whole = contents(self.place("whole") / "out")

    def place(self, name: str) -> Path:
        return self.folder / f"{self.kind}-{name}"

    def start(self, name: str) -> Forked:
        command = self.command.replace("OUT", f"{self.place(name)}/out").split()
        return Forked(self.folder, command, self.place(name).with_suffix(".txt"))

    def finished(self, name: str) -> dict[str, object]:
        """The contents after a command that nothing disturbs."""
        assert self.start(name).wait() == 0, self.place(name).with_suffix(".txt").read_text()[-2000:]
        assert not holding_open(self.place(name)), "a process was left behind"
        return contents(self.place(name) / "out")

    def until_begun(self, name: str, victim: Forked, since: int) -> None:
        lock = self.place(name) / "out" / self.lock
        until(lambda: victim.has_ended() or (lock.exists() and lock.stat().st_mtime_ns > since), every=0.002)

    def kill_later(self, name: str, moment: float, draw: random.Random) -> bool:
        """Start the command and kill it `moment` of its time after it began; whether that struck."""
        since, victim = time.time_ns(), self.start(name)
        self.until_begun(name, victim, since)
        victim.process.join(moment * self.seconds)
        victims = set() if victim.has_ended() else {victim.pid}
        others = set(holding_open(self.place(name))) - victims
        which = draw.choice((victims, victims | others, others or victims))
        for process in which:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        victim.wait()
        return bool(which)

    def torture(self, seed: int, kills: int) -> None:
        """Kill so many times, and compare what each command leaves that had been killed."""
        draw, struck, places = random.Random(seed), 0, itertools.count()
        while struck < kills:
            name, before = f"cut-{seed}-{next(places)}", struck  # a new one: what ended by itself stays ended
            while struck < kills and self.kill_later(name, draw.random(), draw):
                struck += 1
            found = self.finished(name)
            assert found.keys() == self.whole.keys()
            for file, value in self.whole.items():
                assert found[file] == value, f"{name}/{file}, after {struck - before} kills"


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kills")
    write_stores(folder)
    for name, content in (("fit", FIT), ("base", BASE), ("grid", GRID)):
        (folder / f"{name}.yaml").write_text(safe_dump(content))
    return folder


@pytest.fixture(scope="module")
def runs(data):
    return Bench(data, "run", "fit --config fit.yaml --run OUT", ".lock")


@pytest.fixture(scope="module")
def sweeps(data):
    return Bench(data, "sweep", "sweep grid.yaml --out OUT --jobs 2", ".lock")


@pytest.mark.parametrize("seed", SEEDS_OF_RUNS)
def test_a_run(seed, runs, record_property):
    record_property("cases", KILLS_OF_A_RUN)
    runs.torture(seed, KILLS_OF_A_RUN)


@pytest.mark.parametrize("seed", SEEDS_OF_SWEEPS)
def test_a_sweep(seed, sweeps, record_property):
    record_property("cases", KILLS_OF_A_SWEEP)
    sweeps.torture(seed, KILLS_OF_A_SWEEP)
