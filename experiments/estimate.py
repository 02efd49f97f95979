"""How long a sweep will take, from the step times of finished runs like those to come."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from align.errors import InputError, one_line
from align.experiments.grid import Run
from align.experiments.options import get_option
from align.run.config import read_yaml
from align.run.layout import PROGRESS, REQUEST, SECONDS, SUMMARY
from align.run.reading import read_json, reading

TELLING = (
    *(f"model.policy.{name}" for name in ("encoder", "denoiser", "n_image_steps", "horizon", "crop")),
    "model.noise_draws",
    "model.alignment",
    "data.batch_size",
    "data.image_size",
    "trainer.accelerator",
)
"""Options that the time of a step depends on."""


KINDS = 3  # that are tried at most


class Measured(NamedTuple):
    """Times of one finished run, in seconds."""

    step: float
    rest: float | None  # everything but the training: rollouts, embeddings, probes; None if not recorded


def expected(
    runs: Sequence[Run], folder: Path, jobs: int, measure: Callable[[Run], Measured] | None = None
) -> str:
    """A line on the time that is left, from finished runs of the sweep and of those beside it.

    Args:
        runs: The runs that are not finished.
        folder: Directory of the sweep; its siblings are searched too.
        jobs: Runs at once.
        measure: Tries a run for a moment, if none like it is finished.
    """
    if not runs:
        return "nothing is left to run"
    known = [
        (options, times) for options, times in map(_finished, sorted(folder.parent.glob("*/*"))) if times
    ]
    like = [[times for options, times in known if options == _telling(run.config)] for run in runs]
    measured = [times for of_run in like for times in of_run]
    source = (
        f"by the step times of up to {max(map(len, like))} finished runs of the same kind in {folder.parent}"
    )
    if not measured:
        text = f"expected time: unknown, as no run like these is finished in {folder.parent}"
        if measure is None:
            return text
        try:
            like = _try(runs, measure)
        except InputError as error:
            return f"{text}, and none can be tried: {one_line(error)}"
        measured = [times for of_run in like for times in of_run]
        source = "by a few steps and a little of the rollouts, tried here just now on random demonstrations"
        source += "; making demonstrations and probing come on top"
    step, rest, unlike = median(m.step for m in measured), _rest(measured), 0
    seconds = 0.0
    for run, found in zip(runs, like, strict=True):
        left = run.config["trainer"]["max_steps"] - _progress(folder / run.name)
        seconds += left * (median(m.step for m in found) if found else step) + (_rest(found) or rest or 0)
        unlike += not found
    text = f"expected time: {duration(seconds / min(jobs, len(runs)))} with {jobs} at a time, {source}"
    if rest is None:
        text += "; rollouts and probes come on top, they were not timed"
    return text + (f"; {unlike} runs are of another kind and were counted like the rest" if unlike else "")


def _try(runs: Sequence[Run], measure: Callable[[Run], Measured]) -> list[list[Measured]]:
    """Times of each run, those of the first few kinds measured."""
    found: dict[str, Measured] = {}
    kinds = [json.dumps(_telling(run.config), default=str) for run in runs]
    for run, kind in zip(runs, kinds, strict=True):
        if kind not in found and len(found) < KINDS:
            found[kind] = measure(run)
    return [[found[kind]] if kind in found else [] for kind in kinds]


def _rest(measured: Sequence[Measured]) -> float | None:
    """What a run takes beside training, if any recorded it."""
    recorded = [m.rest for m in measured if m.rest is not None]
    return median(recorded) if recorded else None


def _finished(run: Path) -> tuple[dict[str, Any], Measured | None]:
    """The telling options of a run and its times; no times if it is not a finished run."""
    try:
        summary, request = read_json(run / SUMMARY), read_yaml(run / REQUEST)
        with reading(run / SUMMARY):
            training, steps = float(summary["training_seconds"]), int(summary["steps"])
    except InputError:  # not a run, or one of another kind of sweep
        return {}, None
    try:
        with reading(run / SECONDS):
            rest = sum(read_json(run / SECONDS).values()) - training
            if rest < 0:
                raise ValueError("the commands took less time than the training in them")
    except InputError:
        rest = None
    return _telling(request), Measured(training / steps, rest) if steps else None


def _telling(config: Mapping[str, Any]) -> dict[str, Any]:
    return {option: get_option(config, option) for option in TELLING}


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
