"""Demonstrations of a sweep: made once, shared by all runs that want the same."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from align.commands import demos as make


def store_path(arguments: Mapping, folder: Path) -> Path:
    """Where the demonstrations made with these arguments lie: equal arguments share a store."""
    text = json.dumps(arguments, sort_keys=True)
    return folder / f"pushing-{hashlib.blake2b(text.encode(), digest_size=6).hexdigest()}.zarr"


def prepare(demos: Mapping[str, Mapping], folder: Path, jobs: int) -> dict[str, str]:
    """Make what is missing.

    Args:
        demos: Arguments of `align demos` by the option that takes the store's path.
        folder: Folder of the stores.
        jobs: Processes.

    Returns:
        Path by option.
    """
    from jsonargparse import ArgumentParser

    paths = {}
    for option, arguments in demos.items():
        path = store_path(arguments, folder)
        if not path.exists():
            parser = ArgumentParser(exit_on_error=False)
            parser.add_function_arguments(make, skip={"out", "jobs"})
            values = parser.instantiate_classes(parser.parse_object(dict(arguments)))
            make(out=str(path), jobs=jobs, **vars(values))
        paths[option] = str(path)
    return paths
