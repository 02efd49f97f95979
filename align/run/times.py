"""How long a run took."""

import contextlib
import os
from pathlib import Path
from typing import NamedTuple

from align.errors import InputError
from align.run.layout import SECONDS, SUMMARY, TRAINING_EVENTS
from align.run.reading import read_json, reading

APART = 5.0
"""Seconds by which what two files say of the same moment may differ."""


class Times(NamedTuple):
    """Times of a finished run.

    Attributes:
        steps: Steps of training.
        training: Seconds of training, validation included.
        whole: Seconds of all commands of a sweep, trials, embeddings and probes among them; `None` if it was
            interrupted or not executed by a sweep.
        ended: When they had ended, in seconds since 1970; `None` where that is not known.
    """

    steps: int
    training: float
    whole: float | None
    ended: float | None


def run_times(run: str | os.PathLike) -> Times:
    """The times of a run; of one that was trained together with others, training took all of them so long.

    Raises:
        InputError: It is not finished, or its summary is damaged.
    """
    run = Path(run)
    summary = read_json(run / SUMMARY)
    with reading(run / SUMMARY):
        training, steps = float(summary["training_seconds"]), int(summary["steps"])
    with contextlib.suppress(InputError), reading(run / SECONDS):
        whole = float(sum(read_json(run / SECONDS).values()))
        if whole >= training:  # the training is a part of it
            return Times(steps, training, whole, _ended(run, whole))
    return Times(steps, training, None, None)


def _ended(run: Path, whole: float) -> float | None:
    """When a run had ended: when its last file was written, unless that is a copy of another time.

    It is none if the training, whose events tell in their name when it began, began within these seconds.
    """
    ended = (run / SECONDS).stat().st_mtime
    begun = (file.name.split(".")[3] for file in run.glob(TRAINING_EVENTS))
    begun = [int(second) for second in begun if second.isdecimal()]
    return ended if begun and all(ended - whole - APART <= b <= ended for b in begun) else None
