"""Where things have moved: the names that recorded configurations, checkpoints and grids may know them by."""

from collections.abc import Mapping
from typing import Any

MOVED = {"analysis.annotation.annotate": "align.analysis.reports.annotation.annotate"}
"""By the first name under which something could be named, the one that it has now."""
ARGUMENTS = {
    name: {"marginal": "reg_m"}
    for name in ("align.alignment.UnbalancedOT", "align.alignment.transport.UnbalancedOT")
}
"""By class, the arguments that have been renamed since, as POT names them."""


def current(name: str) -> str:
    """The name that a class or function has now."""
    return MOVED.get(name, name)


def original(name: str) -> str:
    """The first name of a class or function, by which what was made with it is known for good."""
    return next((old for old, new in MOVED.items() if new == name), name)


def renamed(value: Any) -> Any:
    """`value`, nested mappings and lists of plain data, with the current names in place of all old ones."""
    if isinstance(value, Mapping):
        value = {key: renamed(part) for key, part in value.items()}
        names = ARGUMENTS.get(str(value.get("class_path")))
        if names and isinstance(value.get("init_args"), dict):
            value["init_args"] = {names.get(key, key): part for key, part in value["init_args"].items()}
        return value
    if isinstance(value, list):
        return [renamed(part) for part in value]
    return current(value) if isinstance(value, str) else value
