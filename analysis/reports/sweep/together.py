"""Several sweeps read together: they have names of their own, and each training counts once."""

from collections.abc import Sequence
from pathlib import Path

from align.analysis.reports.sweep.estimates import Sweep
from align.analysis.reports.sweep.kept import ORIGIN, made_as
from align.errors import InputError

TRAINING = tuple(f"summary/{n}" for n in ("training_seconds", "train_denoise", "train_loss", "val_loss_real"))


def check_names(sweeps: Sequence[Path]) -> None:
    """Sweeps are told apart by the names of their folders.

    Raises:
        InputError: Two have the same.
    """
    names = [path.absolute().name for path in sweeps]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        where = ", ".join(str(path) for path, name in zip(sweeps, names, strict=True) if name == twice[0])
        raise InputError(f"sweeps: {where}; expected other names of their folders, which tables have")


def copies(sweeps: Sequence[Sweep]) -> list[set[str]]:
    """The runs of each sweep that are copies (`align sweep --reuse`) of a run that is among the others.

    Of two copies of one run that is not there itself, the first sweep has it. Where tables do not tell where
    a run was taken from, two are one that took the same time and came to the same losses, to the digit.
    """
    origins = [_origins(sweep) for sweep in sweeps]
    seen = {
        f"{made_as(sweep.path)}/{run}"
        for sweep, of_run in zip(sweeps, origins, strict=True)
        for run in sweep.frame["run"]
        if run not in of_run
    }
    found, trained = [], set()
    for sweep, of_run in zip(sweeps, origins, strict=True):
        told = {run for run, origin in of_run.items() if origin in seen}
        own = {run: key for run, key in _trainings(sweep).items() if run not in told}
        found.append(told | {run for run, key in own.items() if key in trained})
        seen |= set(of_run.values())
        trained |= set(own.values())
    return found


def _trainings(sweep: Sweep) -> dict[str, tuple[float, ...]]:
    """What tells the training of each run from any other, where all of it was recorded."""
    if not set(TRAINING) <= set(sweep.frame.columns):
        return {}
    told = sweep.frame.set_index("run")[list(TRAINING)].dropna()
    return {str(run): tuple(map(float, values)) for run, *values in told.itertuples()}


def _origins(sweep: Sweep) -> dict[str, str]:
    """Of the runs that are copies, the run that each is a copy of, as sweep/run."""
    return {} if ORIGIN not in sweep.frame else sweep.frame.set_index("run")[ORIGIN].dropna().to_dict()
