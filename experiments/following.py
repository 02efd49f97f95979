"""How a sweep is followed: by a live table on a terminal, by plain lines elsewhere."""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from statistics import median

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from align.command.printing import terminal
from align.errors import printable
from align.experiments.axes import SEED
from align.experiments.estimate import duration
from align.experiments.launch import Job

EARLY_SECONDS, SECONDS = 10.0, 60.0  # between two lines: until the first run reports its steps, and after
ROUND_THE_TABLE = 9  # lines of a terminal that its frame, its captions and the prompt take


def follow(states: Iterator[Sequence[Job]], parallel: int, console: Console | None = None) -> None:
    """Show how the jobs of a sweep come along, until the last has ended.

    Args:
        states: The jobs, at every look at them.
        parallel: Jobs at once.
        console: Where to; by default standard output.
    """
    console = console or Console(file=terminal())
    if console.is_terminal:
        with Live(console=console, refresh_per_second=2) as live:
            for jobs in states:
                live.update(table(jobs, parallel, console.height))
        return
    seen: dict[str, str] = {}
    last, reported = time.monotonic(), False
    for jobs in states:
        for job in jobs:
            if seen.get(job.name) != job.state:
                seen[job.name] = job.state
                why = f": {job.last_line()}" if job.state == "apart" else ""
                print(f"{job.name}: {job.state}{why} ({_counts(jobs)})", flush=True)
                last = time.monotonic()
        if time.monotonic() - last >= (SECONDS if reported else EARLY_SECONDS):
            last = time.monotonic()
            reported = reported or any(job.progress() for job in jobs if job.state == "running")
            print(status(jobs, parallel), flush=True)


def table(jobs: Sequence[Job], parallel: int, height: int = 1000) -> Table:
    """The jobs as a table, a row each; of many, those that run or have failed, as far as there is room."""
    shown = list(jobs)
    room = max(height - ROUND_THE_TABLE, 3)
    if len(shown) > room:
        order = {"running": 0, "failed": 1, "apart": 1, "waiting": 2, "finished": 3, "skipped": 4}
        chosen = sorted(shown, key=lambda job: order[job.state])[:room]
        shown = [job for job in jobs if job in chosen]
    seeded = any(SEED in job.point for job in jobs)
    found = Table("arm", *(["seed"] if seeded else []), "state", "step", "loss", "steps/s", "time left")
    for job in shown:
        arm = ", ".join(f"{axis}={value}" for axis, value in job.point.items() if axis != SEED) or job.name
        report = job.progress() if job.state == "running" else {}
        cells = [arm, *([str(job.point.get(SEED, ""))] if seeded else []), _stage(job, report)]
        if report:
            loss = report.get("loss")
            cells += [f"{report['step']}/{report['steps']}", "" if loss is None else f"{loss:.4f}"]
            left = duration(_training(report)) if report["step"] < report["steps"] else ""
            cells += [f"{report['steps_per_second']:.1f}", left]
        found.add_row(*(Text(printable(cell)) for cell in cells))  # a name may look like markup, too
    hidden = f" ({len(jobs) - len(shown)} not shown)" if len(shown) < len(jobs) else ""
    found.caption = Text(f"{_counts(jobs)}{hidden}; {_total(jobs, parallel)}")
    return found


def status(jobs: Sequence[Job], parallel: int) -> str:
    """One line on the jobs that run, and on how long all will take."""
    parts = [_counts(jobs)]
    for job in jobs:
        if job.state != "running":
            continue
        report = job.progress()
        if not report or report["step"] >= report["steps"]:
            parts.append(f"{job.name} {_stage(job, report)}")
        else:
            loss = "" if report.get("loss") is None else f" loss {report['loss']:.4f}"
            parts.append(
                f"{job.name} step {report['step']}/{report['steps']}{loss} "
                f"{report['steps_per_second']:.1f} steps/s, {duration(_training(report))} left"
            )
    return "; ".join([*parts, _total(jobs, parallel)])


def seconds_left(jobs: Sequence[Job], parallel: int) -> tuple[float, bool] | None:
    """How long until all have ended, and whether that counts what follows training.

    None where nothing is known. It goes by how long those took that have finished in this sweep, or else
    by the pace of those that train.
    """
    reports = {job.name: job.progress() for job in jobs if job.state == "running"}
    known = [r["steps"] / r["steps_per_second"] for r in reports.values() if r and r["steps_per_second"] > 0]
    done = [job for job in jobs if job.state == "finished" and not job.trains]
    took = [job.seconds for job in done if job.seconds is not None]
    trained = {run.name for job in jobs if job.state in ("waiting", "running") for run in job.trains}
    if not known and not took:
        return None
    whole = median(took) if took else median(known)
    left = []
    for job in jobs:
        if job.state == "waiting":
            left += [] if job.name in trained else [whole]
        elif job.state == "running":
            training = _training(reports[job.name]) if reports[job.name] else 0.0
            left.append(max(training, whole - (job.seconds or 0.0) if took else 0.0))
    if not left:
        return 0.0, bool(took)
    return max(max(left), sum(left) / min(parallel, len(left))), bool(took)


def _total(jobs: Sequence[Job], parallel: int) -> str:
    found = seconds_left(jobs, parallel)
    if found is None:
        return "time left: not known yet"
    seconds, whole = found
    if not seconds and any(job.state == "running" for job in jobs):
        return "the last are evaluated"
    return f"about {duration(seconds)} left in all" + ("" if whole else ", for training alone")


def _training(report: dict) -> float:
    """Seconds that a run still trains, by its own pace."""
    return (report["steps"] - report["step"]) / max(report["steps_per_second"], 1e-9)


def _stage(job: Job, report: dict) -> str:
    if job.state != "running":
        return job.state
    if not report:
        return "starting"
    return "training" if report["step"] < report["steps"] else "evaluating"


def _counts(jobs: Sequence[Job]) -> str:
    counts = Counter(job.state for job in jobs)
    states = ("finished", "skipped", "apart", "failed", "running", "waiting")
    return ", ".join(f"{counts[state]} {state}" for state in states if counts[state]) + f" of {len(jobs)}"
