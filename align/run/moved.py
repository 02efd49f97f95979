"""Where things have moved: the names that recorded configurations, checkpoints and grids may know them by."""

from collections.abc import Mapping
from typing import Any

ANNOTATE = "align.analysis.reports.annotation.annotate"
MOVED = {"analysis.annotation.annotate": ANNOTATE}
"""By the first name under which something could be named, the one that it has now."""
ARGUMENTS = {
    **{
        name: {"marginal": "reg_m"}
        for name in ("align.alignment.UnbalancedOT", "align.alignment.transport.UnbalancedOT")
    },
    ANNOTATE: {
        **{n: f"data.{n}" for n in ("sim", "real", "sim_keys", "real_keys")},
        **{n: f"data.{n}" for n in ("validation", "max_sim", "max_real", "alpha")},
        "split_seed": "data.seed",
        **{n: f"policy.{n}" for n in ("horizon", "n_obs_steps", "n_action_steps")},
        **{n: f"policy.{n}" for n in ("relative_actions", "step_scale")},
        **{n: f"policy.schedule.{n}" for n in ("train_steps", "beta_schedule")},
    },
}
"""By class or function, its arguments that have been renamed, or are now part of another: `other.name`."""
WITHOUT_SCHEDULE = {"train_steps": 100, "beta_schedule": "squaredcos_cap_v2"}
"""What an annotation's first arguments said where no schedule was given."""


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
        if isinstance(value.get("init_args"), dict):
            value["init_args"] = _arguments(value.get("class_path"), value["init_args"])
        return _arguments(value["make"], value) if "make" in value else value
    if isinstance(value, list):
        return [renamed(part) for part in value]
    return current(value) if isinstance(value, str) else value


def _arguments(name: object, arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a class or function under the names that they have now."""
    names = ARGUMENTS.get(name, {}) if isinstance(name, str) else {}
    kept = {key: value for key, value in arguments.items() if key not in names}
    for old in (key for key in arguments if key in names):
        *parents, last = names[old].split(".")
        place = kept
        for parent in parents:
            place[parent] = dict(place.get(parent) or {})
            place = place[parent]
        place[last] = arguments[old]
    return kept


def parts(name: str) -> set[str]:
    """The arguments that others have become part of."""
    return {path.split(".")[0] for path in ARGUMENTS.get(name, {}).values() if "." in path}


def original_arguments(name: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments by which what a function makes was known at first; what they do not say does not count.

    Args:
        name: Its current name.
        values: All its arguments, defaults included, as plain data; components are {class_path, init_args}.
    """
    names = ARGUMENTS.get(name, {})
    first = {key: value for key, value in values.items() if key not in parts(name)}
    for old, path in names.items():
        value: Any = values
        for part in path.split("."):
            value = (value or {}).get("init_args", value or {}).get(part)
        first[old] = WITHOUT_SCHEDULE.get(old) if value is None else value
    return first
