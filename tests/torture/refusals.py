"""What a command does with what it cannot use."""

import os
import resource
import shlex
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from forked import Forked

LONGEST = 1000  # characters of a line
MEMORY = 3 << 30  # bytes that a command may take
SECONDS = 300  # a case that takes longer hangs, also on a busy machine


@dataclass
class Attempt:
    """What came of a command.

    Attributes:
        status: Its exit status; negative the signal that ended it.
        error: What it wrote to stderr.
        changed: Files that appeared, went or were written to.
    """

    status: int
    error: str
    changed: set[str]

    def is_refusal(self) -> bool:
        """One line, an exit status that is not 0, and nothing written."""
        line = self.error.startswith("align: ") and self.error.count("\n") == 1 and len(self.error) < LONGEST
        return self.status > 0 and line and not self.changed

    def __str__(self) -> str:
        return f"status {self.status}, changed {sorted(self.changed)[:5]}, stderr:\n{self.error[-1500:]}"


def snapshot(folder: Path) -> dict[str, tuple[int, int]]:
    """Of all that lies below a folder, when it was last written to and its size; of a lock, its size."""
    found, folders = {}, [str(folder)]
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                stat, is_folder = entry.stat(follow_symlinks=False), entry.is_dir(follow_symlinks=False)
                timeless = is_folder or entry.name == ".lock"
                found[entry.path.removeprefix(f"{folder}/")] = (timeless or stat.st_mtime_ns, stat.st_size)
                folders += [entry.path] * is_folder
    return found


def attempt(line: str, folder: Path, genuine: bool = False) -> Attempt:
    """Call `align` with a command line; `fit` is of fit.yaml and into a new run unless it says so.

    Args:
        line: The arguments.
        folder: The working directory.
        genuine: Whether as a user does, in a new process.
    """
    arguments = shlex.split(line)
    if arguments[:1] == ["fit"] and not any(a.startswith("--config") for a in arguments):
        arguments[1:1] = ["--config", "fit.yaml", "--run", "new"]
    before = snapshot(folder)
    with tempfile.TemporaryDirectory() as aside:
        output, errors = Path(aside) / "output", Path(aside) / "errors"
        if genuine or sys.platform != "linux":
            with open(output, "wb") as out, open(errors, "wb") as err:
                command = [Path(sys.executable).with_name("align"), *arguments]
                status = subprocess.run(
                    command, cwd=folder, stdout=out, stderr=err, timeout=SECONDS
                ).returncode
        else:
            limits = {resource.RLIMIT_AS: MEMORY, **_limited_files()}
            status = Forked(folder, arguments, output, errors, limits).wait(SECONDS)
        told = errors.read_text(errors="replace")
    after = snapshot(folder)
    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    return Attempt(status, told, changed)


def _limited_files() -> dict[int, int]:
    """The limit on the size of files that this process has, which what another one forks does not inherit."""
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    return {} if limit == resource.RLIM_INFINITY else {resource.RLIMIT_FSIZE: limit}
