"""Commands in processes of their own, forked from one that has imported everything."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

from waiting import LONG

from align.experiments import warm


class Victim:
    """`align` with some arguments, in a folder.

    Args:
        folder: The working directory.
        arguments: Of `align`.
        output: File that its output is added to.
    """

    def __init__(self, folder: Path, arguments: list[str], output: Path, around: Callable | None = None):
        self.process = warm.start(_main, str(folder), arguments, str(output), around)

    def has_ended(self) -> bool:
        return self.process.exitcode is not None

    def wait(self, seconds: float = LONG) -> int:
        """Its exit status; negative the signal that ended it."""
        self.process.join(seconds)
        assert self.process.exitcode is not None, f"it did not end in {seconds} s"
        return self.process.exitcode


def _main(folder: str, arguments: list[str], output: str, around: Callable | None) -> None:
    os.setsid()
    os.chdir(folder)
    target = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(target, stream.fileno())
    from align.cli import main

    sys.argv = ["align", *arguments]
    if around is not None:
        around()
    sys.exit(main(arguments))


def holding_open(folder: Path) -> dict[int, set[str]]:
    """The processes that hold files below a folder open, and which."""
    found: dict[int, set[str]] = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            files = {os.readlink(fd) for fd in (process / "fd").iterdir()}
        except OSError:  # it has ended meanwhile
            continue
        if ours := {file for file in files if file.startswith(f"{folder}/")}:
            found[int(process.name)] = ours
    return found
