"""How far a run has come: begun, trained, or finished."""

import os
from pathlib import Path

from align.errors import InputError
from align.run.config import trial_worlds
from align.run.layout import (
    CONFIG,
    EVENTS,
    LAST_CHECKPOINT,
    POINT,
    PROBE,
    PROGRESS,
    PROVENANCE,
    ROLLOUTS,
    SUMMARY,
    TRAINING_EVENTS,
)


def is_fitted(run: str | os.PathLike) -> bool:
    """Whether `align fit` has done all of its own: trained, evaluated and embedded."""
    return (Path(run) / SUMMARY).is_file()


def is_begun(run: str | os.PathLike) -> bool:
    """Whether it holds training that could be lost; a directory that was only claimed is free."""
    return is_fitted(run) or (Path(run) / LAST_CHECKPOINT).is_file()


def check_free(run: str | os.PathLike) -> None:
    """Refuse a directory with files of a run that no `align fit` has claimed: they would be overwritten.

    What `align fit` claims has its provenance, which is written first.

    Raises:
        InputError: It is one.
    """
    run = Path(run)
    if is_begun(run) or os.path.lexists(run / PROVENANCE):
        return
    for pattern in (CONFIG, PROGRESS, TRAINING_EVENTS):
        if found := next(iter(sorted(run.glob(pattern))), None):
            raise InputError(
                f"run={str(run)!r}: holds {found.name}, which is of no align fit and would be overwritten; "
                "expected a directory of its own"
            )


def missing(run: str | os.PathLike) -> list[str]:
    """The files that a finished run of a sweep holds and this one lacks.

    They are its point on the sweep's axes, the summary of training, the probe, and its rollouts, unless its
    configuration evaluates it in no world.
    """
    run = Path(run)
    expected = (POINT, SUMMARY, ROLLOUTS, PROBE)
    absent = [name for name in expected if not (run / name).is_file()]
    if ROLLOUTS in absent and (run / CONFIG).is_file() and not trial_worlds(run):
        absent.remove(ROLLOUTS)
    return absent


def is_finished(run: str | os.PathLike) -> bool:
    """Whether a run of a sweep lacks nothing; what `align probe` writes last of all is its dashboard."""
    return not missing(run) and (Path(run) / EVENTS).is_file()
