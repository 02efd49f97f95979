"""What stores say of time: their rate, held to their timestamps, and where these have gaps."""

from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real

import numpy as np

from align.data.readers.reader import Reader
from align.domain import Domain
from align.errors import InputError, shown

MEASURED = 0.05
"""By which a rate that timestamps tell may be off: clocks of robots are not exact."""
SLOWEST = 0.2
"""Hz; what timestamps tell to be slower was not written in seconds."""
_GAP = 1.5  # of the usual time between two frames


@dataclass(frozen=True)
class Gaps:
    """Where time does not go on by one frame.

    Attributes:
        count: How many steps are longer than one and a half frames, or go back.
        longest: The longest of them, in seconds.
        episode: Where that is.
        step: The frame after it, counted in its episode.
    """

    count: int
    longest: float
    episode: int
    step: int

    def __str__(self) -> str:
        """In words."""
        times = "once" if self.count == 1 else f"{self.count} times"
        return (
            f"time does not go on by one frame {times}; most, by {self.longest:.3g} s, before step "
            f"{self.step} of episode {self.episode}"
        )


@dataclass(frozen=True)
class Times:
    """What the timestamps of a store tell.

    Attributes:
        rate_hz: Frames a second, by the median time between two frames; None where they do not tell.
        mean_hz: The same by the mean time, which coarse clocks and bursts leave alone, and gaps do not.
        gaps: Where they have gaps, if anywhere.
        doubt: Why they tell nothing, if they do not.
    """

    rate_hz: float | None = None
    mean_hz: float | None = None
    gaps: Gaps | None = None
    doubt: str = ""


def look_at(times: np.ndarray | None, ends: np.ndarray, rate_hz: float | None = None) -> Times:
    """What timestamps tell.

    Args:
        times: When each frame was recorded, (T,) in seconds of any clock; None if nothing says so.
        ends: Where episodes end, (E,).
        rate_hz: Frames a second, where that is known from elsewhere: by that, gaps are told.
    """
    if times is None:
        return Times()
    if len(times) != ends[-1]:
        return Times(doubt=f"it has {len(times)} timestamps of {ends[-1]} frames")
    if not np.isfinite(times).all():
        return Times(doubt="its timestamps are not all numbers")
    steps = np.diff(times)
    inside = np.ones(len(steps), bool)
    inside[ends[:-1] - 1] = False
    if not inside.any():
        return Times()
    usual, mean = float(np.median(steps[inside])), float(steps[inside].mean())
    if usual <= 0:
        return Times(doubt="its timestamps hardly go on (too coarse for the time of day, as float32 is)")
    if 1 / usual < min(SLOWEST, (rate_hz or 1) / 2):
        return Times(
            doubt=f"its timestamps go on by {usual:.3g} a frame, which can hardly be seconds; they are left "
            "aside"
        )
    measured = _rounded(1 / usual)
    frame = 1 / (rate_hz or measured)
    odd = np.flatnonzero(inside & ((steps > _GAP * frame) | (steps <= 0)))
    gaps = None
    if len(odd):
        worst = int(odd[np.argmax(np.abs(steps[odd]))])
        episode = int(np.searchsorted(ends, worst, side="right"))
        begin = 0 if episode == 0 else int(ends[episode - 1])
        gaps = Gaps(len(odd), float(steps[worst]), episode, worst + 1 - begin)
    return Times(measured, _rounded(1 / mean) if mean > 0 else None, gaps)


def attributes(store: Reader, ends: np.ndarray) -> tuple[dict, Times]:
    """What a store says of itself, held to what its timestamps say.

    Returns:
        Its attributes, with `measured_hz` where it does not tell its rate and its timestamps do; and what
        these tell.

    Raises:
        InputError: Timestamps cannot be read or contradict the rate by more than `MEASURED`; or the rate is
            none, or the domain no word.
    """
    attrs = dict(store.attrs)
    rate, domain = attrs.get("rate_hz"), _word(attrs.get("domain"))
    if rate is not None and not (isinstance(rate, Real) and not isinstance(rate, bool) and 0 < rate < 1e6):
        store._refuse("its attribute rate_hz", f"is {shown(rate)}; expected a positive number, or none")
    if domain is not None and not isinstance(domain, str):
        store._refuse("its attribute domain", f"is {shown(domain)}; expected sim, real, or none")
    if domain is not None:
        attrs["domain"] = domain
    times = look_at(store.times(), ends, rate)
    if rate is None:
        return attrs | ({"measured_hz": times.rate_hz} if times.rate_hz else {}), times
    check_rate(f"store {store.path}: its rate is {rate:g} Hz", rate, times)
    return attrs, times


_DOMAINS = [domain.label for domain in Domain]


def _word(domain: object) -> object:
    """What a store says of its domain, as options write it: HDF5 may hold it as bytes, people write Real."""
    word = domain.decode(errors="replace") if isinstance(domain, bytes) else domain
    return word.lower() if isinstance(word, str) and word.lower() in _DOMAINS else word


def other_domain(attrs: Mapping) -> str | None:
    """A line on a store that says that it is of another domain than there are; None of any other."""
    domain = attrs.get("domain")
    if domain is None or domain in _DOMAINS:
        return None
    return f"its attribute domain is {shown(domain)}, neither sim nor real; it is held to neither"


def check_rate(what: str, rate_hz: float, times: Times) -> None:
    """Refuse a rate that timestamps contradict, by their median and by their mean.

    Args:
        what: What says it, for messages.
        rate_hz: The rate.
        times: What timestamps tell.

    Raises:
        InputError: They tell another.
    """
    known = [hz for hz in (times.rate_hz, times.mean_hz) if hz is not None]
    if known and all(abs(hz / rate_hz - 1) > MEASURED for hz in known):
        raise InputError(
            f"{what}, its timestamps go on by {known[0]:g} Hz; expected one of them, within {MEASURED:.0%}"
        )


def _rounded(rate: float) -> float:
    """To a thousandth, or of slow ones to four digits."""
    return float(f"{rate:.4g}") if rate < 10 else round(rate, 3)
