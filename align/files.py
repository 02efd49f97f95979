"""Files that appear whole or not at all."""

import contextlib
import ctypes
import errno
import fcntl
import glob
import json
import os
import shutil
import stat
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from align.errors import InputError, mistake_behind

TEMPORARY = ".~"
"""How the names of what is being written begin; what a killed process left of it is removed later."""
UNWRITABLE = {
    getattr(errno, name)
    for name in (
        *("ENOSPC", "EDQUOT", "EACCES", "EPERM", "EROFS", "EFBIG", "EIO", "ENOTEMPTY", "EEXIST"),
        *("EISDIR", "ENOTDIR", "ELOOP", "ENAMETOOLONG", "EBUSY", "EXDEV"),
    )
}
"""Errors of a disk, of permissions or of a path, which are no faults of the program."""
NO_PATH = (OSError, ValueError)
"""What a system, or Python before it, says to a path that cannot be, as one with a null byte in it."""


def user_cache() -> Path:
    """Where what can be made again is kept for this user."""
    return Path(os.environ.get("XDG_CACHE_HOME") or user_path("~/.cache")) / "align"


def user_path(path: str | os.PathLike) -> Path:
    """A path with `~` written out.

    Raises:
        InputError: The machine knows no such user, or of this one no home.
    """
    written = os.path.expanduser(path)
    if written.startswith("~"):
        home = written.partition("/")[0]
        raise InputError(f"{path}: no folder {home} is known; expected a path from / on, or HOME to be set")
    return Path(written)


KINDS = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
"""What is no file and no folder: to read it waits, maybe for ever, or has no end."""
OPENED = ("/dev/stdin", "/dev/fd/", "/proc/self/fd/")
"""Where pipes lie that whoever called has opened already, as a shell does for `<(...)`."""


def other_kind(path: str | os.PathLike) -> str | None:
    """What is at a path, in words, if it is neither file nor folder; None if it is, or nothing is there."""
    try:
        kind = KINDS.get(stat.S_IFMT(os.stat(path).st_mode))
    except NO_PATH:
        return None
    return None if kind == KINDS[stat.S_IFIFO] and os.fspath(path).startswith(OPENED) else kind


def check_kind(path: str | os.PathLike, expected: str = "a file") -> None:
    """Refuse to read what is neither file nor folder, for which a process might wait without end.

    Args:
        path: What is to be read; nothing may be there.
        expected: What it should be, for the message.

    Raises:
        InputError: It is a pipe, a socket or a device.
    """
    if (kind := other_kind(path)) is not None:
        raise InputError(f"{path}: is {kind}; expected {expected}")


def check_kinds_below(folder: str | os.PathLike) -> None:
    """`check_kind` of all that lies anywhere in a folder, before it is copied.

    Raises:
        InputError: Something is neither file nor folder.
    """
    for path in sorted(Path(folder).rglob("*")):
        check_kind(path)


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
        _remove_left(path)
        aside, held = _held_aside(path)
    except NO_PATH as error:
        raise InputError(f"{path} cannot be written: {reason(error)}") from error
    target = aside / path.name
    try:
        yield target
        if target.is_dir() and path.is_dir() and replace:
            _exchange(target, path)
        else:
            os.replace(target, path)
    except Exception as error:
        unwritable = _unwritable_behind(error)
        if (
            unwritable is None
            or _is_elsewhere(unwritable, (aside, path))
            or mistake_behind(error) is not None
        ):
            raise
        raise InputError(
            f"{path} cannot be written: {unwritable.strerror}; what was there is kept"
        ) from error
    finally:
        os.close(held)  # first, since a network file system keeps the name of a file that is open
        _remove_aside(aside)


REPLACED = ".replaced"
"""What was there before, while a folder is replaced in two steps."""
HELD = ".held"
"""In a folder beside what is to be written: locked as long as somebody writes there."""


