"""The annotations that a sweep's gated runs were trained with, as part of its report."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from align.analysis.reports.sweep import Sweep
from align.files import atomic_path
from align.run.config import place_of, run_config
from align.run.place import ANNOTATION

REPORTS = (".png", ".json")
"""What `align annotate` leaves beside an annotation."""


def report(sweep: Sweep) -> list[Path]:
    """Copy the reports of all annotations into the sweep, as `annotation.png` and `.json`; what was written.

    Where there are several, the names of the annotations tell them apart. Reports that are gone are left out.
    """
    found = sorted({path for run in sweep.frame["run"] for path in _annotation(sweep.path / run)})
    written = []
    for path in found:
        name = "annotation" if len(found) == 1 else f"annotation_{path.stem}"
        for source in (path.with_suffix(suffix) for suffix in REPORTS):
            if source.is_file():
                written.append(sweep.path / f"{name}{source.suffix}")
                with atomic_path(written[-1]) as target:
                    shutil.copyfile(source, target)
    return written


def _annotation(run: Path) -> list[Path]:
    """The path of a run's annotation, if it has one."""
    gating = (run_config(run).get("data") or {}).get("gating")
    path = gating.get(ANNOTATION) if isinstance(gating, Mapping) else None
    return [place_of(run, path)] if isinstance(path, str) else []
