"""Demonstrations of a sweep: made once, shared by all runs and sweeps that want the same."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jsonargparse import ArgumentParser

from align.cli import one_line
from align.commands import demos as make
from align.errors import InputError
from align.files import locked
from align.worlds.pushing.gaps import Gap


def complete(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """All arguments of `align demos` but `out` and `jobs`, defaults included, as it takes them.

    Raises:
        InputError: One is unknown or unfit.
    """
    parser = ArgumentParser(exit_on_error=False)
    parser.add_function_arguments(make, skip={"out", "jobs", "overwrite"})
    try:
        return vars(parser.instantiate(parser.parse_object(dict(arguments))))
    except Exception as error:  # whatever the parser makes of it, it is the file's mistake
        raise InputError(f"demos: {one_line(error)}") from None


def store_path(arguments: Mapping[str, Any], folder: Path) -> Path:
    """Where the demonstrations lie: a store is shared by what is the same down to the world's numbers."""
    values = complete(arguments)
    world = values["world"] or Gap()
    values["world"] = dataclasses.asdict(world.world() if isinstance(world, Gap) else world)
    text = json.dumps(values, sort_keys=True)
    return folder / f"pushing-{hashlib.blake2b(text.encode(), digest_size=6).hexdigest()}.zarr"


def prepare(demos: Mapping[str, Mapping[str, Any]], folder: Path, jobs: int) -> dict[str, str]:
    """Make what is missing; another sweep that makes the same is waited for.

    Args:
        demos: Arguments of `align demos` by the option that takes the store's path.
        folder: Folder of the stores.
        jobs: Processes.

    Returns:
        Path by option.
    """
    paths = {}
    for option, arguments in demos.items():
        path = store_path(arguments, folder)
        with locked(folder / f".{path.stem}", "demonstrations", wait=True):
            if not path.exists():
                make(out=str(path), jobs=jobs, **complete(arguments))
        paths[option] = str(path)
    return paths
