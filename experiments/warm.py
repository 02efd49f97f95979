"""Processes that need not import anything: forked from one that has (Python's "forkserver").

To import PyTorch, Lightning and the rest takes seconds, twice a run, of a core that could train. The server
itself computes nothing and holds one thread, so that forking it is safe; on other systems than Linux, where
their libraries forbid it, and for GPUs and several devices, runs start in new processes.
"""

import multiprocessing
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import IO

from align.run.config import read_yaml
from align.run.layout import REQUEST

LIBRARIES = ["align.fit", "align.callbacks", "align.analysis.commands", "align.experiments.launch"]
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
LINUX = sys.platform == "linux"

# A fork names the sweep's own command `__main__` a second time, which is as harmless as it is usual.
warnings.filterwarnings("ignore", "'align.cli' found in sys.modules", RuntimeWarning)


def start(target: Callable, *arguments: object) -> BaseProcess:
    """Start a process, forked from the server where there can be one, that calls `target`."""
    context = multiprocessing.get_context("forkserver" if LINUX else "spawn")
    if LINUX:
        context.set_forkserver_preload(LIBRARIES)
    process = context.Process(target=target, args=arguments)
    with _environment(ONE_THREAD):  # of the server, should this be its first process
        process.start()
    return process


def fits(run: Path) -> bool:
    """Whether the run in this directory may train in a fork: on Linux, by one CPU process."""
    if not (run / REQUEST).is_file():  # it is no run
        return False
    trainer = read_yaml(run / REQUEST).get("trainer") or {}
    return LINUX and trainer.get("accelerator") == "cpu" and trainer.get("devices", 1) in (1, "auto")


def call(command: list[str], log: IO) -> int:
    """Run `align` with some arguments in a fork of this process, which other commands leave no trace in.

    Args:
        command: Its arguments.
        log: Where its output goes.

    Returns:
        Its exit status; negative the signal that ended it.
    """
    process = multiprocessing.get_context("fork").Process(target=_align, args=(command, log.fileno()))
    process.start()
    process.join()
    return process.exitcode


def _align(command: list[str], output: int) -> None:
    from align.cli import main

    os.dup2(output, sys.stdout.fileno())
    os.dup2(output, sys.stderr.fileno())
    sys.argv = ["align", *command]
    sys.exit(main(command))


@contextmanager
def _environment(changes: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in changes}
    os.environ.update(changes)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
