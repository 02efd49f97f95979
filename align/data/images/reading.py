"""Images of a store at the size of training: in memory, or in a file beside the data that is mapped."""

import functools
import hashlib
import inspect
import os
from collections.abc import Callable, Iterator
from typing import Literal, NoReturn

import numpy as np

from align.data.images.cache import cached
from align.data.readers.encoding import Encoding
from align.data.readers.memory import available_memory, check_fits
from align.data.readers.reader import Reader
from align.data.readers.reencoding import check_encoding, encoder_version, passed_through
from align.errors import InputError
from align.run.opencv import cv2

Fit = Literal["stretch", "pad", "crop"]
"""How images of another shape become the training's: by area averaging of the whole image, whatever that
does to its proportions; of the whole image between black bars; or of its central part."""
Keep = Literal["auto", "memory", "cache"]
"""Where images are kept: in memory, in a cache beside the data, or there where they are video, or would take
more than a quarter of the memory that is free."""


def read_images(
    reader: Reader,
    camera: str,
    size: tuple[int, int] | None = None,
    fit: Fit = "stretch",
    keep: Keep = "auto",
    folder: str | os.PathLike | None = None,
    rows: np.ndarray | None = None,
    encoding: Encoding | None = None,
) -> np.ndarray:
    """All images of a camera.

    Args:
        reader: The store.
        camera: Its name there.
        size: (height, width) in pixels to which they are resized; None keeps theirs.
        fit: How, where the proportions differ.
        keep: Where to keep them.
        folder: Where the cache is; None takes `.align-cache` beside the store, or the user's cache folder
            where that cannot be written to.
        rows: Frames to keep, (T,) increasing; None keeps all.
        encoding: Encode and decode them so, before anything else; see `align.data.readers.reencoding`. Where
            it has a size of its own, images are brought to its scale before, so that a pixel of the
            training's holds as many that were encoded.

    Returns:
        (T, H, W, C) uint8, laid out channels first, which is the order in which batches are gathered.

    Raises:
        InputError: The images are damaged, or do not fit in memory.
    """
    there = reader.cameras().get(camera)
    every = int(reader.episode_ends()[-1])
    rows = None if rows is None or len(rows) == every else rows
    total = every if rows is None else len(rows)
    if there is None:
        _refuse(reader, camera)
    height, width, channels = there.shape
    shape = (channels, *((height, width) if size is None else size))
    n_bytes = total * int(np.prod(shape))
    if keep == "auto":
        large = n_bytes > available_memory() / 4
        coded = there.codec in VIDEO or encoding is not None
        keep = "cache" if large or coded else "memory"
    source = functools.partial(reader.frames, camera)
    encoded = None
    if encoding is not None:
        check_encoding(reader, encoding)
        encoded = _encoded_size(there.shape[:2], size, fit, encoding.size)
        resize = functools.partial(_averaged, size=encoded)
        source = functools.partial(passed_through, reader, camera, encoding, resize=resize)

    def frames(start: int) -> Iterator[np.ndarray]:
        for block in _kept(source, rows, start):
            yield fit_images(block, size, fit).transpose(0, 3, 1, 2)

    if keep == "cache":
        kind = type(reader)
        about = {
            "format": f"{kind.__module__}.{kind.__name__}",
            "code": _code_of(kind),
            "camera": camera,
            "size": size,
            "fit": fit,
        }
        if encoding is not None:
            about |= {
                "encoding": encoding.settings(),
                "encoded": encoded,
                "by": encoder_version(reader, encoding),
            }
        about |= {} if rows is None else {"rows": hashlib.sha256(rows.tobytes()).hexdigest()}
        out = cached(frames, (total, *shape), about, reader.files(camera), reader.path, folder)
    else:
        what = f"store {reader.path}: {reader.label(camera)} of {total} images of {shape[1]} × {shape[2]} px"
        check_fits(what, n_bytes, "less, by data.image_size, or data.images=cache")
        out = np.empty((total, *shape), np.uint8)
        row = 0
        for block in frames(0):
            out[row : row + len(block)] = block[: total - row]
            row += len(block)
        if row != total:
            raise InputError(
                f"store {reader.path}: {reader.label(camera)} has {row} images; expected {total}, a row each"
            )
    return out.transpose(0, 2, 3, 1)


