"""Demonstrations of a sweep: made once, shared by all runs and sweeps that want the same.

A description holds the arguments of `align demos`; or, with `make: module.function`, those of a function of
any world's, which writes a store to its argument `out` (and is given `jobs`, processes, if it takes that).

What else is made from them is described alike, under a name that is no option, one without a dot:
`annotation: {make: align.analysis.reports.annotation.annotate, sim: {made: data.sim}, ...}`. `{made: NAME}`,
here or in the configuration of a run, stands for the path of what is described as NAME.
"""

import hashlib
import importlib
import inspect
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jsonargparse import ArgumentParser, Namespace

from align.command.signatures import signature
from align.errors import InputError, one_line
from align.experiments.descriptions import is_option, references, resolve
from align.files import remove_temporaries
from align.run.locks import locked
from align.run.moved import original, original_arguments, parts, renamed

MAKER = "align.commands.demos"
"""What makes the demonstrations of a description that names no function."""
GIVEN = ("out", "jobs", "overwrite")
"""Arguments of such a function that are not the description's to give; it may lack all but the first."""


def maker(arguments: Mapping[str, Any]) -> Callable[..., None]:
    """The function that `make` names as module.function, or that of `align demos`.

    Raises:
        InputError: It cannot be imported, or takes no `out`.
    """
    path = renamed(arguments.get("make", MAKER))
    module, _, name = str(path).rpartition(".")
    try:
        function = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise InputError(f"demos: make={path!r} cannot be imported: {one_line(error)}") from None
    if not inspect.isfunction(function) or "out" not in inspect.signature(function).parameters:
        raise InputError(f"demos: make={path!r}: expected a function with an argument out, the store's path")
    return function


def complete(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """All arguments of the function that makes the demonstrations, defaults included, as it takes them.

    Raises:
        InputError: One is unknown or unfit.
    """
    parser, config = _parse(arguments)
    try:
        return vars(parser.instantiate(config))
    except Exception as error:  # as in _parse
        raise InputError(f"demos: {one_line(error)}") from None


def _parse(arguments: Mapping[str, Any]) -> tuple[ArgumentParser, Namespace]:
    """The parser of the function's arguments, and these arguments as plain data, defaults included."""
    parser = ArgumentParser(exit_on_error=False)
    parser.add_function_arguments(maker(arguments), skip=set(GIVEN), fail_untyped=True)
    current = renamed(arguments)
    own = {name: {} for name in parts(current.get("make", MAKER))} | current
    own.pop("make", None)
    try:
        return parser, parser.parse_object(own)
    except Exception as error:  # whatever the parser makes of it, it is the file's mistake
        raise InputError(f"demos: {one_line(error)}") from None


def store_path(arguments: Mapping[str, Any], folder: Path) -> Path:
    """Where the demonstrations lie: a store is shared by what is the same.

    What that is the function says that makes them, if it has an attribute `identity`: by its arguments as it
    takes them, a name and plain data. Otherwise it is its arguments as they are written.

    Raises:
        InputError: An argument is unknown or unfit, or the function says so, if it has an attribute `check`
            that is called with all of them.
    """
    path = renamed(arguments.get("make", MAKER))
    name = original(path)  # a store is found again, whatever has moved since
    if check := getattr(maker(arguments), "check", None):
        check(complete(arguments))
    if identity := getattr(maker(arguments), "identity", None):
        name, values = identity(complete(arguments))
        text = json.dumps(values, sort_keys=True)
    else:
        parser, config = _parse(arguments)
        values = json.loads(parser.dump(config, format="json", skip_unset=False))
        values = original_arguments(path, values)
        values = {k: v for k, v in values.items() if v is not None}  # an argument added later renames nothing
        text = json.dumps({"make": name, **values}, sort_keys=True)
    digest = hashlib.blake2b(text.encode(), digest_size=6).hexdigest()
    default = inspect.signature(maker(arguments)).parameters["out"].default
    suffix = Path(default).suffix if isinstance(default, str) else ".zarr"
    return folder / f"{name}-{digest}{suffix}"


def store_paths(demos: Mapping[str, Mapping[str, Any]], folder: Path) -> dict[str, Path]:
    """`store_path` of each; descriptions may refer to those before them."""
    paths: dict[str, Path] = {}
    for name, arguments in demos.items():
        paths[name] = store_path(resolve(arguments, paths), folder)
    return paths


def places(demos: Mapping[str, Mapping[str, Any]], folder: Path) -> dict[str, Path | None]:
    """`store_path` of each, as far as it is known without seconds of imports, for a look ahead.

    `None` of what nothing else takes and was never made in the folder: the name has all that its function
    takes, and that is to import it.
    """
    paths: dict[str, Path | None] = {}
    for name, arguments in demos.items():
        taken = any(name in references(other) for other in demos.values())
        new = not (is_option(name) or taken) and _is_new(arguments, folder)
        paths[name] = None if new else store_path(resolve(arguments, paths), folder)
    return paths


def _is_new(arguments: Mapping[str, Any], folder: Path) -> bool:
    """Whether a function of ours that takes such arguments, and is slow to import, made nothing there."""
    path = renamed(arguments.get("make", MAKER))
    if path.rpartition(".")[0] == MAKER.rpartition(".")[0]:  # which is imported in no time
        return False
    try:
        taken = {argument.name for argument in signature(path).arguments}
    except LookupError:  # a user's, or none
        return False
    return taken >= set(renamed(arguments)) - {"make"} and not any(folder.glob(f"{original(path)}-*"))


def prepare(demos: Mapping[str, Mapping[str, Any]], folder: Path, jobs: int) -> dict[str, str]:
    """Make what is missing; another sweep that makes the same is waited for.

    Args:
        demos: Arguments of the function that makes them by the option that takes the store's path.
        folder: Folder of the stores.
        jobs: Processes.

    Returns:
        Path by option.
    """
    paths: dict[str, str] = {}
    for option, described in demos.items():
        arguments = resolve(described, paths)
        path = store_path(arguments, folder)
        with locked(folder / f".{path.name}", "demonstrations", wait=True):
            remove_temporaries(folder, path.name)
            if not path.exists():
                make = maker(arguments)
                given = {"jobs": jobs} if "jobs" in inspect.signature(make).parameters else {}
                make(out=str(path), **given, **complete(arguments))
                if not path.exists():
                    raise InputError(f"demos: make={arguments['make']!r} wrote nothing to out={str(path)!r}")
        paths[option] = str(path)
    return paths