def _held_aside(path: Path) -> tuple[Path, int]:
    """A new folder beside `path`, and the lock that tells others that somebody is writing there."""
    while True:
        aside = Path(tempfile.mkdtemp(prefix=f"{TEMPORARY}{path.name}.", dir=path.parent))
        try:  # a file, since network file systems tell other machines of locks of files alone
            held = os.open(aside / HELD, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError:
            shutil.rmtree(aside, ignore_errors=True)
            raise
        with contextlib.suppress(OSError):  # on a file system without locks nobody removes it
            fcntl.flock(held, fcntl.LOCK_EX)
        if (aside / HELD).exists():  # else somebody took it for left, before it was locked
            return aside, held
        os.close(held)


def _remove_left(path: Path) -> None:
    """Remove what killed processes left of writing `path`; what is still being written is locked."""
    for held in path.parent.glob(f"{TEMPORARY}{glob.escape(path.name)}.????????/{HELD}"):
        if held.parent.is_symlink():
            continue
        with contextlib.suppress(OSError):
            found = os.open(held, os.O_RDWR | os.O_NOFOLLOW)
            try:
                fcntl.flock(found, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _remove_aside(held.parent)
            finally:
                os.close(found)


def _remove_aside(aside: Path) -> None:
    """Remove a folder that something was being written in.

    What was to be replaced is put back first, where its writer was killed between the two steps that this
    takes on some systems.
    """
    replaced, path = aside / REPLACED, aside.parent / aside.name[len(TEMPORARY) :].rpartition(".")[0]
    if os.path.lexists(replaced) and not os.path.lexists(path):
        try:
            replaced.rename(path)
        except OSError:
            return  # it is kept where it lies
    shutil.rmtree(aside, ignore_errors=True)


def check_writable(path: str | os.PathLike) -> None:
    """Refuse a place for results before the work that they are of: something is written there, and removed.

    Args:
        path: The file, or the folder, that is to be written.

    Raises:
        InputError: There is no room for it, the folder is not to be written to or is none, or the like.
    """
    path = Path(path)
    try:
        with contextlib.suppress(FileNotFoundError):
            os.lstat(path)
        there = next(p for p in (path.absolute().parent, *path.absolute().parents) if os.path.lexists(p))
        os.rmdir(tempfile.mkdtemp(prefix=f"{TEMPORARY}{path.name}.", dir=there))
    except NO_PATH as error:
        raise InputError(f"{path} cannot be written: {reason(error)}") from error


@contextlib.contextmanager
def writing_below(folder: str | os.PathLike) -> Iterator[None]:
    """Have a full disk be one line also where the library that writes below `folder` names no file.

    TensorBoard writes in a thread: what goes wrong there is raised again at its next use, not printed too.

    Raises:
        InputError: The disk is full, the folder is not to be written to or the like.
    """
    previous = threading.excepthook
    threading.excepthook = lambda of: None if _unwritable_behind(of.exc_value) else previous(of)
    try:
        yield
    except Exception as error:
        unwritable = _unwritable_behind(error)
        if unwritable is None or unwritable.filename is not None or mistake_behind(error) is not None:
            raise
        text = f"{folder} cannot be written to: {unwritable.strerror}; what was there is kept"
        raise InputError(text) from error
    finally:
        threading.excepthook = previous


def _unwritable_behind(error: BaseException | None) -> OSError | None:
    """The error of a disk or of permissions that an error is or came of, as in closing a file after it."""
    while error is not None and not (isinstance(error, OSError) and error.errno in UNWRITABLE):
        error = error.__cause__ or error.__context__
    return error


def reason(error: OSError | ValueError) -> str:
    """Why a path cannot be used, in words of the system."""
    return getattr(error, "strerror", None) or str(error)


def _is_elsewhere(error: OSError, paths: tuple[Path, ...]) -> bool:
    """Whether an error names files, of a copy two, and none of them lies at these paths."""
    named = [str(name) for name in (error.filename, error.filename2) if name is not None]
    return bool(named) and not any(name.startswith(tuple(map(str, paths))) for name in named)


def remove_temporaries(folder: str | os.PathLike, name: str = "*") -> None:
    """Remove what killed processes were writing into a folder, of files of this name or pattern.

    Nobody else may be writing them: hold the folder's lock.
    """
    for left in Path(folder).glob(f"{TEMPORARY}{name}.*"):
        _remove_aside(left)


def _exchange(a: Path, b: Path) -> None:
    """Let two folders change names, at once where the system can: then there is no moment without `b`."""
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)  # Linux
    at_cwd, exchange = -100, 2
    if renameat2 is not None and not renameat2(at_cwd, os.fsencode(a), at_cwd, os.fsencode(b), exchange):
        return
    if renameat2 is not None and ctypes.get_errno() not in (errno.ENOSYS, errno.EINVAL):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(b))
    b.rename(a.parent / REPLACED)
    a.rename(b)


def append_to(path: str | os.PathLike, buffering: int = -1) -> TextIO:
    """Open a text file to write behind what it holds, where it lies.

    A link would lead what is written out of a folder that somebody else made; a pipe would be waited for.

    Raises:
        OSError: There is a link, or something else that is no file; or it cannot be written to.
    """
    return open(path, "a", buffering, "utf-8", opener=_no_link)


def _no_link(path: str, flags: int) -> int:
    try:
        found = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.ENXIO):
            raise
        raise OSError(errno.EEXIST, NO_FILE, str(path)) from None
    if not stat.S_ISREG(os.fstat(found).st_mode):
        os.close(found)
        raise OSError(errno.EEXIST, NO_FILE, str(path))
    return found


NO_FILE = "a link or no file is in the place of one that is to be written"


def write_text(path: str | os.PathLike, text: str) -> None:
    """Write `text` to `path` atomically."""
    with atomic_path(path) as target:
        target.write_text(text, encoding="utf-8")


def write_json(path: str | os.PathLike, value) -> None:
    """Write `value` to `path` as indented JSON, atomically; a number that is not finite is an error."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")
