"""Everything a sweep leaves to be read: results.csv, results.md and the figures; and what is kept of it."""

import os
import shutil
from collections.abc import Mapping
from itertools import product
from pathlib import Path

from align.errors import InputError
from align.files import atomic_path, write_text
from analysis import alpha_report, gap_report, plateau_report
from analysis.sweep import TASKS, UNBOUNDED, Arm, Sweep, bounds, collect
from analysis.sweep_figures import figure_arms, figure_discernibility, figure_lambda

__all__ = [
    "collect",
    "figure_arms",
    "figure_discernibility",
    "figure_lambda",
    "keep",
    "report",
    "write_table",
]

KEPT = ("*.csv", "*.md", "*.json", "*.png")  # of the sweep directory itself
OF_ONE_RUN = (
    "config.yaml",
    "provenance.json",
    "probe.json",
    "probe.png",
    "task_probe.json",
    "task_probe.png",
    "geometry.json",
    "geometry.png",
    "rollouts.png",
)
TASK_NAMES = dict(zip(TASKS, ("block pose sim→real", "block pose real→real"), strict=True))


def report(sweep_dir: str | os.PathLike, reference: str | None = None, axis: str = "lambda") -> list[Path]:
    """Write `results.csv`, `results.md` and the figures of a sweep.

    A sweep over λ gets `lambda.png` (one column wide) and `lambda_wide.png` for each combination of its
    other axes. One with named arms gets `arms.png`, and `discernibility.png`: success against the probes.
    Axes `sim` and `real`, `alpha`, or the three gaps add their own tables and figures: see `plateau_report`,
    `alpha_report` and `gap_report`.

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
    written = [sweep.path / "results.csv", sweep.path / "results.md"]
    write_table(sweep, written[1], reference)
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
            figure_discernibility(sweep, written[-1], sweep.worlds[0], reference)
    if plateau_report.applies(sweep):
        written += plateau_report.report_plateau(sweep)
    if alpha_report.applies(sweep):
        written += alpha_report.report_alpha(sweep)
    if gap_report.applies(sweep):
        written += gap_report.report_gap(sweep)
    return written


def write_table(
    sweep: Sweep, path: str | os.PathLike, reference: str | None = None, success: str | None = None
) -> None:
    """Write the arms as a Markdown table: estimates with 95 % intervals, and the runs that are missing.

    Args:
        sweep: The sweep.
        path: Where to.
        reference: Label of the arm that scores are compared with on shared trials; see `Sweep.find`.
        success: Which success rate; by default the first that the worlds define.
    """
    arms = sweep.arms()
    base = sweep.find(arms, reference)
    shown = ("score", success or sweep.success)
    metrics = {f"{w}: {name}": f"rollout/{w}/{name}" for w in sweep.worlds for name in shown}
    metrics |= {f"{s}: {name}": f"probe/{s}/{name}" for s in sweep.sites for name in ("auc", "mmd2")}
    later = {f"{s}: MLP auc": f"probe/{s}/mlp_auc" for s in sweep.sites}
    later |= {f"{label} R²": f"task/aligned/{name}" for name, label in TASK_NAMES.items()}
    later |= {f"aligned: {name}": f"geometry/aligned/{name}" for name in ("a_distance", "mixing")}
    metrics |= {title: metric for title, metric in later.items() if metric in sweep.frame}
    p_value = "geometry/aligned/mmd_p"
    tested = ["aligned: MMD p"] if p_value in sweep.frame else []
    paired = {f"{w}: score − {base.label}": f"rollout/{w}/score" for w in sweep.worlds}
    lines = [["arm", "trainings", *metrics, *tested, *paired]]
    lines.append(["---", *["---:"] * (len(lines[0]) - 1)])
    for arm in arms:
        cells = [_cell(sweep, arm, metric) for metric in metrics.values()]
        if tested:
            cells.append(_p_values(sweep, arm, p_value))
        for metric in paired.values():
            found = None if arm is base else sweep.difference(arm.runs, base.runs, metric)
            cells.append(
                "—" if found is None else f"{found.value:+.2f} [{found.low:+.2f}, {found.high:+.2f}]"
            )
        lines.append([arm.label, str(len(arm.runs)), *cells])
    text = "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"
    text += "\nMean [95 % interval] over training seeds and shared trials or held-out episodes.\n"
    if tested:
        text += "\nMMD p: permutation test of sim against real, smallest to largest over trainings.\n"
    if len(sweep.incomplete):
        text += "\nIncomplete runs, counted only where they were measured:\n\n"
        text += "".join(f"- `{r.run}` lacks {r.missing}\n" for r in sweep.incomplete.itertuples())
    write_text(path, text)


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
    if not (sweep_dir / "results.csv").is_file():
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


def _p_values(sweep: Sweep, arm: Arm, metric: str) -> str:
    """The range over an arm's trainings; a mean of p-values would mean nothing."""
    values = sweep.frame.loc[sweep.frame["run"].isin(arm.runs), metric].dropna()
    if not len(values):
        return "—"
    ends = list(dict.fromkeys(f"{p:.3f}" for p in (values.min(), values.max())))
    return " to ".join(ends)


def _cell(sweep: Sweep, arm: Arm, metric: str) -> str:
    """The estimate with its interval, and the number of trainings where some lack the metric."""
    found = sweep.estimate(arm.runs, metric)
    if found is None:
        return "—"
    digits = 4 if bounds(metric.split("/")[2]) == UNBOUNDED else 2
    value, low, high = (f"{x:.{digits}f}" for x in found.interval)
    part = "" if len(found.runs) == len(arm.runs) else f" ({len(found.runs)} of {len(arm.runs)})"
    return f"{value} [{low}, {high}]{part}"
