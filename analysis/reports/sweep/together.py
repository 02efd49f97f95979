"""Several sweeps read together: they have names of their own, and each training counts once."""

from collections.abc import Sequence
from pathlib import Path

from align.analysis.reports.sweep.estimates import Sweep
from align.analysis.reports.sweep.kept import ORIGIN, made_as
from align.errors import InputError


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

    Of two copies of one run that is not there itself, the first sweep has it. What was kept of a sweep before
    tables of runs told where they were taken from, has none.
    """
    origins = [_origins(sweep) for sweep in sweeps]
    seen = {
        f"{made_as(sweep.path)}/{run}"
        for sweep, of_run in zip(sweeps, origins, strict=True)
        for run in sweep.frame["run"]
        if run not in of_run
    }
    found = []
    for of_run in origins:
        found.append({run for run, origin in of_run.items() if origin in seen})
        seen |= set(of_run.values())
    return found


def _origins(sweep: Sweep) -> dict[str, str]:
    """Of the runs that are copies, the run that each is a copy of, as sweep/run."""
    return {} if ORIGIN not in sweep.frame else sweep.frame.set_index("run")[ORIGIN].dropna().to_dict()
