"""Episodes as writers take them: one at a time, images in blocks, as a large store would fill the memory."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from align.data.columns import take_columns
from align.data.keys import Keys
from align.data.readers.reader import Reader
from align.errors import InputError

_NAME = re.compile(r"\w[\w-]*(\.\w[\w-]*)*")  # of which files and folders are made

Images = np.ndarray | Iterable[np.ndarray]
"""Of a camera in an episode: (T, H, W, C) uint8, or its frames in order as blocks (n, H, W, C)."""
Episode = Mapping[str, "np.ndarray | Images"]
"""By name: "action" (T, A), "agent_pos" (T, P), other arrays (T, D), and images "image" or "image.NAME"."""


@dataclass(frozen=True)
class Layout:
    """What all episodes of a data set hold, as the first of them has it.

    Attributes:
        vectors: Widths of the arrays by name.
        cameras: Names of the cameras.
    """

    vectors: dict[str, int]
    cameras: tuple[str, ...]


def is_camera(name: str) -> bool:
    """Whether images go by a name."""
    return name == "image" or name.startswith("image.")


def checked(n: int, episode: Episode, layout: Layout | None) -> tuple[Layout, dict[str, np.ndarray], int]:
    """What an episode holds, refused where it does not fit those before.

    Args:
        n: Its number, for messages.
        episode: The episode.
        layout: That of the episodes before it.

    Returns:
        Its layout, its arrays (T, D) float32 by name, and T.

    Raises:
        InputError: An array has another shape, a name is new or missing, numbers are not finite, there is no
            action or no frame.
    """
    for name in episode:
        if not _NAME.fullmatch(name):
            raise InputError(f"episodes[{n}]: the name {name!r}; expected letters, digits, '_', '-' and '.'")
    vectors = {name: np.asarray(value) for name, value in episode.items() if not is_camera(name)}
    for name, value in vectors.items():
        if value.ndim != 2 or value.dtype.kind not in "biuf" or 0 in value.shape:
            raise InputError(
                f"episodes[{n}]: {name} is {value.dtype} of shape {value.shape}; expected numbers (T, D)"
            )
        if not np.isfinite(value).all():
            raise InputError(f"episodes[{n}]: {name} holds NaN or infinity; expected finite numbers")
    if "action" not in vectors:
        raise InputError(f"episodes[{n}]: has {', '.join(episode) or 'nothing'}; expected an action")
    length = len(vectors["action"])
    found = Layout(
        {name: value.shape[1] for name, value in vectors.items()}, tuple(filter(is_camera, episode))
    )
    for name, value in vectors.items():
        if len(value) != length:
            raise InputError(f"episodes[{n}]: {name} has {len(value)} frames; action has {length}")
    if layout is not None and found != layout:
        said = [{**each.vectors, **dict.fromkeys(each.cameras, "images")} for each in (found, layout)]
        raise InputError(f"episodes[{n}]: has {said[0]}; expected {said[1]}, as the ones before")
    return found, {name: value.astype(np.float32) for name, value in vectors.items()}, length


def of_columns(
    what: str, given: Mapping[str, Sequence[str] | None], name: str, width: int
) -> list[str] | None:
    """What is said of each column of an array, None if nothing is.

    Args:
        what: Of what it is, for messages: "names" or "units".
        given: By array.
        name: The array.
        width: Its columns.

    Raises:
        InputError: It is said of more or fewer.
    """
    said = list(given.get(name) or ())
    if said and len(said) != width:
        raise InputError(f"{what}: {name} has {len(said)}; expected {width}, a column each")
    return said or None


def blocks(
    n: int, name: str, images: Images, length: int, shapes: dict[str, tuple[int, ...]]
) -> Iterator[np.ndarray]:
    """The frames of a camera in an episode, checked to be all of them and of one shape.

    Args:
        n: The episode's number, for messages.
        name: The camera's name.
        images: Its images.
        length: Steps of the episode.
        shapes: (H, W, C) by camera, of the episodes before; that of a new camera is entered.

    Raises:
        InputError: They are no images, differ in shape, or there are fewer or more than steps.
    """
    seen = 0
    for block in (images,) if isinstance(images, np.ndarray) else images:
        block = np.asarray(block)
        shape = shapes.setdefault(name, block.shape[1:])
        if block.dtype != np.uint8 or block.ndim != 4 or block.shape[1:] != shape or 0 in block.shape:
            raise InputError(
                f"episodes[{n}]: {name} is {block.dtype} of shape {block.shape}; expected uint8 (T, H, W, C) "
                f"with frames of {tuple(shape)}"
            )
        seen += len(block)
        if seen > length:
            break
        yield block
    if seen != length:
        more = "more" if seen > length else seen
        raise InputError(f"episodes[{n}]: {name} has {more} frames; action has {length}")


def stored_episodes(reader: Reader, keys: Keys) -> Iterator[Episode]:
    """The episodes of a store, whose images are read in order and once: an episode's before the next is asked
    for.

    Raises:
        InputError: The store is damaged.
    """
    ends = reader.episode_ends()
    vectors = {name: take_columns(reader, columns) for name, columns in keys.vectors.items()}
    frames = {name: _Frames(reader.frames(camera)) for name, camera in keys.cameras.items()}
    for start, end in zip([0, *ends[:-1]], ends, strict=True):
        arrays = {name: values[start:end] for name, values in vectors.items()}
        yield arrays | {name: source.take(int(end - start)) for name, source in frames.items()}


class _Frames:
    """Blocks of a camera's images, cut where it is asked."""

    def __init__(self, source: Iterator[np.ndarray]):
        self._source, self._rest = source, np.empty(0, np.uint8)

    def take(self, n: int) -> Iterator[np.ndarray]:
        """The next `n` frames, in blocks, or as many as there are."""
        while n > 0:
            block = self._rest if len(self._rest) else next(self._source, None)
            if block is None:
                return
            part, self._rest = block[:n], block[n:]
            n -= len(part)
            yield part
