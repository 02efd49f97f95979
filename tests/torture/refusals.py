"""What a command does with what it cannot use."""

import contextlib
import resource
import shlex
import traceback
from dataclasses import dataclass
from pathlib import Path

from align.cli import main

LONGEST = 1000  # characters of a line
MEMORY = 3 << 30  # bytes that a command may take


@dataclass
class Attempt:
    """What came of a command.

    Attributes:
        status: Its exit status; `None` where it ended in an exception.
        error: What it wrote to stderr; the traceback of an exception.
        changed: Files that appeared, went or were written to.
    """

    status: int | None
    error: str
    changed: set[str]

    def is_refusal(self) -> bool:
        """One line, an exit status that is not 0, and nothing written."""
        line = self.error.startswith("align: ") and self.error.count("\n") == 1 and len(self.error) < LONGEST
        return bool(self.status) and line and not self.changed

    def __str__(self) -> str:
        return f"status {self.status}, changed {sorted(self.changed)[:5]}, stderr:\n{self.error[-1500:]}"


def snapshot(folder: Path) -> dict[str, tuple[int, int]]:
    """Of all that lies below a folder, when it was last written to and its size; of a lock, its size."""
    found = {}
    for path in folder.rglob("*"):
        stat, timeless = path.lstat(), path.is_dir() or path.name == ".lock"
        found[str(path.relative_to(folder))] = (timeless or stat.st_mtime_ns, stat.st_size)
    return found


def attempt(line: str, folder: Path, capfd) -> Attempt:
    """Call `align` with a command line; `fit` is of fit.yaml and into a new run unless it says so."""
    arguments = shlex.split(line)
    if arguments[:1] == ["fit"] and not any(a.startswith("--config") for a in arguments):
        arguments[1:1] = ["--config", "fit.yaml", "--run", "new"]
    before = snapshot(folder)
    capfd.readouterr()
    try:
        with _limited_memory():
            status, raised = main(arguments), ""
    except SystemExit as error:
        status, raised = error.code, ""
    except Exception:  # any is a fault
        status, raised = None, traceback.format_exc()
    after = snapshot(folder)
    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    return Attempt(status, capfd.readouterr().err + raised, changed)


@contextlib.contextmanager
def _limited_memory():
    """Have what asks for more than there is fail, instead of the machine."""
    limits = resource.getrlimit(resource.RLIMIT_AS)
    with contextlib.suppress(OSError, ValueError):  # a system that knows no such limit
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MEMORY, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)
