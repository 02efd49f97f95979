"""Dataclass fields with bounds: checked when made, clamped when extrapolated."""

import dataclasses
import math
from typing import Any, TypeVar

from align.errors import InputError, check_numbers

T = TypeVar("T")


def knob(default: Any, low: float = -math.inf, high: float = math.inf) -> Any:
    """A dataclass field, a number or a tuple of numbers, each of which must lie in [low, high]."""
    return dataclasses.field(default=default, metadata={"bounds": (low, high)})


def check_knobs(settings: Any) -> None:
    """Check every `knob` of a dataclass against its bounds; call it from `__post_init__`.

    Raises:
        InputError: a value is not a number, or out of bounds, or a tuple of another length.
    """
    for field in dataclasses.fields(settings):
        if "bounds" not in field.metadata:
            continue
        value = getattr(settings, field.name)
        low, high = field.metadata["bounds"]
        name = f"{type(settings).__name__}.{field.name}"
        count = len(field.default) if isinstance(field.default, tuple) else None
        length = len(value) if isinstance(value, tuple | list) else None
        if length != count or isinstance(value, dict | None):
            raise InputError(f"{name}={value!r}: expected {_shape(field.default)} in [{low:g}, {high:g}]")
        check_numbers(f"[{low:g}, {high:g}]", whole=isinstance(field.default, int), **{name: value})


def blend(base: T, full: T, level: float) -> T:
    """Each knob moved from `base` (level 0, exactly) to `full` (level 1, exactly) and clamped beyond.

    Args:
        base, full: Two settings of the same dataclass.
        level: At least 0; above 1 extrapolates, each knob as far as its bounds allow.
    """
    changes = {}
    for field in dataclasses.fields(base):
        start, end = getattr(base, field.name), getattr(full, field.name)
        if isinstance(start, tuple | list):
            changes[field.name] = tuple(_blend(a, b, level, field) for a, b in zip(start, end, strict=True))
        else:
            changes[field.name] = _blend(start, end, level, field)
    return dataclasses.replace(base, **changes)


def _blend(start: float, end: float, level: float, field: dataclasses.Field) -> float:
    if start == end:
        return start
    low, high = field.metadata["bounds"]
    value = min(max(start * (1 - level) + end * level, low), high)
    return round(value) if isinstance(field.default, int) else value


def _shape(default: Any) -> str:
    return f"{len(default)} numbers, each" if isinstance(default, tuple) else "a number"
