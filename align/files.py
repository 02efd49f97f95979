"""Files that appear whole or not at all."""

import contextlib
import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from align.errors import InputError


@contextlib.contextmanager
def atomic_path(path: str | os.PathLike) -> Iterator[Path]:
    """A temporary sibling of `path` to write to (a file or a folder), renamed to it on success.

    An exception leaves `path` as it was. The suffix is kept, since some writers choose their format
    by it. A folder already at `path` is replaced.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        target = aside / path.name
        yield target
        if target.is_dir() and path.is_dir():
            path.rename(aside / "replaced")
        os.replace(target, path)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def write_text(path: str | os.PathLike, text: str) -> None:
    """Write `text` to `path` atomically."""
    with atomic_path(path) as target:
        target.write_text(text)


def write_json(path: str | os.PathLike, value) -> None:
    """Write `value` to `path` as indented JSON, atomically; a number that is not finite is an error."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


@contextlib.contextmanager
def locked(folder: str | os.PathLike, what: str, wait: bool = False) -> Iterator[None]:
    """Hold a folder for this process alone; the lock goes with the process, however it ends.

    Args:
        folder: The folder, created if need be; the lock is its file `.lock`.
        what: What holds it, for the message.
        wait: Wait for another process to let go of it, instead of refusing.

    Raises:
        InputError: Another process holds it.
    """
    Path(folder).mkdir(parents=True, exist_ok=True)
    with open(Path(folder) / ".lock", "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            raise InputError(f"{what} {str(folder)!r} is in use by another process; wait for it") from None
        yield
