"""The files of an arm table: `results.csv`, `arms.csv`, `results.md` and `table.png`."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from align.analysis.figures import style as figures
from align.analysis.figures.table import figure_table
from align.analysis.reports.arm_table import short_table
from align.analysis.reports.arm_table.cells import Cell
from align.analysis.reports.arm_table.table import ArmTable
from align.analysis.reports.arm_table.words import AT_ONCE, BEST, LONE, NOTE, NOTES, OWN, has_column
from align.analysis.reports.sweep import Sweep
from align.analysis.reports.sweep.markdown import code, prose
from align.files import atomic_path, write_text
from align.run.layout import GRID, RESULTS

NOT_PRINTED = ("trainings", "jerk", "MLP AUC", "mixing", "MMD p", AT_ONCE)  # too much for a page
OF_TARGET = ("success", " − ", BEST)  # printed of the world that policies are made for, and of no other
BELOW = ("R²", "acceleration", "action error", OWN)  # columns that the picture explains, too
PRINTED = (
    "Means with 95 % intervals over trainings and trials or held-out episodes. Differences on the same "
    "trials, each by itself; bold: they differ, however many arms were compared. May be best: cannot be told "
    "from the best arm."
)


def report(sweep: Sweep) -> list[Path]:
    """Write the runs as `results.csv`, the arms as `arms.csv`, `results.md` and `table.png`.

    Returns:
        What was written.
    """
    written = [sweep.path / name for name in (RESULTS, "arms.csv", "results.md", "table.png")]
    runs, csv, markdown, picture = written
    _write_csv(sweep.frame, runs)
    table = ArmTable(sweep)
    _write_csv(table.frame(), csv)
    titles, rows = table.cells()
    write_text(markdown, _markdown(titles, rows, table.short(titles, rows), table.notes(), sweep))
    printed = [j for j, title in enumerate(titles) if _is_printed(title, sweep)]
    some = [[row[j] for j in printed] for row in rows]
    text, bold = ([[cell[k] for cell in row] for row in some] for k in (0, 1))
    names = [titles[j] for j in printed]
    said = [PRINTED, *(note for title, note in NOTES.items() if title in BELOW and has_column(names, title))]
    said += [LONE] if any("†" in cell for row in text for cell in row) else []
    figure = figure_table(names, text, bold, sweep.title, " ".join(said).replace("`", ""))
    figures.save(figure, picture)
    return written


def _is_printed(title: str, sweep: Sweep) -> bool:
    """Whether a column is in the picture."""
    elsewhere = title.partition(": ")[0] in set(sweep.worlds) - {sweep.target}
    if any(name in title for name in (*NOT_PRINTED, *(OF_TARGET if elsewhere else ()))):
        return False
    return elsewhere or not (sweep.is_binary and ": score" in title)


def _write_csv(frame: pd.DataFrame, path: Path) -> None:
    with atomic_path(path) as target:
        frame.to_csv(target, index=False, float_format="%.6g")


def _markdown(
    titles: Sequence[str], rows: Sequence[Sequence[Cell]], short: str, notes: Sequence[str], sweep: Sweep
) -> str:
    """The short table, the cells as another, what their columns mean, and the runs that are missing."""
    text = short + short_table.markdown(titles, [[cell.text for cell in row] for row in rows])
    said = [NOTE, *notes, *(note for title, note in NOTES.items() if has_column(titles, title))]
    said += [LONE] if any("†" in cell.text for row in rows for cell in row) else []
    text += "".join(f"\n{prose(note)}\n" for note in said)
    lacking = [f"{code(r.run)} lacks {r.missing}" for r in sweep.incomplete.itertuples()]
    lacking += [f"{code(run)} is not there, but {GRID} names it" for run in sweep.absent]
    if lacking:
        text += "\nIncomplete runs, counted only where they were measured:\n\n"
        text += "".join(f"- {each}\n" for each in lacking)
    return text
