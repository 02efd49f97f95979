"""An arm of a sweep, and what to call it."""

from typing import NamedTuple

import numpy as np


class Arm(NamedTuple):
    """Runs that differ in nothing but the training seed."""

    point: dict  # the axes they share
    runs: list[str]

    @property
    def label(self) -> str:
        """What to call it: names as they are ("co-training"), numbers as axis=value, or not where 0 beside
        a name ("mmd, lambda=0.1", "co-training"). The name of a number, "0.5", is a number."""
        names = [v for v in self.point.values() if isinstance(v, str) and not _is_number(v)]
        numbers = {k: v for k, v in self.point.items() if v not in names and not (names and v == 0)}
        return ", ".join(
            names + [f"{k}={v:g}" if isinstance(v, float) else f"{k}={v}" for k, v in numbers.items()]
        )


def as_point(value: object) -> object:
    """A value of an axis as the grid has it: tables write none as NaN, which equals not even itself."""
    return None if isinstance(value, float) and np.isnan(value) else value


def none_last(value: object) -> tuple:
    """What to sort values of an axis by that may be none."""
    return (True,) if value is None else (False, value)


def _is_number(text: str) -> bool:
    try:
        return np.isfinite(float(text))
    except ValueError:
        return False
