"""Tables of numbers that figures are drawn from: the same rows as CSV and as Markdown."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from align.analysis.statistics.intervals import Interval
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
    names = list(dict.fromkeys(name for row in rows for name in row if name not in csv_only))
    lines = [names, ["---"] * len(names)]
    lines += [[_cell(row.get(name)) for name in names] for row in rows]
    text = "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"
    csv, markdown = Path(f"{path}.csv"), Path(f"{path}.md")
    with atomic_path(csv) as target:
        pd.DataFrame([_flat(row) for row in rows]).to_csv(target, index=False, float_format="%.6g")
    write_text(markdown, text + "".join(f"\n{note}\n" for note in notes))
    return [csv, markdown]


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
    return f"{value:.3g}" if isinstance(value, float) else str(value)
