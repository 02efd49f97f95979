"""Runs, sweeps and other folders of results, held by one process that writes into them at a time."""

import contextlib
import errno
import fcntl
import json
import os
import shutil
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from align.errors import InputError, printable
from align.files import NO_PATH, append_to, reason
from align.run.layout import CONFIG, GRID, LAST_CHECKPOINT, POINT, RESULTS

LOCK, REPORT_LOCK = ".lock", ".report.lock"
"""Files that a process holds which writes into a folder, or but its tables and figures."""
NO_LOCKS = {getattr(errno, name) for name in ("ENOLCK", "ENOSYS", "EOPNOTSUPP", "ENOTSUP", "EINVAL")}
"""Errors of file systems that cannot lock."""


@contextlib.contextmanager
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
            raise InputError(f"{what} {str(folder)!r} cannot be written to: {reason(error)}") from error
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
