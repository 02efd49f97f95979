"""Options of a configuration: set by name, merged, read from the command line."""

import copy
import difflib
from collections.abc import Collection, Mapping
from typing import Any

from align.command.fit_options import TRAINER_DEFAULTS
from align.errors import InputError, shown
from align.run.config import parse_yaml


def set_option(config: dict[str, Any], option: str, value: Any) -> None:
    """Set `a.b.c` in nested mappings; a part that is a number indexes a list.

    Raises:
        InputError: What the option would be part of cannot hold it.
    """
    *parents, last = option.split(".")
    within: Any = config
    try:
        for part in parents:
            within = within[int(part)] if isinstance(within, list) else within.setdefault(part, {})
        within[int(last) if isinstance(within, list) else last] = value
    except (AttributeError, IndexError, TypeError, ValueError):  # neither a mapping nor a list that long
        found = f"a list of {len(within)}" if isinstance(within, list) else repr(within)
        raise InputError(
            f"{option}: it would be part of {found}; expected a mapping, or a list with it"
        ) from None


def get_option(config: Any, option: str, default: Any = None) -> Any:
    """What `a.b.c` is in nested mappings; the default where it is not there."""
    for part in option.split("."):
        if not isinstance(config, Mapping) or part not in config:
            return default
        config = config[part]
    return config


def training_steps(config: Mapping[str, Any]) -> int:
    """How many steps a configuration trains for.

    Raises:
        InputError: What it says is no number.
    """
    option = "trainer.max_steps"
    steps = number(option, get_option(config, option, TRAINER_DEFAULTS["max_steps"]))
    if steps is None or not abs(steps) < float("inf"):
        raise InputError(f"{option}={steps}: expected a whole number")
    return int(steps)


def number(option: str, value: Any) -> float | None:
    """What a configuration says of an option that takes a number, and perhaps none.

    Raises:
        InputError: It is something else.
    """
    try:
        return None if value is None else float(value)
    except (OverflowError, TypeError, ValueError):
        raise InputError(f"{option}={shown(value)}: expected a number") from None


def merge(base: Any, update: Any) -> Any:
    """`update` over `base`: mappings are merged key by key, anything else is replaced.

    So is a component (a mapping with a `class_path`) by one of another class, and demonstrations by those
    that another function makes (`make`): their arguments do not fit.
    """
    both = isinstance(base, Mapping) and isinstance(update, Mapping)
    if not both or any(update.get(key, base.get(key)) != base.get(key) for key in ("class_path", "make")):
        return copy.deepcopy(update)
    merged = {key: copy.deepcopy(value) for key, value in base.items()}
    for key, value in update.items():
        merged[key] = merge(base[key], value) if key in base else copy.deepcopy(value)
    return merged


def read_override(text: str) -> tuple[str, Any]:
    """Option and value of "option=value"; the value is YAML.

    Raises:
        InputError: It is not of this form.
    """
    option, separator, value = text.partition("=")
    if not separator or not option:
        raise InputError(f"set={text!r}: expected option=value")
    return option, parse_yaml(value, f"set={text!r}")


def check_keys(content: Any, known: Collection[str], file: str, *where: str) -> None:
    """Refuse keys of a mapping that mean nothing; what is no mapping is left to others.

    Args:
        content: What was read.
        known: The keys that mean something.
        file: What to call the file.
        where: The keys below which it was read.

    Raises:
        InputError: There is another, named by its path inside the file.
    """
    if not isinstance(content, Mapping):
        return
    for key in content:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"expected one of {', '.join(known)}"
            raise InputError(f"{'.'.join((*where, str(key)))} of {file}: unknown; {hint}")
