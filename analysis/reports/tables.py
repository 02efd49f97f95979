"""Tables of numbers that figures are drawn from: the same rows as CSV and as Markdown."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from align.analysis.reports.sweep.markdown import Markup, markdown_lines, prose
from align.analysis.statistics.intervals import Interval, minus
from align.files import atomic_path, write_text


def write_tables(
    path: str | os.PathLike,
    rows: Sequence[Mapping[str, object]],
    notes: Sequence[str] = (),
    csv_only: Sequence[str] = (),
) -> list[Path]:
    """Write rows as `path`.csv and `path`.md.

    Args:
        path: Where to, without suffix.
        rows: One mapping a row; an `Interval` becomes three columns of the CSV, one cell of the Markdown.
        notes: Paragraphs below the Markdown table.
        csv_only: Columns that Markdown does without, since others say the same in words.

    Returns:
        Both paths.
    """
    csv, markdown = Path(f"{path}.csv"), Path(f"{path}.md")
    write_csv(csv, rows)
    text = markdown_table([{k: v for k, v in row.items() if k not in csv_only} for row in rows])
    write_text(markdown, text + "".join(f"\n{prose(note)}\n" for note in notes))
    return [csv, markdown]


def write_csv(path: str | os.PathLike, rows: Sequence[Mapping[str, object]]) -> None:
    """Write rows as CSV: an `Interval` becomes three columns."""
    with atomic_path(path) as target:
        pd.DataFrame([_flat(row) for row in rows]).to_csv(target, index=False, float_format="%.6g")


def markdown_table(rows: Sequence[Mapping[str, object]]) -> str:
    """Rows as a Markdown table: an `Interval` is one cell, what a row lacks is a dash."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    return markdown_lines([names, *([_cell(row.get(name)) for name in names] for row in rows)])


def _flat(row: Mapping[str, object]) -> dict[str, object]:
    flat: dict[str, object] = {}
    for name, value in row.items():
        if isinstance(value, Interval):
            flat |= {name: value.value, f"{name} low": value.low, f"{name} high": value.high}
        else:
            flat[name] = value
    return flat


def _cell(value: object) -> str:
    if value is None:
        return "—"
    if isinstance(value, Markup):
        return value
    return minus(f"{value:.3g}") if isinstance(value, float) else str(value)
