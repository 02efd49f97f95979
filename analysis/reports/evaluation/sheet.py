"""Files as people and programs keep them, read to rows of text: encodings, delimiters, LeRobot's records."""

import csv
import io
import json
import os
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from align.errors import InputError
from align.run.reading import read_json, reading

DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
WORKBOOKS = {b"PK\x03\x04": "an Excel or LibreOffice workbook", b"\xd0\xcf\x11\xe0": "an old Excel workbook"}
MARKS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
"""Byte order marks, with the encodings they announce."""
LEROBOT = ("arm", "start", "success", "max_reward", "sum_reward")


class Row(NamedTuple):
    """A row of a sheet, and its number as a spreadsheet counts, from 1."""

    number: int
    cells: tuple[str, ...]


class Sheet(NamedTuple):
    """A file's rows below their header.

    Attributes:
        path: The file.
        header: Names of the columns; one without a name is called by its place.
        rows: As many cells as the header has, stripped.
        how: How the file was read, in words.
        arm: What to call the arm where no column says so.
    """

    path: str
    header: tuple[str, ...]
    rows: list[Row]
    how: list[str]
    arm: str


def read_sheet(path: str | os.PathLike) -> Sheet:
    """A CSV of any common kind, or LeRobot's `eval_info.json`.

    Raises:
        InputError: It cannot be read, is a workbook, has no header, or a row has more cells than the header.
    """
    with reading(path, "a CSV file with one row a trial"):
        data = Path(path).read_bytes()
    if data.lstrip()[:1] == b"{":
        return _lerobot(path)
    for start, what in WORKBOOKS.items():
        if data.startswith(start):
            raise InputError(f"{path}: {what}; save it as CSV (UTF-8) and give that file")
    text, how = _decoded(path, data)
    first, _, rest = text.partition("\n")
    if first.strip().lower().startswith("sep=") and len(first.strip()) == 5:
        delimiter, text = first.strip()[4], "\n" + rest  # Excel's own note; its line still counts
    else:
        delimiter = max(DELIMITERS, key=lambda d: _agreement(_records(path, text, d)))
    how.append(f"columns separated by {DELIMITERS.get(delimiter, repr(delimiter))}")
    return _with_header(path, _records(path, text, delimiter), how)


def _decoded(path: str | os.PathLike, data: bytes) -> tuple[str, list[str]]:
    """The text of a file, and how it was read where that is not plain UTF-8."""
    encoding = next((name for mark, name in MARKS.items() if data.startswith(mark)), None)
    if encoding is None and len(data) > 3 and not any(data[1:200:2]):
        encoding = "utf-16-le"
    try:
        for name in (encoding,) if encoding else ("utf-8", "cp1252"):
            try:
                text = data.decode(name)
            except UnicodeDecodeError:
                if name == "utf-8":
                    continue
                raise
            if "\0" in text:
                raise InputError(f"{path}: holds bytes that are no text; expected a CSV file")
            said = {
                "cp1252": "text not in UTF-8, taken for Windows' (cp1252)",
                "utf-8-sig": "text in UTF-8",
            }.get(name, "text in UTF-16")
            return text.replace("\r\n", "\n").replace("\r", "\n"), [] if name == "utf-8" else [said]
        raise AssertionError("one of the encodings decodes or raises")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}: byte {error.start} is no text ({error.reason}); save it in UTF-8"
        ) from None


def _records(path: str | os.PathLike, text: str, delimiter: str) -> list[Row]:
    """Rows that hold anything, numbered with the empty ones."""
    with reading(path, "a CSV file; is a quotation mark left open?"):
        try:
            found = list(csv.reader(io.StringIO(text), delimiter=delimiter, skipinitialspace=True))
        except csv.Error as error:
            raise ValueError(str(error)) from None
    rows = [Row(i, tuple(cell.strip() for cell in cells)) for i, cells in enumerate(found, start=1)]
    return [row for row in rows if any(row.cells)]


