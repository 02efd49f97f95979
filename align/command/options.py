"""How options are read: one line for a mistake, and what jsonargparse's own reader of YAML leaves out."""

import functools
import inspect
import itertools
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from align.checkpoints.trust import importing_nothing_new
from align.command.fit_options import SECTIONS
from align.command.parse_errors import REQUIRED, explained
from align.command.signatures import signature
from align.errors import InputError, shown
from align.run.config import read_yaml
from align.run.moved import ARGUMENTS, renamed


def parse(parser, arguments: list[str], options: Mapping[str, str]):
    """The parsed options.

    Args:
        parser: Jsonargparse's.
        arguments: The command line.
        options: All options and what they say, for messages.

    Raises:
        InputError: An option is unknown or has a value that does not fit.
    """
    from jsonargparse import ArgumentError

    try:
        return parser.parse_args(arguments)
    except (ArgumentError, TypeError, ValueError) as error:
        raise InputError(explained(error, options)) from None


OWN_DATA = "own_data, which ships"


def check_fit_configs(arguments: list[str]) -> None:
    """Refuse a file after `--config` that is no configuration of `align fit`.

    Raises:
        InputError: It cannot be read, or is a grid, or a base of grids.
    """
    for path in _configs(arguments):
        if not Path(path).is_file():
            raise InputError(f"config={path!r}: there is no such file; expected YAML, or {OWN_DATA}")
        content = read_yaml(path)
        kind = "a grid" if "axes" in content else "a base of sweeps" if "scales" in content else None
        if kind is not None:
            run = f"{Path(path).stem}" if kind == "a grid" else f"lambda --base {Path(path).stem}"
            raise InputError(
                f"config={path!r}: is {kind}, which align sweep {run} runs; expected a configuration of "
                "align fit, e.g. own_data, with model, data and trainer"
            )
        if not content:
            raise InputError(f"config={path!r}: is empty; expected a configuration of align fit")


def with_config(message: str, arguments: Sequence[str]) -> str:
    """A message about an option, after the configuration that gives it, if not the command line does.

    Args:
        message: E.g. "data.batch_size=0: expected …".
        arguments: The command line.
    """
    configs = _configs(arguments)
    if any(path and path in message for path in configs):
        return message
    if configs and (REQUIRED in message or message.startswith("Problems parsing config: ")):
        return f"{configs[-1]}: {message}"
    option = re.match(r"(?:--)?([A-Za-z_][\w.]*)(=|: )(Namespace\(|.?)", message)
    if option is None:
        return message
    name = option[1].rpartition(".")[2]
    on_line = (a.partition("=")[0].rpartition(".")[2].lstrip("-") for a in arguments if a.startswith("--"))
    if name in on_line:
        return message
    for path in reversed(configs):
        try:
            values = list(_values(read_yaml(path), name))
        except InputError:
            continue
        if option[2] == "=" and option[3] not in (
            "{",
            "Namespace(",
        ):  # the checkpoint of a run is no section of options
            values = [value for value in values if not isinstance(value, Mapping)]
        if values:
            return f"{path}: {message}"
    return message


def _configs(arguments: Sequence[str]) -> list[str]:
    return [path for before, path in itertools.pairwise(arguments) if before in ("--config", "-c")]


def configs_first(arguments: Sequence[str]) -> list[str]:
    """Arguments with all files of `--config` before the options, which hold over them wherever they stand."""
    words = list(itertools.takewhile(lambda argument: not argument.startswith("-"), arguments))
    files, options, rest = [], [], iter(arguments[len(words) :])
    for argument in rest:
        if argument in ("--config", "-c"):
            files += [argument, *itertools.islice(rest, 1)]
        else:
            options.append(argument)
    return [*words, *files, *options]


AGAIN = ("set_", "trust", "names")
"""Lists in which a text may be there twice: two files may be of one arm."""


def check_lists(function: Callable, values: Mapping[str, Any]) -> None:
    """Refuse lists of names that cannot be meant.

    An empty one, where none is given by default, would be taken for not given; what is named twice would
    count twice.

    Args:
        function: A command.
        values: What it is to be called with, by parameter.

    Raises:
        InputError: There is one.
    """
    for name, parameter in inspect.signature(function).parameters.items():
        given, option = values.get(name), name.removesuffix("_")
        if "list[str]" not in str(parameter.annotation) or not isinstance(given, list):
            continue
        if parameter.default is None and not given:
            raise InputError(f"{option}=[]: expected one or more, or no --{option}")
        if name not in AGAIN and (twice := [text for i, text in enumerate(given) if text in given[:i]]):
            raise InputError(f"{option}={shown(given)}: {twice[0]!r} is there twice; expected it once")


def _values(content: object, name: str) -> Iterator[object]:
    """All values that have a name, however deep in mappings and lists."""
    if isinstance(content, Mapping):
        yield from (value for key, value in content.items() if key == name)
        content = list(content.values())
    for part in content if isinstance(content, list) else ():
        yield from _values(part, name)


