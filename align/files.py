"""Files that appear whole or not at all."""

import contextlib
import ctypes
import errno
import fcntl
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from align.errors import InputError

TEMPORARY = ".~"
"""How the names of what is being written begin; what a killed process left of it is removed later."""
UNWRITABLE = {
    getattr(errno, name)
    for name in ("ENOSPC", "EDQUOT", "EACCES", "EPERM", "EROFS", "EFBIG", "EIO", "ENOTEMPTY", "EEXIST")
}
"""Errors of a disk or of permissions, which are no faults of the program."""
NO_LOCKS = {getattr(errno, name) for name in ("ENOLCK", "ENOSYS", "EOPNOTSUPP", "ENOTSUP", "EINVAL")}
"""Errors of file systems that cannot lock."""


@contextlib.contextmanager
def atomic_path(path: str | os.PathLike, replace: bool = True) -> Iterator[Path]:
    """A temporary sibling of `path` to write to (a file or a folder), renamed to it on success.

    An exception leaves `path` as it was. The suffix is kept, since some writers choose their format
    by it.

    Args:
        path: What to write.
        replace: Whether what is already at `path` may be replaced.

    Raises:
        InputError: The disk is full, the folder is not to be written to or the like; or, without `replace`,
            something is at `path`.
    """
    path = Path(path)
    if not replace and path.exists():
        raise InputError(f"{path} exists; choose another path")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=f"{TEMPORARY}{path.name}.", dir=path.parent))
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}") from error
    target = aside / path.name
    try:
        yield target
        if target.is_dir() and path.is_dir() and replace:
            _exchange(target, path)
        else:
            os.replace(target, path)
    except OSError as error:
        elsewhere = error.filename is not None and not str(error.filename).startswith((str(aside), str(path)))
        if error.errno not in UNWRITABLE or elsewhere:
            raise
        raise InputError(f"{path} cannot be written: {error.strerror}; what was there is kept") from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def remove_temporaries(folder: str | os.PathLike, name: str = "*") -> None:
    """Remove what killed processes were writing into a folder, of files of this name or pattern.

    Nobody else may be writing them: hold the folder's lock.
    """
    for left in Path(folder).glob(f"{TEMPORARY}{name}.*"):
        shutil.rmtree(left, ignore_errors=True)


def _exchange(a: Path, b: Path) -> None:
    """Let two folders change names, at once where the system can: then there is no moment without `b`."""
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)  # Linux
    at_cwd, exchange = -100, 2
    if renameat2 is not None and not renameat2(at_cwd, os.fsencode(a), at_cwd, os.fsencode(b), exchange):
        return
    if renameat2 is not None and ctypes.get_errno() not in (errno.ENOSYS, errno.EINVAL):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(b))
    b.rename(a.parent / "replaced")
    a.rename(b)


def write_text(path: str | os.PathLike, text: str) -> None:
    """Write `text` to `path` atomically."""
    with atomic_path(path) as target:
        target.write_text(text, encoding="utf-8")


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
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        file = open(Path(folder) / ".lock", "w", encoding="utf-8")
    except OSError as error:
        raise InputError(f"{what} {str(folder)!r} cannot be written to: {error.strerror}") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            raise InputError(f"{what} {str(folder)!r} is in use by another process; wait for it") from None
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise
            print(
                f"{folder}: its file system has no locks; see to it that no other process uses this {what}",
                file=sys.stderr,
            )
        yield