def _agreement(rows: list[Row]) -> tuple[int, int]:
    """How many rows are as wide as the header would be, and how wide; a single column counts for nothing."""
    at = _header_at(rows)
    width = 0 if at is None else len(rows[at].cells)
    return (sum(len(row.cells) == width for row in rows), width) if width > 1 else (0, 0)


def _with_header(path: str | os.PathLike, rows: list[Row], how: list[str]) -> Sheet:
    at = _header_at(rows)
    if at is None:
        raise InputError(f"{path}: holds no rows; expected names of columns, and one row a trial below them")
    if at:
        how.append(f"{_rows(rows[:at])} above the names of the columns skipped")
    names = list(rows[at].cells)
    while names and not names[-1]:
        names.pop()
    header = tuple(name or f"column {i}" for i, name in enumerate(names, start=1))
    kept, remarks, again = [], [], []
    for row in rows[at + 1 :]:
        filled = sum(map(bool, row.cells))
        if row.cells[0].startswith("#") and filled == 1:
            remarks.append(row)
        elif row.cells[: len(names)] == tuple(names):
            again.append(row)
        elif any(row.cells[len(header) :]):
            raise InputError(
                f"{path}, row {row.number}: {len(row.cells)} cells, but the header has {len(header)}; put "
                "what holds the separator in quotation marks"
            )
        else:
            padded = (*row.cells, *[""] * len(header))[: len(header)]
            kept.append(Row(row.number, padded))
    for some, what in ((remarks, "with a remark alone"), (again, "that repeat the header")):
        if some:
            how.append(f"{_rows(some)} {what} skipped")
    return Sheet(str(path), header, kept, how, Path(path).stem)


def _header_at(rows: list[Row]) -> int | None:
    """Where the header is: the first row as wide as most are, for titles above it are seldom so."""
    candidates = [i for i, row in enumerate(rows) if not row.cells[0].startswith("#")]
    wide = [i for i in candidates if sum(map(bool, rows[i].cells)) > 1] or candidates
    width = Counter(len(rows[i].cells) for i in wide).most_common(1)[0][0] if wide else 0
    return next((i for i in wide if len(rows[i].cells) == width), None)


def _rows(rows: list[Row]) -> str:
    return named_rows([row.number for row in rows])


def named_rows(numbers: list[int], most: int = 6) -> str:
    """`row 3`, `rows 3, 5`, or the first few of many."""
    shown = ", ".join(map(str, numbers[:most])) + (f" and {len(numbers) - most} more" * (len(numbers) > most))
    return f"row{'s' * (len(numbers) > 1)} {shown}"


def _lerobot(path: str | os.PathLike) -> Sheet:
    """What lerobot-eval writes: `per_episode` with seeds, or since 0.4 `per_task` with lists.

    The format is that of `lerobot/scripts/lerobot_eval.py`. Episodes of a task without seeds are counted:
    with the same `seed` of the evaluation, those of two policies begin alike.
    """
    record = read_json(path)
    arm = Path(os.path.realpath(path)).parent.name
    rows: list[tuple] = []
    with reading(path, "LeRobot's eval_info.json, with per_episode or per_task"):
        if "per_episode" in record:
            for episode in record["per_episode"]:
                seed = episode.get("seed")
                start = f"episode {episode['episode_ix']}" if seed is None else f"seed {seed}"
                rows.append((arm, start, episode["success"], episode["max_reward"], episode["sum_reward"]))
        elif "per_task" in record:
            for task in record["per_task"]:
                found = task["metrics"]
                lists = found["successes"], found["max_rewards"], found["sum_rewards"]
                for i, values in enumerate(zip(*lists, strict=True)):
                    rows.append((arm, f"{task['task_group']} {task['task_id']}, episode {i}", *values))
        else:
            raise InputError(
                f"{path}: a JSON file without per_episode or per_task; expected LeRobot's eval_info.json"
            )
    text = [Row(i, tuple(map(_text, row))) for i, row in enumerate(rows, start=1)]
    return Sheet(str(path), LEROBOT, text, [f"LeRobot's evaluation, {len(rows)} episodes"], arm)


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