def check_nulls(options: object, where: str = "") -> None:
    """Refuse `null` where an argument of ours takes none, and arguments of a class that are no mapping.

    Jsonargparse refuses `null` of the command line alone.

    Args:
        options: What is parsed, as nested mappings and lists.
        where: The key that it is under.

    Raises:
        InputError: There is one.
    """
    if isinstance(options, list):
        for i, part in enumerate(options):
            check_nulls(part, f"{where}.{i}")
        return
    if not isinstance(options, Mapping):
        return
    for name, value in options.items():
        check_nulls(value, f"{where}.{name}" if where else str(name))
    given, kind = options.get("init_args"), options.get("class_path")
    if where in SECTIONS and kind is None:
        given, kind = options, SECTIONS[where]
    if kind is not None and not isinstance(given, Mapping | None):
        raise InputError(f"{where}.init_args={shown(given)}: expected a mapping of arguments")
    if isinstance(given, Mapping) and isinstance(kind, str):
        try:
            arguments = signature(kind).arguments
        except LookupError:  # not of ours
            return
        for argument in arguments:
            if given.get(argument.name, argument) is None and "None" not in argument.type:
                key = f"{where}.{argument.name}".replace(".init_args", "")
                raise InputError(f"{key}=null: expected {argument.type}")


def check_arguments(kind: type, values: Mapping[str, Any], where: str) -> None:
    """Refuse what a file says of a class's constructor arguments where it has other types than they have.

    What it names is not imported.

    Raises:
        InputError: A value does not fit, or there is no such argument.
    """
    from jsonargparse import ArgumentError, ArgumentParser

    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(kind, fail_untyped=True)
    try:
        with importing_nothing_new():
            parser.parse_object(dict(values))
    except (ArgumentError, ImportError, TypeError, ValueError) as error:
        raise InputError(f"{where}: {explained(error, {})}") from None


def takes_fit(function: Callable) -> bool:
    """Whether a function is one of data and policy, as `align fit` describes them."""
    return {"data", "policy"} <= set(inspect.signature(function).parameters)


def from_fit(function: Callable, arguments: list[str]) -> list[str]:
    """Arguments of a function of data and policy, with what `--config FIT.yaml` says of them in its place.

    Both are `align fit`'s: `--data.sim` and `--model.policy.horizon` change what the file says. What the
    function once took by itself, as `--horizon`, is known by its old name.
    """
    if not takes_fit(function):
        return arguments
    names = ARGUMENTS.get(f"{function.__module__}.{function.__qualname__}", {})
    given = configs_first(arguments)
    parts = [p for a in given for p in (a.split("=", 1) if a.startswith("--") else [a])]
    taken: list[str] = []
    for before, part, after in zip(["", *parts], parts, [*parts[1:], "--"], strict=False):
        if before in ("--config", "-c"):
            config = read_yaml(part)
            found = {"data": config.get("data"), "policy": (config.get("model") or {}).get("policy")}
            if absent := [name for name, value in found.items() if value is None]:
                raise InputError(f"config={part!r}: no {absent[0]}; expected a configuration of align fit")
            taken += [f"--{name}={json.dumps(value)}" for name, value in found.items()]
        elif part.startswith("--model.policy"):
            taken.append(part.replace("--model.policy", "--policy", 1))
        elif part not in ("--config", "-c"):
            old = part.removeprefix("--") if part.startswith("--") else None
            taken.append(f"--{names[old]}" if old in names else part)
            taken += ["true"] if old in names and after.startswith("--") else []
    return taken


def whole_settings(arguments: list[str]) -> list[str]:
    """Arguments of `align sweep` with all that is given as `--set` or `--set+` in one list of texts.

    One by one they would be read as YAML, in which `data.sim_keys={agent_pos: pose}` is no text.
    """
    taken, settings, rest = [], [], iter(arguments)
    for argument in rest:
        option, equals, value = argument.partition("=")
        if option not in _SET:
            taken.append(argument)
            continue
        value = value if equals else next(rest, None)
        if value is None or value.startswith("["):  # nothing, or a list already
            return arguments
        settings.append(value)
    return [*taken, f"--set={json.dumps(settings, ensure_ascii=False)}"] if settings else taken


_SET = ("--set", "--set+")


@functools.cache
def read_old_names() -> None:
    """Have parsers take the names that things have had before; see `align.run.moved`."""
    _read_yaml(lambda load: lambda text: renamed(load(text)))


@functools.cache
def read_nested_null() -> None:
    """Let `null` on the command line be none inside a component too, as it is in YAML.

    jsonargparse reads the value, writes it as Python does, and reads it again in the component's own parser.
    """
    _read_yaml(lambda load: lambda text: None if text.strip() == "None" else load(text))


def _read_yaml(around) -> None:
    """Put `around` the function by which parsers read YAML."""
    import yaml
    from jsonargparse import get_loader, set_loader

    set_loader("yaml", around(get_loader("yaml")), (yaml.YAMLError,))
