"""Fills the numbers of README and docs from what is recorded in results/: `python docs/values.py`.

A number stands between two comments, which a reader of the page does not see:

    <!--= SOURCE | ROW | COLUMN -->0.44 [0.40, 0.48]<!--/-->

SOURCE is a Markdown file, its path from results/, with one table or several, `results.md` of a folder by the
folder's name alone; `FILE#Heading` is the section of that heading alone. ROW is what the row's first cell
holds, or its first cells, each behind a bar; COLUMN is the column's name, of the first table that has it. The
cell is taken as it stands, or brought into a format given last, in which {0} is its first number and {1} and
{2} the ends of its interval: `{0:.2f}`. One key alone is the beginning of a line below the tables. Of a JSON
file, the keys are those that lead to a number.

A whole table, the first one of a Markdown file below results/, stands between two lines, with an empty line
after the one and before the other:

    <!--table: claims.md -->
    <!--/table-->
"""

import json
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
VALUE = re.compile(r"<!--= (?P<where>[^>]*?) -->(?P<text>.*?)<!--/-->", re.S)
TABLE = re.compile(r"<!--table: (?P<where>\S+) -->\n(?P<text>.*?)<!--/table-->", re.S)
_TABLES = re.compile(r"(?:^\|.*\n?)+", re.M)
_NUMBER = re.compile(r"(?<![\w.])[-+]?(?:\d+(?:\.\d+)?|\.\d+)(?:e[-+]?\d+)?")


def pages() -> list[Path]:
    """README and the pages of docs/, but for the generated one."""
    return [
        ROOT / "README.md",
        *(p for p in sorted((ROOT / "docs").glob("*.md")) if p.name != "reference.md"),
    ]


def filled(text: str, results: Path = ROOT / "results") -> str:
    """The text with every marked number as it is recorded.

    Raises:
        LookupError: A mark is not closed, begins a line, or names a file or column that is not there, or no
            row, or several.
    """
    if text.count("<!--table") != len(TABLE.findall(text)):
        raise LookupError(
            "a table is not closed, or not marked as `<!--table: … -->`, a line, `<!--/table-->`"
        )
    text = TABLE.sub(
        lambda m: f"<!--table: {m['where']} -->\n\n{table(m['where'], results)}\n<!--/table-->", text
    )
    if text.count("<!--=") != len(VALUE.findall(text)):
        raise LookupError("a mark is not closed, or not written as `<!--= … -->…<!--/-->`")
    if re.search(r"^\s*<!--=", text, re.M):
        raise LookupError("a mark begins a line, which ends a paragraph of Markdown")
    return VALUE.sub(lambda m: f"<!--= {m['where']} -->{value(m['where'], results)}<!--/-->", text)


def value(where: str, results: Path = ROOT / "results") -> str:
    """What a mark stands for."""
    source, *keys = where.split(" | ")
    source, _, heading = source.partition("#")
    layout = keys.pop() if "{" in keys[-1] else None
    path = results / (source if "." in source else f"{source}/results.md")
    if not path.is_file():
        raise LookupError(f"{where}: no file {path}")
    if heading and path.suffix == ".json":
        raise LookupError(f"{where}: {path} is no Markdown file, and has no heading {heading!r}")
    cell = _entry(path, keys, where) if path.suffix == ".json" else _cell(path, heading, keys, where)
    numbers = _NUMBER.findall(re.sub(r"−(?=\d)", "-", cell))
    text = cell if layout is None else layout.format(*map(float, numbers))
    return re.sub(r"-(?=\d)", "−", re.sub(r"(?<=\d)%", " %", text))


def table(where: str, results: Path = ROOT / "results") -> str:
    """The first table of a Markdown file."""
    path = results / where
    if not path.is_file():
        raise LookupError(f"{where}: no file {path}")
    if not (found := _TABLES.search(path.read_text())):
        raise LookupError(f"{where}: no table in {path}")
    return found[0]


def _cell(path: Path, heading: str, keys: list[str], where: str) -> str:
    text = path.read_text()
    if heading:
        parts = re.split(r"^#+ (.*)\n", text, flags=re.M)
        found = [part for title, part in zip(parts[1::2], parts[2::2], strict=True) if title == heading]
        if len(found) != 1:
            raise LookupError(f"{where}: {len(found)} headings {heading!r} in {path}")
        (text,) = found
    lines = text.splitlines()
    if len(keys) == 1:
        notes = [line for line in lines if line.startswith(keys[0])]
        if len(notes) != 1:
            raise LookupError(f"{where}: {len(notes)} lines of {path} begin so")
        return notes[0]
    *row, column = keys
    tables = [
        [[c.strip() for c in line.strip()[1:-1].split(" | ")] for line in part.splitlines()]
        for part in _TABLES.findall("\n".join(lines))
    ]
    names, _, *rows = next((table for table in tables if column in table[0]), tables[-1])
    if wrong := next((cells for cells in rows if len(cells) != len(names)), None):
        raise LookupError(f"{where}: {len(names)} columns and a row of {len(wrong)} in {path}")
    found = [cells for cells in rows if cells[: len(row)] == row]
    if len(found) != 1 or column not in names:
        raise LookupError(f"{where}: {len(found)} rows {row} in {path}; columns {', '.join(names)}")
    return found[0][names.index(column)]


def _entry(path: Path, keys: list[str], where: str) -> str:
    entry = json.loads(path.read_text())
    for key in keys:
        try:
            entry = entry[int(key) if isinstance(entry, list) else key]
        except (KeyError, IndexError, ValueError):
            raise LookupError(f"{where}: no {key!r} in {path}") from None
    return str(entry)


def main() -> None:
    """Fill every page."""
    for page in pages():
        text = page.read_text()
        if (new := filled(text)) != text:
            page.write_text(new)
            print(f"{page.relative_to(ROOT)}: numbers brought up to date")


if __name__ == "__main__":
    main()
