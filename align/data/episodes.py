"""Episodes: demonstrations of one domain, and how a store is read; for users `write_store` is here, too."""

import contextlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np

from align.data.columns import Forms, beyond_half_a_turn, column_forms, parse_columns, take_columns
from align.data.images import Fit, Keep, Segments, read_images
from align.data.keys import find_keys
from align.data.labels import Labels, labels_of
from align.data.rates import resampled
from align.data.readers import open_store
from align.data.readers.encoding import Encoding
from align.data.readers.reader import Reader
from align.data.readers.times import MEASURED, attributes, other_domain
from align.data.refusals import Refusals
from align.data.writing import write_store as write_store
from align.errors import InputError

Actions = Literal["targets", "deltas"]
"""Whether actions say where to be, or by how much to move."""
ACTIONS = get_args(Actions)


@dataclass(frozen=True)
class Store:
    """One of the stores whose episodes are a domain's.

    Attributes:
        name: What reports, metrics and probes call it; unique among all stores of a training.
        path: Where it lies.
        episodes: Which numbers its episodes have in the domain.
        attrs: Its attributes.
    """

    name: str
    path: str
    episodes: range
    attrs: dict = field(default_factory=dict)


@dataclass
class Episodes:
    """Demonstrations of one domain: the frames of all episodes, one after the other.

    Attributes:
        agent_pos: Proprioception, (T, P) float32, in the store's units (Push-T: pusher position in px).
        action: Actions, (T, A) float32, in the store's units (Push-T: target pusher position in px).
        ends: Where each episode ends, exclusive, (E,) int64, increasing; the last is T.
        images: By camera, (T, H, W, C) uint8; empty where there are none or none were asked for. The only
            camera of a policy is "image", each of several "image.NAME". Of several stores, each one's.
        state: Full state, (T, S) float32, or None where the store has none.
        privileged: What else was asked for, (T, S) float32, or None.
        attrs: Attributes of the store (domain, rate_hz, world, gap, seed).
        path: Where they were read from, for messages.
        codecs: By camera, the lossy codec that its images went through, or None.
        keys: What was taken for what, and why, in a line; of several stores, empty.
        notes: What of the store was left out, a line each.
        stores: The stores that they are of, in their order; empty before `align.data.stores.join` names them.
        forms: How the store writes "action" and "agent_pos", in their parts; absent is as they are here.
        labels: What it calls their columns, and in which units they are; absent where nothing is known.
    """

    agent_pos: np.ndarray
    action: np.ndarray
    ends: np.ndarray
    images: dict[str, np.ndarray | Segments] = field(default_factory=dict)
    state: np.ndarray | None = None
    privileged: np.ndarray | None = None
    attrs: dict = field(default_factory=dict)
    path: str = ""
    codecs: dict[str, Encoding | None] = field(default_factory=dict)
    keys: str = ""
    notes: list[str] = field(default_factory=list)
    stores: tuple[Store, ...] = ()
    forms: dict[str, Forms] = field(default_factory=dict)
    labels: dict[str, Labels] = field(default_factory=dict)

    @property
    def image(self) -> np.ndarray | Segments | None:
        """Images of the only camera, (T, H, W, C) uint8; None where there is none, or several."""
        return self.images.get("image")

    @property
    def n_episodes(self) -> int:
        """Number of episodes E."""
        return len(self.ends)

    @property
    def starts(self) -> np.ndarray:
        """Where each episode starts, (E,) int64."""
        return self.ends - self.lengths

    @property
    def lengths(self) -> np.ndarray:
        """Frames in each episode, (E,) int64."""
        return np.diff(self.ends, prepend=0)


