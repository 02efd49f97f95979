"""Everything that a finished sweep leaves to be read: tables and figures, each where it applies."""

import os
from pathlib import Path
from typing import Any

from align.analysis.reports import (
    aggregates,
    agreement,
    alpha,
    arm_table,
    arms,
    gap,
    gating,
    held_out_loss,
    motion,
    plans,
    plateau,
)
from align.analysis.reports.sweep import Sweep
from align.analysis.reports.sweep.keep import OF_ONE_RUN
from align.analysis.reports.sweep.kept import OWN_DISTANCE, PLANS, TRIALS, is_kept
from align.errors import InputError
from align.run.layout import GRID, runs

REPORTS = tuple(
    part.report
    for part in (
        arm_table,
        arms,
        aggregates,
        agreement,
        held_out_loss,
        plateau,
        alpha,
        gap,
        motion,
        plans,
        gating,
    )
)
"""Each writes its files into a sweep and returns them, none where it does not apply."""


PICTURES_OF_PATHS = ("paths_*.png", "plans_*", "spectrum_*.png")
"""What is drawn of paths themselves, which are not kept."""


def measured_beside(sweep_dir: str | os.PathLike) -> dict[str, Any]:
    """What reports take from files of runs that are not kept: to be given to `keep`."""
    sweep = Sweep(sweep_dir)
    own = {label: found for label, found in arm_table.ArmTable(sweep).own.items() if found is not None}
    plans = {
        world: [[line.title, int(line.domain), line.roughness] for line in motion.plan_lines(sweep, world)]
        for world in sweep.worlds
    }
    plans = {world: lines for world, lines in plans.items() if lines}
    if absent := {str(store) for world in sweep.worlds for store in motion.absent_plans(sweep, world)}:
        print(
            f"{sweep.path}: not there, so that lines of their plans are not kept: {', '.join(sorted(absent))}"
        )
    return {OWN_DISTANCE: own, PLANS: plans}


def not_redrawn(sweep_dir: str | os.PathLike) -> list[str]:
    """Names of a kept sweep's files that are as they were made, since what they show was not kept."""
    folder = Path(sweep_dir)
    found = {path.name for pattern in PICTURES_OF_PATHS for path in folder.glob(pattern)}
    return sorted(found | {name for name in (*OF_ONE_RUN, "annotation.png") if (folder / name).is_file()})


def report(sweep_dir: str | os.PathLike) -> list[Path]:
    """Write all reports of a sweep; returns what was written. Runs that are not there are told of.

    Raises:
        InputError: The sweep cannot be read, or nothing of it was measured yet.
    """
    sweep = Sweep(sweep_dir)
    if not runs(sweep_dir) and not is_kept(sweep_dir):
        raise InputError(
            f"{sweep_dir}: was kept without its trials ({TRIALS}): its tables and figures cannot be drawn "
            "again, but for what align mechanism makes of results.csv"
        )
    if not (sweep.worlds or sweep.sites or sweep.held_out):
        raise InputError(
            f"sweep={str(sweep_dir)!r}: no run has rollouts.csv or probe.json yet, expected one or more"
        )
    if absent := sweep.absent:
        names = ", ".join(absent[:3]) + (", …" if len(absent) > 3 else "")
        print(
            f"{sweep.path}: {len(absent)} of the runs that {GRID}"
            f" names are not there, and are in no table: {names}"
        )
    return [path for each in REPORTS for path in each(sweep)]
