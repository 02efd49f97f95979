"""What a store holds, in numbers; what is wrong with one part of it leaves the others readable."""

import contextlib
import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from align.data.columns import column_forms, take_columns
from align.data.episodes import ACTIONS, Episodes
from align.data.keys import Keys, find_keys
from align.data.labels import labels_of
from align.data.plausibility import check_world
from align.data.readers import FORMATS, Reader, open_store
from align.data.readers.encoding import Encoding
from align.data.readers.times import Gaps, attributes, other_domain
from align.data.signals import delta_columns, find_flips, find_wraps
from align.errors import InputError, one_line
from align.inspection.cameras import common_cameras

_STILL = 1e-6  # of the magnitude: float32 cannot tell a smaller spread from none
_SAMPLED = 4  # frames of a camera that are looked at


@dataclass(frozen=True)
class Array:
    """An array of numbers of a store, column by column.

    Attributes:
        name: What the store calls it.
        names: What it calls the columns, if it does.
        units: The unit of each column, if it says so.
        low: Smallest value of each column.
        high: Largest value of each.
        constant: Columns that never change.
        binary: Columns of two values, as those of a gripper that is open or closed.
        wraps: By column that jumps as an angle does, its period: "2π" or "360".
        flips: The first of each four columns that flip their sign, as quaternions do.
    """

    name: str
    names: list[str] | None
    low: list[float]
    high: list[float]
    constant: list[int] = field(default_factory=list)
    binary: list[int] = field(default_factory=list)
    wraps: dict[int, str] = field(default_factory=dict)
    units: list[str] | None = None
    flips: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class View:
    """A camera of a store.

    Attributes:
        name: What the store calls it.
        shape: (height, width, channels) in pixels.
        codec: The lossy codec that its images went through, None if there was none.
        encoding: What is known of its settings.
        mean: Mean of each channel in the first frames, of 0 to 255; None where they cannot be read.
    """

    name: str
    shape: tuple[int, int, int]
    codec: str | None
    mean: list[float] | None = None
    encoding: Encoding | None = None


@dataclass
class Inspected:
    """A store.

    Attributes:
        path: Where it is.
        format: What it is.
        lengths: Frames of each episode, (E,).
        domain: "sim" or "real", if it says so.
        rate_hz: Frames a second, if known.
        rate_from: How that is known: "stored", or "timestamps".
        arrays: Its arrays of numbers.
        cameras: Its cameras.
        gaps: Where its time has gaps; None where it has none, or keeps no time.
        taken: What would be trained on, by what it is: the store's name of it.
        why: The reason of each.
        keys: Both in a line.
        faults: What is wrong with it, a line each; training would refuse what it needs of that.
        notes: What else is worth a line.
        others: What else it holds, neither numbers nor images, by name.
        episodes: What would be trained on, without images; None where that cannot be said.
        reader_cameras: By the policy's name, the cameras that it would see.
    """

    path: str
    format: str
    lengths: np.ndarray
    domain: str | None = None
    rate_hz: float | None = None
    rate_from: str | None = None
    arrays: list[Array] = field(default_factory=list)
    cameras: list[View] = field(default_factory=list)
    gaps: Gaps | None = None
    taken: dict[str, str] = field(default_factory=dict)
    why: dict[str, str] = field(default_factory=dict)
    keys: str = ""
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    others: dict[str, str] = field(default_factory=dict)
    episodes: Episodes | None = None
    reader_cameras: dict[str, View] = field(default_factory=dict)

    @property
    def seconds(self) -> float | None:
        """How long all episodes are, if the rate is known."""
        return float(self.lengths.sum()) / self.rate_hz if self.rate_hz else None


def inspect_store(
    path: str | Path,
    keys: Mapping[str, str] | None = None,
    reader: type[Reader] | None = None,
    cameras: Sequence[str] | None = None,
) -> Inspected:
    """Look at a store.

    Args:
        path: Where it is.
        keys: Where it keeps what, laid over what is found by itself.
        reader: A format of your own, asked first.
        cameras: The policy's names of the cameras that it is to see; None takes all that the store has.

    Raises:
        InputError: It cannot be opened, or its episodes cannot be told apart.
    """
    with contextlib.closing(open_store(path, reader)) as store:
        store.vector = functools.cache(store.vector)  # read once, however often it is asked for
        ends = store.episode_ends()
        what = FORMATS.get(type(store), type(store).__name__)
        found = Inspected(str(store.path), what, np.diff(ends, prepend=0))
        with _told(found):
            found.notes += [f"note: {remark}" for remark in store.remarks()]
        attrs = {}
        with _told(found):
            attrs, times = attributes(store, ends)
            found.gaps = times.gaps
            found.notes += [f"warning: {line}" for line in (times.doubt, other_domain(attrs)) if line]
        found.domain = attrs.get("domain") if attrs.get("domain") in ("sim", "real") else None
        found.rate_hz = attrs.get("rate_hz") or attrs.get("measured_hz")
        found.rate_from = found.rate_hz and ("timestamps" if "measured_hz" in attrs else "stored")
        for name in store.vectors():
            with _told(found):
                found.arrays.append(_array(store, name, ends))
        for name, camera in store.cameras().items():
            encoding = None
            with _told(found):
                encoding = store.encoding(name)
            mean = _mean(store, name, found)
            found.cameras.append(View(name, camera.shape, camera.codec, mean, encoding))
        with _told(found):
            found.others = store.others()
        with _told(found):
            names = common_cameras([(store, keys or {})]) if cameras is None else cameras
            _take(store, found, find_keys(store, keys, names), ends, attrs)
    return found


