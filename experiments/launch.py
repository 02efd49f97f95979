"""Running runs: what a run does, and local processes that do it."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from align.errors import InputError, one_line, printable
from align.experiments import warm
from align.experiments.axes import SEED
from align.experiments.warm import ONE_THREAD
from align.files import append_to, other_kind, remove_temporaries, write_json
from align.run.layout import CONFIG, LAUNCHED, LOG, PROGRESS, REQUEST, SECONDS, TOGETHER
from align.run.locks import locked
from align.run.reading import read_json, reading
from align.run.state import is_finished

POLL_SECONDS = 0.5
STOP_SECONDS = 20.0  # a run writes a checkpoint when it is told to stop
OVER = ("finished", "skipped", "apart")
"""States of jobs that others may come after."""
REPORTED = {"step": int, "steps": int, "steps_per_second": float}
"""What a run says of its progress; those of today also say their `loss`."""


@dataclass
class Job:
    """A run on its way.

    Attributes:
        name: Name of the run.
        folder: Its directory.
        state: "waiting", "running", "finished", "skipped", "failed", or "apart" of one that trains some runs
            together and could not, so that each is trained by itself.
        after: Names of the jobs that must be finished before.
        point: Its value on each axis of the sweep.
        seconds: How long it has been running, or did.
        trains: The runs that it trains together, if it is no run itself.
    """

    name: str
    folder: Path
    state: str = "waiting"
    after: Sequence[str] = ()
    point: Mapping[str, Any] = field(default_factory=dict)
    seconds: float | None = None
    trains: Sequence["Job"] = ()
    handle: object = field(default=None, repr=False)
    noted: str = field(default="", repr=False)

    def progress(self) -> dict:
        """What the run last reported: step, steps, steps_per_second, loss; empty where that is unreadable."""
        path = (self.trains[0] if self.trains else self).folder / PROGRESS
        with contextlib.suppress(InputError), reading(path):
            found = read_json(path)
            loss = {"loss": float(found["loss"])} if found.get("loss") is not None else {}
            return {name: kind(found[name]) for name, kind in REPORTED.items()} | loss
        return {}

    def note(self, text: str) -> None:
        """Add a line to the run's log; where that cannot be written, as on a full disk, it is kept here."""
        self.noted = text
        with (
            contextlib.suppress(OSError),
            append_to(self.folder / LOG) as log,
        ):
            log.write(f"{text}\n")

    def last_line(self) -> str:
        """The last line of the run's log."""
        if other_kind(self.folder / LOG) is not None:
            return self.noted or "no log"
        try:
            lines = (self.folder / LOG).read_text(encoding="utf-8", errors="replace").strip().splitlines()
        except OSError:
            return self.noted or "no log"
        return printable(lines[-1]) if lines else self.noted or "empty log"


def execute(folder: str, call: Callable[[list[str], IO], int] | None = None) -> int:
    """Train the run whose request lies in `folder`, then probe it; all output goes to its `log.txt`.

    One thread a process: several runs side by side then lose nothing to each other. A run that a sweep left
    behind when it was killed is waited for, and not run again if it finished.

    Args:
        folder: The run directory.
        call: Runs `align` with some arguments, its output to a file, and returns the exit status; by default
            in a new process.
    """
    call = call or _cold
    if (Path(folder) / TOGETHER).exists():
        return _train_together(Path(folder))
    with locked(Path(folder) / LAUNCHED, "run", wait=True):
        with locked(folder, "run", wait=True):
            remove_temporaries(folder)
        return 0 if is_finished(Path(folder)) else _execute(folder, call)


def _train_together(folder: Path) -> int:
    """Train the runs that are listed in a folder, as one batch of seeds, in a new process."""
    runs = [Path(run) for run in read_json(folder / TOGETHER)["runs"]]
    with ExitStack() as held, append_to(folder / LOG) as log:
        for run in runs:
            held.enter_context(locked(run / LAUNCHED, "run", wait=True))
        return _new_process("align.together", [f"{run}/{REQUEST}" for run in runs], log)


def fit_only(folder: str) -> int:
    """Train beside the process that executes a run, as another of its distributed processes."""
    with append_to(Path(folder) / LOG) as log:
        return _cold(["fit", "--config", f"{folder}/{REQUEST}"], log)


def _execute(folder: str, call: Callable[[list[str], IO], int]) -> int:
    resumed, seconds = (Path(folder) / CONFIG).exists(), {}
    with append_to(Path(folder) / LOG) as log:
        for command in (["fit", "--config", f"{folder}/{REQUEST}"], ["probe", folder]):
            with locked(folder, "run", wait=True):
                pass  # nobody else writes into it: to embed it anew takes minutes, and would fail this run
            started = time.perf_counter()
            status = call(command, log)
            if status:
                if killed := _signal(status):
                    log.write(f"align {command[0]} was killed by {killed}\n")
                return status
            seconds[command[0]] = round(time.perf_counter() - started, 1)
    if not resumed:  # half the time of a run says nothing of the next
        write_json(Path(folder) / SECONDS, seconds)
    return 0


