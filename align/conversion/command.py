"""The function behind `align convert`; its arguments are the options."""

import os
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from align.conversion.episodes import is_camera, stored_episodes
from align.conversion.lerobot import Codec, write_lerobot
from align.conversion.robomimic import write_robomimic
from align.conversion.video import check_quality
from align.data.columns import column_forms
from align.data.episodes import ACTIONS
from align.data.keys import Keys, find_keys, short_name
from align.data.labels import labels_of
from align.data.readers import open_store
from align.data.readers.reader import Reader
from align.data.readers.times import attributes, check_rate
from align.errors import InputError, check_numbers
from align.files import check_writable, user_path
from align.run.ticking import with_progress

QUALITY = 30
"""Of video, where nothing else is asked for: LeRobot's own."""


def convert(
    store: str,
    out: str,
    format: Literal["lerobot", "robomimic"] = "lerobot",
    keys: dict[str, str] | None = None,
    codec: Codec = "png",
    crf: int = QUALITY,
    rate: float | None = None,
    task: str | None = None,
    reader: type[Reader] | None = None,
    overwrite: bool = False,
) -> None:
    """Write a store of any format that is read in LeRobot's or robomimic's.

    Args:
        store: What to read.
        out: The folder (lerobot) or file (robomimic) to write.
        format: lerobot (LeRobotDataset v3.0) or robomimic (HDF5).
        keys: What to write, if it is not found by itself, as {agent_pos: "pose + gripper", image.top: cam_0};
            of cameras, those that are named here, by default all. A state is written only if it is named.
        codec: How LeRobot's images are stored: png, without loss, or the video av1 or h264.
        crf: Quality of video, less is better.
        rate: Rate in Hz, where the store does not say it; timestamps must not contradict it.
        task: What is done, in words, in all episodes; `None` is what the store says of each, if it does.
        reader: A format of your own, a subclass of align.data.readers.Reader by its import path.
        overwrite: Replace what is at `out`, if it is of that format.
    """
    check_numbers("(0, 1e6]", rate=rate)
    check_quality(codec, crf)
    if format == "robomimic" and codec != "png":
        raise InputError(f"codec={codec}: robomimic's images are stored without loss; expected none")
    if codec == "png" and crf != QUALITY:
        raise InputError(f"crf={crf}: is of video, and the codec is png, without loss; expected none")
    source, target = (Path(os.path.realpath(user_path(path))) for path in (store, out))
    if target == source or source in target.parents:
        raise InputError(f"out={out!r}: lies in the store; expected another path")
    if not overwrite and os.path.lexists(user_path(out)):
        raise InputError(f"out={out!r} exists; expected a path that is free, or overwrite")
    check_writable(user_path(out))
    with closing(open_store(store, reader)) as opened:
        found = _keys(opened, keys or {})
        lengths = opened.episode_ends()
        attrs, times = attributes(opened, lengths)
        known = attrs.get("rate_hz")
        if rate is not None and known is not None and rate != known:
            raise InputError(f"rate={rate:g}: the store says {known:g} Hz; expected none, or the same")
        if rate is not None and known is None:
            check_rate(f"rate={rate:g}: store {store}", rate, times)
        rate = known if rate is None else rate
        if rate is None and format == "lerobot":
            told = f" (its timestamps: {times.rate_hz:g})" if times.rate_hz else ""
            raise InputError(f"rate: {store} does not say its own; expected --rate in Hz{told}")
        if times.gaps is not None:  # what is written has none, whatever they were
            print(f"warning: store {store}: {times.gaps}; its frames are written one after the other")
        encodings = {name: opened.encoding(camera) for name, camera in found.cameras.items()}
        print(f"writing {len(lengths)} episodes of {lengths[-1]} frames into {out}", flush=True)
        episodes = with_progress(stored_episodes(opened, found), len(lengths))
        said = opened.tasks() if task is None else None
        actions = attrs["actions"] if attrs.get("actions") in ACTIONS else None
        labels = {name: _labels(opened, columns) for name, columns in found.vectors.items()}
        roles: dict[str, Any] = {"domain": attrs.get("domain"), "actions": actions}
        roles |= {"names": {name: label.names for name, label in labels.items()}}
        roles |= {"units": {name: label.units for name, label in labels.items()}}
        if format == "robomimic":
            tasks = [task] * len(lengths) if task is not None else said and _each(*said, lengths)
            write_robomimic(
                out, episodes, rate, encodings=encodings, tasks=tasks, overwrite=overwrite, **roles
            )
        else:
            task = said or task or "demonstrations"
            robot = attrs.get("robot_type")
            write_lerobot(
                out,
                episodes,
                rate,
                codec,
                crf,
                task,
                encodings=encodings,
                robot_type=robot,
                overwrite=overwrite,
                **roles,
            )
    images = ", ".join(f"{camera} as {name}" for name, camera in found.cameras.items()) or "none"
    print(f"{out}: {len(lengths)} episodes; images: {images}")


def _keys(store: Reader, given: Mapping[str, str]) -> Keys:
    """What is written: cameras that are given, or all, each by a short name."""
    named = tuple(filter(is_camera, given))
    if not named:
        short = {camera: short_name(camera) for camera in store.cameras()}
        if len(set(short.values())) < len(short):
            raise InputError(
                f"store {store.path}: cameras {', '.join(short)} have one name; choose with keys, as "
                f"{{image.one: {next(iter(short))}}}"
            )
        plain = ("img", "image", "rgb")
        called = {c: "image" if s in plain else f"image.{s}" for c, s in short.items()}
        given = {**given, **{name: camera for camera, name in called.items()}}
        named = tuple(called.values())
    found = find_keys(store, given, named)
    for name, camera in found.cameras.items():
        if camera not in store.cameras():
            there = ", ".join(store.cameras()) or "none"
            raise InputError(f"keys: {name} is {camera!r}, no camera of {store.path}; its cameras: {there}")
    vectors = {name: value for name, value in found.vectors.items() if name != "state" or "state" in given}
    return Keys(vectors, found.cameras, found.why)


def _each(tasks: list[str], rows: np.ndarray, ends: np.ndarray) -> list[str]:
    """The task of each episode in words, of several in one all of them."""
    parts = np.split(rows, ends[:-1])
    return ["; ".join(tasks[k] for k in dict.fromkeys(part.tolist())) for part in parts]


class _Labels(NamedTuple):
    """What a store says of columns: their names, if it names all of them, and units, "" of what has none."""

    names: list[str] | None
    units: list[str] | None


def _labels(store: Reader, columns: tuple) -> _Labels:
    found = labels_of(store, columns, [width for _, width in column_forms(store, columns)])
    names = None if None in found.names else list(found.names)
    return _Labels(names, [unit or "" for unit in found.units] if any(found.units) else None)
