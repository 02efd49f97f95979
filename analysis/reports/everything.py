"""Everything that a finished sweep leaves to be read: tables and figures, each where it applies."""

import os
from pathlib import Path

from align.analysis.reports import alpha, arm_table, arms, gap, gating, motion, plans, plateau
from align.analysis.reports.sweep import Sweep
from align.errors import InputError

REPORTS = tuple(part.report for part in (arm_table, arms, plateau, alpha, gap, motion, plans, gating))
"""Each writes its files into a sweep and returns them, none where it does not apply."""


def report(sweep_dir: str | os.PathLike) -> list[Path]:
    """Write all reports of a sweep; returns what was written.

    Raises:
        InputError: The sweep cannot be read, or nothing of it was measured yet.
    """
    sweep = Sweep(sweep_dir)
    if not (sweep.worlds or sweep.sites or sweep.held_out):
        raise InputError(
            f"sweep_dir={sweep_dir}: no run has rollouts.csv or probe.json yet, expected one or more"
        )
    return [path for each in REPORTS for path in each(sweep)]