def _signal(status: int) -> str | None:
    """The name of the signal that ended a process of this exit status, if one did."""
    number = -status if status < 0 else status - 128
    return signal.Signals(number).name if number in set(signal.Signals) else None


def _cold(command: list[str], log: IO) -> int:
    return _new_process("align.cli", command, log)


def _new_process(module: str, arguments: list[str], log: IO) -> int:
    python = [sys.executable, "-P", "-m", module]  # nothing in the current folder may stand in for align
    return subprocess.call([*python, *arguments], stdout=log, stderr=log, env={**os.environ, **ONE_THREAD})


class LocalLauncher:
    """Runs each job as a process group of this machine, which ends with the sweep.

    Where that is safe, the processes are forked from one that has imported everything; see
    `align.experiments.warm`.
    """

    def start(self, job: Job) -> None:
        job.handle = warm.start(_lead, str(job.folder))

    def status(self, job: Job) -> int | None:
        return job.handle.exitcode

    def stop(self, job: Job) -> None:
        job.handle.terminate()  # it may not lead its group yet
        for number, patience in ((signal.SIGTERM, STOP_SECONDS), (signal.SIGKILL, STOP_SECONDS)):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(job.handle.pid, number)
            until = time.monotonic() + patience
            while time.monotonic() < until:  # until the last of the group has let go of the run
                job.handle.join(0.1)  # a leader that is our own child stays a zombie until then
                if job.handle.exitcode is not None and not _is_alive(job.handle.pid):
                    return


def _is_alive(group: int) -> bool:
    """Whether a process of a group still runs; one that has ended and waits for its parent does not."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    if not Path("/proc/self/stat").exists():
        return True
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, of = stat.read_text().rpartition(")")[2].split()[:3]  # behind the name, any text
            if int(of) == group and state not in "ZX":
                return True
    return False


def _lead(folder: str) -> None:
    """Execute a run as the leader of a process group."""
    os.setsid()
    try:
        sys.exit(execute(folder, warm.call if warm.fits(Path(folder)) else None))
    except (InputError, OSError) as error:  # not even its log can be written, say
        print(printable(f"{folder}: {one_line(error)}"), file=sys.stderr, flush=True)
        sys.exit(2)


def run_jobs(jobs: Sequence[Job], launcher, parallel: int) -> Iterator[Sequence[Job]]:
    """Run the waiting jobs, at most `parallel` at once; yields at every poll, for a live table.

    Each arm is trained once before one is trained again: a sweep that is stopped early has some of all. A
    job starts when those it comes after are done, and fails with them. However the iteration ends, jobs still
    running are stopped.
    """
    waiting = [job for job in _in_turns(jobs) if job.state == "waiting"]
    if not waiting:
        yield jobs
    running: list[Job] = []
    started: dict[str, float] = {}
    states = {job.name: job for job in jobs}
    try:
        while waiting or running:
            for job in list(waiting):
                if failed := [name for name in job.after if states[name].state == "failed"]:
                    job.note(f"not started: {', '.join(failed)} failed")
                    job.state = "failed"
                    waiting.remove(job)
            ready = [j for j in waiting if all(states[n].state in OVER for n in j.after)]
            for job in ready[: parallel - len(running)]:
                with _uninterrupted():  # a process that is not known of yet could not be stopped
                    waiting.remove(job)
                    launcher.start(job)
                    job.state, started[job.name] = "running", time.monotonic()
                    running.append(job)
            for job in list(running):
                job.seconds = time.monotonic() - started[job.name]
                status = launcher.status(job)
                if status is not None:
                    job.state = "finished" if not status else "apart" if job.trains else "failed"
                    if status < 0:  # the process that runs `execute`: it could not say so itself
                        job.note(f"the run was killed by {_signal(status)}")
                    running.remove(job)
            yield jobs
            time.sleep(POLL_SECONDS)
    finally:
        for job in running:
            launcher.stop(job)


def _in_turns(jobs: Sequence[Job]) -> list[Job]:
    """The first job of each arm, then the second of each, and so on."""
    seen: Counter[str] = Counter()
    turns = {}
    for job in jobs:
        arm = str({a: v for a, v in job.point.items() if a != SEED}) if job.point else job.name
        turns[job.name] = seen[arm]
        seen[arm] += 1
    return sorted(jobs, key=lambda job: turns[job.name])


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """Signals that end a sweep come after what is done here, and not within."""
    if threading.current_thread() is not threading.main_thread():  # signals come to the main one
        yield
        return
    came: list[int] = []
    ending = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, lambda n, _: came.append(n)) for number in ending}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        for number in came[:1]:
            signal.raise_signal(number)
