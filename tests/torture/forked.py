"""`align` in processes of its own, forked from one that has imported everything: no case pays for that again.

What a shell would start goes through the same entry point with its own arguments, folder, environment,
streams and process group, and leaves no trace in another. What differs: the libraries' own start-up, which
some cases in new processes cover, and the seed of `hash`.
"""

import atexit
import os
import resource
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from waiting import LONG

from align.experiments import warm


class Forked:
    """`align` with some arguments, in a folder.

    Args:
        folder: The working directory.
        arguments: Of `align`.
        output: File that its output is added to.
        errors: File that its errors are added to; by default `output`.
        limits: Of resources, by their number in `resource`; of memory that beyond what it has at its start.
    """

    def __init__(
        self,
        folder: Path,
        arguments: list[str],
        output: Path,
        errors: Path | None = None,
        limits: Mapping[int, int] | None = None,
    ):
        given = (str(folder), arguments, str(output), str(errors or output), dict(os.environ), limits or {})
        self.process = warm.start(_main, *given)

    @property
    def pid(self) -> int:
        return self.process.pid

    def has_ended(self) -> bool:
        return self.process.exitcode is not None

    def wait(self, seconds: float = LONG) -> int:
        """Its exit status; negative the signal that ended it."""
        self.process.join(seconds)
        if self.process.exitcode is None:
            os.killpg(self.pid, signal.SIGKILL)
            raise TimeoutError(f"it did not end in {seconds} s")
        return self.process.exitcode


def _main(
    folder: str,
    arguments: list[str],
    output: str,
    errors: str,
    environment: dict[str, str],
    limits: Mapping[int, int],
) -> None:
    os.setsid()
    os.environ.clear()
    os.environ.update(environment)
    for path, stream in ((output, sys.stdout), (errors, sys.stderr)):
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(file, stream.fileno())
        os.close(file)
    os.chdir(folder)
    for kind, limit in limits.items():
        if kind == resource.RLIMIT_AS:
            limit += int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(kind, (limit, resource.getrlimit(kind)[1]))
    from align.cli import main

    sys.argv = ["align", *arguments]
    try:
        sys.exit(main())
    finally:  # multiprocessing flushes, waits for threads and prints what was raised, and does not do this
        atexit._run_exitfuncs()


def holding_open(folder: Path) -> dict[int, set[str]]:
    """The processes that hold files below a folder open, and which."""
    found: dict[int, set[str]] = {}
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended meanwhile
            files = {os.readlink(fd) for fd in (process / "fd").iterdir()}
            if ours := {file for file in files if file.startswith(f"{folder}/")}:
                found[int(process.name)] = ours
    return found