@contextlib.contextmanager
def _told(found: Inspected):
    """Keep what is wrong as a fault, once."""
    try:
        yield
    except InputError as error:
        line = one_line(error).removeprefix(f"store {found.path}: ")
        if line not in found.faults:
            found.faults.append(line)


def _array(store: Reader, name: str, ends: np.ndarray) -> Array:
    values = store.vector(name)
    kinds = [kind_of(column) for column in values.T]
    names, units = (
        said if said and len(said) == len(kinds) else None for said in (store.names(name), store.units(name))
    )
    return Array(
        name,
        names,
        values.min(0).tolist(),
        values.max(0).tolist(),
        [n for n, kind in enumerate(kinds) if kind == "constant"],
        [n for n, kind in enumerate(kinds) if kind == "binary"],
        {wrap.column: wrap.period for wrap in find_wraps(values, ends)},
        units,
        [flip.column for flip in find_flips(values, ends)],
    )


def kind_of(column: np.ndarray) -> Literal["constant", "binary"] | None:
    """Whether values (T,) never change, or are one of two."""
    low, high = column.min(), column.max()
    if high - low <= _STILL * max(abs(low), abs(high)):
        return "constant"
    return "binary" if ((column == low) | (column == high)).all() else None


def _mean(store: Reader, camera: str, found: Inspected) -> list[float] | None:
    """Mean of each channel in the first frames."""
    with _told(found):
        if (lack := store.lacking(camera)) is not None:
            found.faults.append(lack)
        with contextlib.closing(store.frames(camera)) as frames:
            first = next(frames)[:_SAMPLED]
        return first.mean((0, 1, 2)).round(1).tolist()
    return None


def _take(store: Reader, found: Inspected, keys: Keys, ends: np.ndarray, attrs: dict) -> None:
    vectors, labels, found.keys = {}, {}, str(keys)
    for name, columns in keys.vectors.items():
        with _told(found):
            vectors[name] = take_columns(store, columns)
            widths = [width for _, width in column_forms(store, columns)]
            labels[name] = labels_of(store, columns, widths)
            found.taken[name] = " + ".join(map(str, columns))
            found.why[name] = keys.why[name]
    views = {view.name: view for view in found.cameras}
    for name, camera in keys.cameras.items():
        if camera in views:
            found.taken[name], found.why[name] = camera, keys.why[name]
            found.reader_cameras[name] = views[camera]
        else:
            there = ", ".join(views) or "none"
            found.faults.append(f"{store.label(camera)} is no camera; it has {there}")
    if {"action", "agent_pos"} <= set(vectors):
        codecs = {name: view.encoding for name, view in found.reader_cameras.items()}
        found.episodes = Episodes(
            **vectors, ends=ends, attrs=attrs, path=found.path, codecs=codecs, labels=labels
        )
        with _told(found):
            check_world(found.episodes)
        if attrs.get("actions") in ACTIONS:
            found.notes.append(f"note: actions are {attrs['actions']}, by the store's own word")
        elif deltas := delta_columns(vectors["action"], vectors["agent_pos"], ends):
            found.notes.append(f"note: action {deltas} looks like differences to agent_pos, not like targets")


def columns_of(found: Inspected, name: str) -> Sequence[str]:
    """What the columns of what would be trained on are called: their own names, or numbers."""
    if found.episodes is None:
        return []
    labels = found.episodes.labels.get(name)
    names = labels.names if labels is not None else [None] * getattr(found.episodes, name).shape[1]
    return [called or f"[{n}]" for n, called in enumerate(names)]


def columns_of_both(sim: Inspected, real: Inspected, name: str) -> Sequence[str]:
    """What columns are called in two stores that have as many: "a", or "a / b" where names differ."""
    pairs = zip(columns_of(sim, name), columns_of(real, name), strict=True)
    return [
        a if b in (a, f"[{n}]") else b if a == f"[{n}]" else f"{a} / {b}" for n, (a, b) in enumerate(pairs)
    ]
