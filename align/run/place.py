"""Whether a run is the one that is asked for, also where it or its data have been moved."""

import os
from pathlib import Path
from typing import Any

from align.run.layout import PROVENANCE
from align.run.provenance import hash_store
from align.run.reading import read_json, reading

STORES = ("sim", "real")
"""Options of `data`, and names in the provenance, of the demonstrations."""


def at_its_place(run: str | os.PathLike, recorded: dict[str, Any], config: dict[str, Any]) -> dict[str, Any]:
    """What was recorded of a run, with the paths at which it and its data lie now.

    A store is the same, wherever it lies, that holds what it did when the run began.

    Args:
        run: The run directory.
        recorded: Its configuration.
        config: The one that is asked for.

    Raises:
        InputError: Its provenance is damaged.
    """
    moved, stores = recorded | {"run": config["run"]}, _same_stores(run, recorded, config)
    if stores:
        moved["data"] = recorded["data"] | {name: config["data"][name] for name in stores}
    return moved


def _same_stores(run: str | os.PathLike, recorded: dict[str, Any], config: dict[str, Any]) -> list[str]:
    """Stores that are given at another path and have the recorded hash."""
    file, data = Path(run) / PROVENANCE, recorded.get("data")
    if not (file.is_file() and isinstance(data, dict)):
        return []
    with reading(file):
        hashes = {name: store["hash"] for name, store in read_json(file)["data"].items()}
    elsewhere = {n: Path(config["data"][n]).expanduser() for n in STORES if data.get(n) != config["data"][n]}
    return [n for n, path in elsewhere.items() if path.exists() and hash_store(path) == hashes.get(n)]


def first_difference(old: dict, new: dict, prefix: str = "") -> str | None:
    """The first option that differs, as "name: old → new", or `None`."""
    for key in sorted({*old, *new}):
        a, b = old.get(key), new.get(key)
        if isinstance(a, dict) and isinstance(b, dict):
            if difference := first_difference(a, b, f"{prefix}{key}."):
                return difference
        elif a != b:
            return f"{prefix}{key}: {a} there, {b} here"
    return None
