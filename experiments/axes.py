"""The axes of a grid: the options that each value sets, and which values go together."""

import itertools
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from align.errors import InputError, shown
from align.experiments.options import check_keys

Axes = dict[str, dict[Any, dict[str, Any]]]
"""By axis and value, the options that the value sets; with "only", the values of other axes it goes with."""
KEYS = ("option", "values", "keep")
SEED = "seed"
"""The axis of trainings that differ in their seeds alone."""
NAME = re.compile(r"[^/=,.\s][^/=,]*")
MOST = 100_000
"""Combinations of the values of all axes, of which runs are some."""
RESERVED = ("run", "missing")
"""Columns of the table of runs, beside the axes."""


def read_axes(axes: Mapping[str, Any]) -> Axes:
    """The axes as a grid describes them.

    Raises:
        InputError: A description cannot be used, or names what is not there.
    """
    if not axes:
        raise InputError("axes: none; expected one or more")
    for name in axes:
        if not isinstance(name, str) or not NAME.fullmatch(name) or name in RESERVED:
            raise InputError(
                f"axis {name!r}: cannot be part of a folder's name and a column of results; expected a name "
                f"without / = , and not {' or '.join(RESERVED)}"
            )
    read = {name: _read_axis(name, axis) for name, axis in axes.items()}
    for name, values in read.items():
        for value, options in values.items():
            for option, setting in options.items():
                where = f"{option} of {name}={value}"
                if option == "only":
                    _check_only(setting, read, where)
                elif (point := followed(setting)) is not None:
                    check_point(point, read, where)
    return read


def _read_axis(name: str, axis: Mapping[str, Any]) -> dict[Any, dict[str, Any]]:
    check_keys(axis, KEYS, "the grid", "axes", name)
    if not isinstance(axis, dict):
        raise InputError(f"axis {name!r}: {shown(axis)}; expected a mapping with some of {', '.join(KEYS)}")
    if "option" in axis:
        values = _each_sets(name, axis["option"], axis.get("values"))
    else:
        values = axis.get("values")
        if (
            not values
            or not isinstance(values, dict)
            or not all(isinstance(v, dict) for v in values.values())
        ):
            raise InputError(
                f"values of axis {name!r}: {shown(values)}; expected the options that each one sets"
            )
    keep = axis.get("keep", list(values))
    if not isinstance(keep, list) or any(value not in values for value in keep):
        raise InputError(f"keep={keep!r} of axis {name!r}: expected some of {', '.join(map(str, values))}")
    if strange := [value for value in keep if "/" in str(value)]:
        raise InputError(f"axis {name!r}: {strange[0]!r} cannot be part of a folder's name; give it a name")
    return {value: values[value] for value in keep}


def _each_sets(name: str, option: Any, values: Any) -> dict[Any, dict[str, Any]]:
    if not isinstance(values, list) or any(isinstance(value, list | dict) for value in values):
        raise InputError(
            f"values of axis {name!r}: {shown(values)}; expected a list of numbers or texts, or names, "
            "each with the options that it sets"
        )
    if not values or len(set(values)) < len(values) or any(value != value for value in values):
        raise InputError(
            f"values of axis {name!r}: {shown(values)}; expected one or more, none twice and no NaN"
        )
    options = option if isinstance(option, list) else [option]
    if not options or not all(isinstance(o, str) for o in options):
        raise InputError(f"option of axis {name!r}: {option!r}; expected an option's name, or a list of them")
    return {value: dict.fromkeys(options, value) for value in values}


def with_seeds(axes: Mapping[str, Any], seeds: int) -> dict[str, Any]:
    """The axes as a grid describes them, but for 0 to `seeds` − 1 on the one of training seeds.

    Raises:
        InputError: There is none that sets options to its values.
    """
    axis = axes.get(SEED)
    if not isinstance(axis, Mapping) or "option" not in axis:
        raise InputError(f"seeds={seeds}: the grid has no axis {SEED!r} with an `option` that is set to it")
    kept = {key: value for key, value in axis.items() if key != "keep"}
    return {**axes, SEED: {**kept, "values": list(range(seeds))}}


