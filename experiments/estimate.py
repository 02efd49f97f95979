"""How long a sweep will take, from the step times of finished runs like those to come."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from align.errors import InputError, one_line
from align.experiments.grid import Run
from align.experiments.options import training_steps
from align.experiments.step_times import Measured, telling
from align.experiments.together import trained_together
from align.run.config import read_yaml
from align.run.layout import PROGRESS, REQUEST
from align.run.reading import read_json, reading
from align.run.times import run_times

KINDS = 3  # that are tried at most


class Source(NamedTuple):
    """Where times of runs are known from that did not finish beside these."""

    times: Callable[[Run], Measured | None]
    words: str
    most: int | None = None  # kinds of runs that it is asked for at most


def expected(runs: Sequence[Run], folder: Path, jobs: int, sources: Sequence[Source] = ()) -> str:
    """A line on the time that is left, from finished runs of the sweep and of those beside it.

    Args:
        runs: The runs that are not finished.
        folder: Directory of the sweep; its siblings are searched too.
        jobs: Runs at once.
        sources: What else is asked, in this order, about runs of which none like it is finished.
    """
    if not runs:
        return "nothing is left to run"
    alone = sorted(set(folder.parent.glob("*/*")) - trained_together(folder.parent))
    known = [(options, times) for options, times in map(finished, alone) if times]
    like = [[times for options, times in known if options == telling(run.config)] for run in runs]
    used = []
    if most := max(map(len, like)):
        used.append(f"by the step times of up to {most} finished runs of the same kind in {folder.parent}")
    for source in sources:
        try:
            found = _ask(runs, like, source)
        except InputError as error:
            return f"expected time: unknown, and none of the runs can be tried: {one_line(error)}"
        if found:
            used.append(source.words)
    measured = [times for of_run in like for times in of_run]
    if not measured:
        hint = "; --measure tries them here" if sources else ""
        return f"expected time: unknown, as no run like these is finished in {folder.parent}{hint}"
    step, rest, unlike = median(m.step for m in measured), _rest(measured), 0
    seconds = 0.0
    for run, found in zip(runs, like, strict=True):
        left = training_steps(run.config) - _progress(folder / run.name)
        seconds += left * (median(m.step for m in found) if found else step) + (_rest(found) or rest or 0)
        unlike += not found
    text = (
        f"expected time: {duration(seconds / min(jobs, len(runs)))} with {jobs} at a time, {'; '.join(used)}"
    )
    if rest is None:
        text += "; rollouts and probes come on top, they were not timed"
    return text + (f"; {unlike} runs are of another kind and were counted like the rest" if unlike else "")


def _ask(runs: Sequence[Run], like: list[list[Measured]], source: Source) -> bool:
    """Add to `like` what a source knows of runs of which nothing is known; whether it knew something."""
    asked: dict[str, Measured | None] = {}
    for run, found in zip(runs, like, strict=True):
        kind = json.dumps(telling(run.config), default=str)
        if found or (kind not in asked and len(asked) == source.most):
            continue
        if kind not in asked:
            asked[kind] = source.times(run)
        if asked.get(kind) is not None:
            found.append(asked[kind])
    return any(times is not None for times in asked.values())


def _rest(measured: Sequence[Measured]) -> float | None:
    """What a run takes beside training, if any recorded it."""
    recorded = [m.rest for m in measured if m.rest is not None]
    return median(recorded) if recorded else None


def finished(run: Path) -> tuple[dict[str, Any], Measured | None]:
    """The telling options of a run and its times; no times if it is not a finished run."""
    try:
        request, times = read_yaml(run / REQUEST), run_times(run)
    except InputError:  # not a run, or one of another kind of sweep
        return {}, None
    if not times.steps:
        return telling(request), None
    rest = None if times.whole is None else times.whole - times.training
    return telling(request), Measured(times.training / times.steps, rest)


def _progress(run: Path) -> int:
    """How far an unfinished run has come; as if it had not begun where that cannot be read."""
    try:
        with reading(run / PROGRESS):
            return int(read_json(run / PROGRESS)["step"])
    except InputError:
        return 0


def duration(seconds: float) -> str:
    """A time as people say it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