def read_store(
    path: str | os.PathLike,
    keys: Mapping[str, str] | None = None,
    image_size: int | Sequence[int] | None = None,
    images: bool | Sequence[str] = True,
    reader: type[Reader] | None = None,
    fit: Fit = "stretch",
    keep: Keep = "auto",
    cache: str | os.PathLike | None = None,
    privileged: str | None = None,
    rate_hz: float | None = None,
    actions: Actions | None = None,
    encodings: Mapping[str, Encoding] | None = None,
) -> Episodes:
    """Read demonstrations: a store of our own, or anyone's (see `align.data.readers`).

    Args:
        path: What to read.
        keys: Where to find what, laid over what is found by itself (see `align.data.keys.find_keys`), e.g.
            `{"image": "camera0", "agent_pos": "pose + gripper[:1]"}`. "state" may be absent unless it is
            named here.
        image_size: Size in px to which images are resized: the side of a square, or (height, width); None
            keeps theirs.
        images: Cameras to read: "image" for a policy's only one, or "image.NAME" for each of several; True
            reads "image", False none, whether the store has them or not.
        reader: A format of your own, asked before the others whether it recognises the path.
        fit: How images of other proportions are resized; see `align.data.images.Fit`.
        keep: Where images are kept; see `align.data.images.Keep`.
        cache: Where the cache of images is; None takes a folder beside the store.
        privileged: Columns to read as `privileged`, e.g. "state[2:5]" (see `align.data.columns`).
        rate_hz: Frames a second to have, at most as many as there are; None keeps all. See
            `align.data.rates`.
        actions: What actions are; None is what the store says.
        encodings: By camera, how to encode and decode images that went through no lossy codec.

    Returns:
        The episodes; images as uint8 whatever the store holds.

    Raises:
        InputError: The store is missing, damaged, truncated, empty or inconsistent, or an argument is wrong.
    """
    size = _size(image_size)
    cameras = ("image",) if images is True else tuple(images or ())
    with contextlib.closing(open_store(path, reader)) as store:
        ends = store.episode_ends()
        found = find_keys(store, keys, cameras)
        # The small arrays first: what is wrong with them is known before the images are decoded.
        vectors, forms, labels, pictures, refusals = {}, {}, {}, {}, Refusals()
        notes = [f"note: {store.path}: {remark}" for remark in store.remarks()]
        for name, columns in found.vectors.items():
            with refusals.collected():
                try:
                    vectors[name] = take_columns(store, columns)
                    forms[name] = column_forms(store, columns)
                    labels[name] = labels_of(store, columns, [width for _, width in forms[name]])
                    turns = beyond_half_a_turn(store, columns) if name == "action" else []
                    notes += [f"warning: store {store.path}: {line}" for line in turns]
                except InputError as error:
                    if name != "state" or "state" in (keys or {}):
                        raise
                    notes.append(f"warning: {error}; it is left out, as nothing needs it")
        if privileged is not None:
            with refusals.collected():
                vectors["privileged"] = _told(store, privileged)
        rows, attrs = None, {}
        with refusals.collected():
            attrs, times = attributes(store, ends)
            told = [str(times.gaps) if times.gaps else None, times.doubt, other_domain(attrs)]
            notes += [f"warning: store {store.path}: {line}" for line in told if line]
        if actions is not None or attrs.get("actions") not in (None, *ACTIONS):
            attrs = attrs | {"actions": actions}
        if rate_hz is not None and not refusals:
            with refusals.collected():
                rate = attrs.get("rate_hz") or attrs.get("measured_hz")
                if attrs.get("rate_hz") is None and rate and abs(rate / rate_hz - 1) < MEASURED:
                    rate = rate_hz
                vectors, ends, rows, note = resampled(
                    str(store.path),
                    vectors,
                    ends,
                    rate,
                    rate_hz,
                    attrs.get("actions"),
                )
                attrs, notes = attrs | {"rate_hz": rate_hz}, notes + ([note] if note else [])
        codecs = {}
        for name, camera in found.cameras.items():
            with refusals.collected():
                if refusals and camera in store.cameras():
                    continue  # none are decoded for nothing
                codecs[name] = store.encoding(camera) if camera in store.cameras() else None
                passed = (encodings or {}).get(name) if codecs[name] is None else None
                pictures[name] = read_images(store, camera, size, fit, keep, cache, rows, passed)
                if passed is not None:
                    notes.append(f"note: {store.path}: images of {camera} are passed through {passed}")
                    codecs[name] = passed
        refusals.tell()
        return Episodes(
            **vectors,
            ends=ends,
            images=pictures,
            attrs=attrs,
            path=str(store.path),
            codecs=codecs,
            keys=str(found),
            notes=notes,
            forms=forms,
            labels=labels,
        )


def _told(store: Reader, columns: str) -> np.ndarray:
    """The columns that an auxiliary loss reads, (T, S) float32."""
    try:
        return take_columns(store, parse_columns(columns))
    except InputError as error:
        raise InputError(f"model.auxiliary.targets={columns!r}: {error}") from None


def _size(image_size: int | Sequence[int] | None) -> tuple[int, int] | None:
    if image_size is None:
        return None
    size = (image_size, image_size) if isinstance(image_size, int) else tuple(image_size)
    if len(size) != 2 or not all(isinstance(side, int) and side >= 1 for side in size):
        raise InputError(f"image_size: {image_size}; expected a positive integer, [height, width] or None")
    return size