def beyond_reference(point: Mapping[str, Any], reference: Mapping[str, Any], axes: Axes, seeds: int) -> bool:
    """Whether a run is of the seeds that only the reference arm is trained with, and not of that arm.

    Args:
        point: Its value on each axis.
        reference: Values of axes that tell the reference arm; empty: the first of each.
        axes: The axes.
        seeds: Seeds of all arms.
    """
    if point[SEED] < seeds:
        return False
    first = {axis: next(iter(values)) for axis, values in axes.items() if axis != SEED}
    return any(point[axis] != value for axis, value in (reference or first).items())


def followed(setting: Any) -> Any:
    """The axes in which the run to go first differs, if `setting` stands for that run's directory."""
    return setting["after"] if isinstance(setting, Mapping) and set(setting) == {"after"} else None


def _check_only(only: Any, axes: Axes, where: str) -> None:
    if not isinstance(only, Mapping) or not set(only) <= set(axes):
        raise InputError(f"{where}: {shown(only)}; expected a mapping of axes, some of {', '.join(axes)}")
    for axis, allowed in only.items():
        if not isinstance(allowed, list):
            raise InputError(f"{where}: {axis}={allowed!r}; expected a list of values")


def check_point(point: Any, axes: Axes, where: str) -> None:
    """Raise an `InputError` unless `point` gives a value of theirs to some of the axes."""
    if not isinstance(point, Mapping) or not set(point) <= set(axes):
        raise InputError(f"{where}: {shown(point)}; expected a mapping of axes, some of {', '.join(axes)}")
    for axis, value in point.items():
        if value not in axes[axis]:
            known = ", ".join(map(str, axes[axis]))
            raise InputError(f"{where}: {axis}={shown(value)}; expected one of {known}")


def check_families(families: Any, axes: Mapping[str, Any], where: str) -> None:
    """Raise an `InputError` unless `families` names values of some axes, each in one family of its axis.

    Args:
        families: By axis and by the family's name, a list of values; some may be of no family.
        axes: As the grid describes them: at a scale that keeps a few values, those of others may be named.
        where: What holds them, for messages.
    """
    if not isinstance(families, Mapping) or not set(families) <= set(axes):
        raise InputError(f"{where}: {shown(families)}; expected a mapping of axes, some of {', '.join(axes)}")
    for axis, named in families.items():
        known, seen = list(axes[axis]["values"]), []
        if not isinstance(named, Mapping) or not all(isinstance(name, str) for name in named):
            raise InputError(f"{where}: {axis}: {named!r}; expected lists of values by a name")
        for name, values in named.items():
            if not isinstance(values, list) or not values:
                raise InputError(f"{where}: {axis}: {name}: {shown(values)}; expected a list of values")
            for value in values:
                if value not in known:
                    expected = ", ".join(map(str, known))
                    raise InputError(f"{where}: {axis}: {name}: {shown(value)}; expected one of {expected}")
                if value in seen:
                    raise InputError(f"{where}: {axis}: {name}: {shown(value)} is there twice; expected once")
                seen.append(value)


def points(axes: Axes) -> Iterator[dict[str, Any]]:
    """The value on each axis of every run: all combinations that no value of them rules out.

    Raises:
        InputError: There are more than anybody waits for.
    """
    combinations = math.prod(map(len, axes.values()))
    if combinations > MOST:
        raise InputError(f"axes: {combinations:,} combinations of their values; expected at most {MOST:,}")
    for values in itertools.product(*axes.values()):
        point = dict(zip(axes, values, strict=True))
        only = (axes[axis][value].get("only", {}) for axis, value in point.items())
        if all(point[other] in allowed for o in only for other, allowed in o.items()):
            yield point
