"""Damage to data sets, and what is said of it."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from align.data.episodes import read_store
from align.errors import InputError

CAMERAS = ("image.top", "image.wrist")


def refused(path, message, **arguments):
    """Asserts that reading is refused, in one line that says where and what."""
    with pytest.raises(InputError, match=message) as error:
        read_store(path, **{"images": CAMERAS, **arguments})
    assert "\n" not in str(error.value) and str(path) in str(error.value)


def change_tables(root, change, of="data"):
    for file in sorted((root / of).rglob("*.parquet")):
        pq.write_table(pa.table(change(pq.read_table(file, partitioning=None).to_pydict())), file)


def rename(root, name, to, copy=None):
    info = json.loads((root / "meta/info.json").read_text())
    info["features"][to] = info["features"].pop(name)
    if copy:
        info["features"][copy] = info["features"][to]
    (root / "meta/info.json").write_text(json.dumps(info))

    def change(rows):
        rows[to] = rows.pop(name)
        return rows | ({copy: rows[to]} if copy else {})

    change_tables(root, change)


def cut(rows):
    return {name: values[:-1] for name, values in rows.items()}


def off(name, row, value):
    def change(rows):
        rows[name][row] = value
        return rows

    return change
