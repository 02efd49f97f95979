"""The cells of an arm table: estimates and comparisons as text."""

from typing import NamedTuple

import numpy as np

from align.analysis.reports.sweep import Metric
from align.analysis.reports.sweep.comparisons import Comparison
from align.analysis.statistics.intervals import Interval, decimals, minus
from align.analysis.statistics.trials.power import in_words


class Cell(NamedTuple):
    """A cell of the short table."""

    text: str
    clear: bool = False  # whether it says of a comparison that it is not the same


NOTHING = Cell("—")


def digits_of(metric: Metric) -> int:
    """Decimals that are shown."""
    return 4 if metric.name == "mmd2" or metric.kind == "held_out" else 2


def as_text(interval: Interval, digits: str, floor: float = -np.inf) -> str:
    """The estimate with its interval; what is below the floor is not told more exactly."""
    value, *ends = (f"< {floor:g}" if x < floor else format(x, digits) for x in interval)
    if np.isnan(interval[1:]).all():
        return minus(value)
    places, sign = int(digits[-2]), digits[:-3]
    ends = [
        end if x < floor else decimals(x, places, sign) for x, end in zip(interval[1:], ends, strict=True)
    ]
    return minus(f"{value} [{', '.join(ends)}]")


def compared(found: Interval | None, digits: str, same: float) -> Cell:
    """A comparison; it is clear where the interval leaves out `same`."""
    return NOTHING if found is None else Cell(as_text(found, digits), found.low > same or found.high < same)


def of_pair(found: Comparison | None, digits: str) -> list[Cell]:
    """A comparison by itself, clear where it is so beside all others, and among them."""
    if found is None:
        return [NOTHING, NOTHING]
    part = " †" if found.lone else ""
    return [Cell(as_text(ends, digits) + part, found.clear) for ends in (found.single, found.simultaneous)]


def effect(found: float, metric: Metric, name: str | None = None) -> str:
    """The smallest difference that is found, of what is called so; none where there can be none as large."""
    text = in_words(found, digits_of(metric), metric.largest)
    if name is None:
        return text if text == "none" else f"of {text}"
    return f"no difference of the {name}" if text == "none" else f"a difference of the {name} of {text}"
