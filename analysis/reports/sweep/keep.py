"""What is kept of a sweep when its runs are not."""

import os
import shutil
from pathlib import Path

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


def keep(sweep_dir: str | os.PathLike, results_dir: str | os.PathLike, command: str) -> list[Path]:
    """Copy what is worth keeping: tables, figures, and configuration and probe of the first complete run.

    Args:
        sweep_dir: A sweep that was reported on.
        results_dir: Where to; files already there under the same names are replaced.
        command: The command line that made the sweep, recorded in `command.txt`.

    Returns:
        The files written.

    Raises:
        InputError: The sweep has no `results.csv`.
    """
    sweep_dir, results_dir = Path(sweep_dir), Path(results_dir)
    if not (sweep_dir / RESULTS).is_file():
        raise InputError(f"sweep_dir={sweep_dir}: expected a sweep with {RESULTS}, made by its report")
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
