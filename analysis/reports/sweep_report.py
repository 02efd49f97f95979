"""Everything a sweep leaves to be read: results.csv, results.md and the figures; and what is kept of it."""

import os
import shutil
from collections.abc import Mapping
from itertools import product
from pathlib import Path

from align.analysis.figures.sweep import figure_arms, figure_discernibility, figure_lambda
from align.analysis.reports import alpha as alpha_report
from align.analysis.reports import gap as gap_report
from align.analysis.reports import gating, motion, plans, plateau
from align.analysis.reports.arm_table import ArmTable, figure_table, write_arms, write_markdown
from align.analysis.reports.sweep import Sweep
from align.analysis.reports.sweep.run_table import collect
from align.errors import InputError
from align.files import atomic_path, write_text
from align.run.layout import (
    CONFIG,
    GEOMETRY,
    GEOMETRY_PICTURE,
    PROBE,
    PROBE_PICTURE,
    PROBE_STEPS_PICTURE,
    PROVENANCE,
    RESULTS,
    ROLLOUTS_PICTURE,
    TASK_PROBE,
    TASK_PROBE_PICTURE,
)

__all__ = [
    "figure_arms",
    "figure_discernibility",
    "figure_lambda",
    "keep",
    "report",
    "write_table",
]

KEPT = ("*.csv", "*.md", "*.json", "*.png")  # of the sweep directory itself
OF_ONE_RUN = (
    CONFIG,
    PROVENANCE,
    PROBE,
    PROBE_PICTURE,
    PROBE_STEPS_PICTURE,
    TASK_PROBE,
    TASK_PROBE_PICTURE,
    GEOMETRY,
    GEOMETRY_PICTURE,
    ROLLOUTS_PICTURE,
)


def report(sweep_dir: str | os.PathLike, reference: str | None = None, axis: str = "lambda") -> list[Path]:
    """Write `results.csv`, the tables of the arms and the figures of a sweep.

    A sweep over λ gets `lambda.png` (one column wide) and `lambda_wide.png` for each combination of its
    other axes. One with named arms gets `arms.png`, and `discernibility.png`: success against the probes.
    Axes `sim` and `real`, `alpha`, or the three gaps, and runs that kept paths, add their own tables and
    figures, and so do the annotations that runs were trained with: see the reports beside this one.

    Args:
        sweep_dir: The sweep.
        reference: Label of the arm that others are compared with; by default the grid's, or the first.
        axis: The name of the axis that is λ.

    Returns:
        What was written.

    Raises:
        InputError: The sweep cannot be read, or nothing of it was measured yet.
    """
    sweep = Sweep(sweep_dir)
    written = [sweep.path / RESULTS, *write_table(sweep, reference)]
    if not sweep.worlds and not sweep.sites:
        raise InputError(
            f"sweep_dir={sweep_dir}: no run has rollouts.csv or probe.json yet, expected one or more"
        )
    named = any(sweep.frame[a].map(type).eq(str).any() for a in sweep.axes)
    if axis in sweep.axes and sweep.frame[axis].nunique() > 1 and not named:
        for where in _combinations(sweep, axis):
            suffix = "".join(f"_{k}={v}" for k, v in where.items()).replace("/", "-")
            for wide in (False, True):
                written.append(sweep.path / f"lambda{suffix}{'_wide' if wide else ''}.png")
                figure_lambda(sweep, written[-1], axis, where, wide=wide)
    else:
        written.append(sweep.path / "arms.png")
        figure_arms(sweep, written[-1], reference)
        if sweep.worlds and sweep.sites:
            written.append(sweep.path / "discernibility.png")
            figure_discernibility(sweep, written[-1], sweep.target, reference)
    if alpha_report.applies(sweep):
        written += alpha_report.report_alpha(sweep)
    if gap_report.applies(sweep):
        written += gap_report.report_gap(sweep)
    for part in (plateau, motion, plans, gating):
        written += part.report(sweep)
    return written


def write_table(sweep: Sweep, reference: str | None = None, success: str | None = None) -> list[Path]:
    """Write the arms as `arms.csv`, `results.md` and `table.png`; arguments as in `ArmTable`."""
    table = ArmTable(sweep, reference, success)
    written = []
    for name, write in (
        ("arms.csv", write_arms),
        ("results.md", write_markdown),
        ("table.png", figure_table),
    ):
        written.append(sweep.path / name)
        write(table, written[-1])
    return written


def keep(sweep_dir: str | os.PathLike, results_dir: str | os.PathLike, command: str) -> list[Path]:
    """Copy what is worth keeping: tables, figures, and configuration and probe of the first complete run.

    Args:
        sweep_dir: A sweep that `report` was called on.
        results_dir: Where to; files already there under the same names are replaced.
        command: The command line that made the sweep, recorded in `command.txt`.

    Returns:
        The files written.

    Raises:
        InputError: The sweep has no `results.csv`.
    """
    sweep_dir, results_dir = Path(sweep_dir), Path(results_dir)
    if not (sweep_dir / RESULTS).is_file():
        raise InputError(f"sweep_dir={sweep_dir}: expected a sweep with results.csv, made by its report")
    sources = {p.name: p for pattern in KEPT for p in sorted(sweep_dir.glob(pattern))}
    frame = collect(sweep_dir)
    complete = frame.loc[frame["missing"] == "", "run"]
    run = sweep_dir / (complete if len(complete) else frame["run"]).iloc[0]
    sources |= {name: run / name for name in OF_ONE_RUN if (run / name).is_file()}
    for name, source in sources.items():
        with atomic_path(results_dir / name) as path:
            shutil.copyfile(source, path)
    write_text(results_dir / "command.txt", f"{command}\n")
    return [results_dir / name for name in (*sources, "command.txt")]


def _combinations(sweep: Sweep, axis: str) -> list[Mapping[str, object]]:
    """Every value of every axis but `axis`; axes of one value are left out."""
    others = {a: sorted(sweep.frame[a].dropna().unique()) for a in sweep.axes if a != axis}
    others = {a: values for a, values in others.items() if len(values) > 1}
    wheres = [dict(zip(others, values, strict=True)) for values in product(*others.values())]
    return [w for w in wheres if all(sweep.frame[a].eq(v).any() for a, v in w.items())]
