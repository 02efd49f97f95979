"""Files that appear whole or not at all."""

import contextlib
import ctypes
import errno
import fcntl
import glob
import json
import os
import shutil
import socket
import stat
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from align.errors import InputError, mistake_behind, printable

LOCK, REPORT_LOCK = ".lock", ".report.lock"
"""Files that a process holds which writes into a folder, or but its tables and figures."""
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
NO_LOCKS = {getattr(errno, name) for name in ("ENOLCK", "ENOSYS", "EOPNOTSUPP", "ENOTSUP", "EINVAL")}
"""Errors of file systems that cannot lock."""


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
        raise InputError(f"{path} cannot be written: {_reason(error)}") from error
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
        raise InputError(f"{path} cannot be written: {_reason(error)}") from error


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


def _reason(error: OSError | ValueError) -> str:
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


def empty(folder: str | os.PathLike) -> None:
    """Remove what is in a folder, but for its lock, which must be held."""
    for path in Path(folder).iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        elif path.name != LOCK:
            path.unlink()


@contextlib.contextmanager
def locked(
    folder: str | os.PathLike,
    what: str,
    wait: bool = False,
    by: str = "",
    leave: bool = True,
    name: str = LOCK,
) -> Iterator[None]:
    """Hold a folder for this process alone; the lock goes with the process, however it ends.

    Args:
        folder: The folder. It is created if need be, and removed again where an error leaves no other file
            than the lock in it.
        what: What the folder is, for the message.
        wait: Wait for another process to let go of it, instead of refusing.
        by: The command that holds it, for the message of whoever is refused.
        leave: Leave the file of the lock there, as in a run or a sweep; elsewhere it would be litter.
        name: Of that file in the folder.

    Raises:
        InputError: Another process holds it.
    """
    folder = Path(folder)
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    with _lock_of(folder, what, wait, name) as file:
        try:
            with contextlib.suppress(OSError):  # a full disk: then its holder has no name
                _sign(file, by)
            yield
        except BaseException:
            files = [file for _, _, files in os.walk(folder) for file in files] if made else []
            if files == [name]:  # it was made for nothing
                shutil.rmtree(folder, ignore_errors=True)
                for path in made[1:]:
                    with contextlib.suppress(OSError):  # a folder that holds something else
                        path.rmdir()
            raise
        finally:
            with contextlib.suppress(OSError):
                _sign(file, "")
            if not leave:  # while it is held: whoever waits for it finds that it is gone, and makes another
                with contextlib.suppress(OSError):
                    (folder / name).unlink()


@contextlib.contextmanager
def unwritten(folder: str | os.PathLike, what: str) -> Iterator[None]:
    """Keep out who would write into a folder that is read, as far as it is to be locked by who may only read.

    Args:
        folder: The folder.
        what: What it is, for the message.

    Raises:
        InputError: A process is writing into it.
    """
    with contextlib.ExitStack() as held:
        for name in (LOCK, REPORT_LOCK):
            with contextlib.suppress(OSError):  # there is none, or it is not to be read
                flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
                found = os.open(Path(folder) / name, flags)
                held.callback(os.close, found)
                try:
                    fcntl.flock(found, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except BlockingIOError:
                    raise _in_use(Path(folder), what, name) from None
        yield


def _lock_of(folder: Path, what: str, wait: bool, name: str) -> TextIO:
    """The file of a folder's lock, locked."""
    while True:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            file = append_to(folder / name)
        except NO_PATH as error:
            raise InputError(f"{what} {str(folder)!r} cannot be written to: {_reason(error)}") from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            file.close()
            raise _in_use(folder, what, name) from None
        except OSError as error:
            if error.errno not in NO_LOCKS:
                file.close()
                raise
            print(
                f"{printable(str(folder))}: its file system has no locks; see to it that no other process "
                f"uses this {what}",
                file=sys.stderr,
            )
        found = os.fstat(file.fileno())
        with contextlib.suppress(OSError):
            if found.st_nlink or os.path.samestat(found, os.stat(folder / name)):
                return file
        file.close()  # whoever held it has removed it


def _sign(file: TextIO, by: str) -> None:
    """Say in the file of a lock who holds it, or nobody; not from a buffer, whose rest is tried again."""
    os.ftruncate(file.fileno(), 0)
    if by:
        told = json.dumps({"by": by, "process": os.getpid(), "host": socket.gethostname()})
        os.write(file.fileno(), told.encode())


def _in_use(folder: Path, what: str, name: str) -> InputError:
    holder = "another process"
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
        told = json.loads((folder / name).read_text(encoding="utf-8")[:1000])
        if told["host"] != socket.gethostname():
            holder = f"{told['by']} (process {int(told['process'])} on {told['host']})"
        elif _is_alive(int(told["process"])):  # or else it was killed, and another has not said its name
            holder = f"{told['by']} (process {int(told['process'])})"
    return InputError(f"{what} {str(folder)!r} is in use by {holder}; wait for it")


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it is somebody else's
        return True
    return True
