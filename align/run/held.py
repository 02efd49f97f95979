"""Runs, sweeps and other folders of results, held by one command that writes into them at a time."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from align.files import LOCK, REPORT_LOCK, locked
from align.run.layout import CONFIG, GRID, LAST_CHECKPOINT, POINT, RESULTS


@contextmanager
def held(
    folder: str | os.PathLike, by: str, new: bool = False, report: bool = False, wait: bool = False
) -> Iterator[None]:
    """Hold a folder for a command that looks at what is there and then writes into it.

    Args:
        folder: A run, a sweep, or any other folder.
        by: The command, for the message of whoever comes second.
        new: Whether the folder may be made; otherwise one that is not there is not held, as its reader
            refuses it.
        report: Hold but its tables and figures, which may be made while a sweep trains.
        wait: Wait for who holds it, instead of refusing.

    Raises:
        InputError: Another command holds it; says which.
    """
    folder = Path(folder)
    if not new and not folder.is_dir():
        yield
        return
    what = _kind(folder)
    if report:
        name, leave = REPORT_LOCK, False
    else:
        name, leave = LOCK, what != "folder"
    with locked(folder, what, wait, by, leave, name):
        yield


def _kind(folder: Path) -> str:
    if any(folder.glob(f"*/{POINT}")):
        return "sweep"
    if (folder / RESULTS).is_file() or (folder / GRID).is_file():  # what was kept of a sweep
        return "folder"
    return "run" if any((folder / name).is_file() for name in (CONFIG, POINT, LAST_CHECKPOINT)) else "folder"