def _kept(
    source: Callable[..., Iterator[np.ndarray]], rows: np.ndarray | None, start: int
) -> Iterator[np.ndarray]:
    """Blocks of the images of a source from the frame `start` of those that are kept."""
    if rows is None:
        yield from source(start=start)
        return
    wanted = rows[start:]
    row = int(wanted[0]) if len(wanted) else 0
    for block in source(start=row) if len(wanted) else ():
        first, last = np.searchsorted(wanted, (row, row + len(block)))
        if last > first:
            yield block[wanted[first:last] - row]
        row += len(block)
        if last == len(wanted):
            return


def _encoded_size(
    own: tuple[int, int], size: tuple[int, int] | None, fit: Fit, video: tuple[int, int] | None
) -> tuple[int, int] | None:
    """(height, width) at which images are encoded; None for their own.

    Args:
        own: Theirs.
        size: That of training.
        fit: How both become that.
        video: That of the video whose encoding it is.
    """
    if video is None or size is None:
        return None

    def scales(shape: tuple[int, int]) -> list[float]:
        each = [to / side for to, side in zip(size, shape, strict=True)]
        return {"stretch": each, "pad": [min(each)] * 2, "crop": [max(each)] * 2}[fit]

    return tuple(
        max(2, round(side * ours / theirs))
        for side, ours, theirs in zip(own, scales(own), scales(video), strict=True)
    )


VIDEO = ("av1", "h264", "hevc", "vp9", "mpeg4")
"""Codecs whose frames are decoded in order."""


def _code_of(kind: type[Reader]) -> str:
    """Hash of the code of a format of the user's own, which may come to read other pixels; "" of ours."""
    if kind.__module__.startswith("align."):
        return ""
    with open(inspect.getfile(kind), "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _refuse(reader: Reader, camera: str) -> NoReturn:
    """Refuse what is no camera: the reader knows what it has, and why this is none of it."""
    try:
        next(reader.frames(camera))
    except InputError as error:
        hint = "" if reader.cameras() else "; expected images, or a policy of n_image_steps=0"
        raise InputError(f"{error}{hint}") from error
    raise InputError(f"store {reader.path}: {reader.label(camera)} is no camera")


def fit_images(images: np.ndarray, size: tuple[int, int] | None, fit: Fit = "stretch") -> np.ndarray:
    """Images (n, H, W, C) at a size, uint8, by area averaging.

    Args:
        images: uint8.
        size: (height, width); None returns them as they are.
        fit: See `Fit`.
    """
    n, height, width, channels = images.shape
    if size is None or size == (height, width):
        return images
    to_height, to_width = size
    scale = {"stretch": None, "pad": min, "crop": max}[fit]
    if scale is None:
        return _resize(images, size)
    ratio = scale(to_height / height, to_width / width)
    inner = [max(1, round(side * ratio)) for side in (height, width)]
    if fit == "crop":  # the part that is seen first, so that what lies outside is not averaged for nothing
        part = [min(side, round(to / ratio)) for side, to in ((height, to_height), (width, to_width))]
        top, left = (height - part[0]) // 2, (width - part[1]) // 2
        return _resize(images[:, top : top + part[0], left : left + part[1]], size)
    inner = [min(a, b) for a, b in zip(inner, size, strict=True)]
    out = np.zeros((n, to_height, to_width, channels), np.uint8)
    top, left = (to_height - inner[0]) // 2, (to_width - inner[1]) // 2
    out[:, top : top + inner[0], left : left + inner[1]] = _resize(images, tuple(inner))
    return out


def _averaged(images: np.ndarray, size: tuple[int, int] | None) -> np.ndarray:
    """By area averaging also where it grows, so that averaging it back brings back what there was."""
    return images if size in (None, images.shape[1:3]) else _resize(images, size, cv2.INTER_AREA)


def _resize(images: np.ndarray, size: tuple[int, int], how: int | None = None) -> np.ndarray:
    """By area averaging where it shrinks, bilinear where both sides grow."""
    grows = size[0] >= images.shape[1] and size[1] >= images.shape[2]
    how = how if how is not None else cv2.INTER_LINEAR if grows else cv2.INTER_AREA
    resized = [cv2.resize(np.ascontiguousarray(image), size[::-1], interpolation=how) for image in images]
    return np.stack(resized).reshape(len(images), *size, images.shape[3])  # cv2 drops a single channel
