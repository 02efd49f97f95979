"""What a dataset format has to offer: the seam behind which every format is read."""

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, NoReturn

import numpy as np

from align.data.readers.encoding import Encoding
from align.errors import InputError
from align.files import check_kind, user_path


@dataclass(frozen=True)
class Camera:
    """Images of one camera, as they are stored.

    Attributes:
        shape: (height, width, channels) in pixels.
        codec: Name of the lossy codec they went through ("av1", "h264", "jpeg"), None if lossless.
    """

    shape: tuple[int, int, int]
    codec: str | None = None


@dataclass(frozen=True)
class Preset:
    """Keys that are taken where a store has all of their arrays.

    Attributes:
        keys: Columns by what they are: "action", "agent_pos", "state", "image"; see `align.data.columns`.
        widths: Columns that arrays must have for it.
        absent: Arrays that there must not be.
        signs: Arrays or attributes of which one must be there, so that a store that is alike in names and
            widths only is not taken for one of these; see `Reader.holds`.
        name: Whose keys they are, for messages; "" are those of the format.
    """

    keys: Mapping[str, str]
    widths: Mapping[str, int] = field(default_factory=dict)
    absent: Sequence[str] = ()
    signs: Sequence[str] = ()
    name: str = ""


class Reader(ABC):
    """Demonstrations in some format, opened for reading.

    A format of your own is a subclass in a module of yours, named by `data.reader=my_module.MyReader`;
    `align.data.readers.check_reader` tries its contract. Frames of all episodes lie one after the other, in
    the order of the episodes; a reader brings numbers and images as they are stored, and neither resizes
    nor normalises. Whatever is wrong with a file is an `InputError` of one line that names it.

    Args:
        path: What is read.

    Attributes:
        presets: Keys to take where none are named, in the order in which they are tried: the first whose
            keys are all there; see `align.data.keys.find_keys`.

    Example:
        >>> class Npz(Reader):
        ...     @classmethod
        ...     def recognises(cls, path):
        ...         return path.suffix == ".npz"
        ...
        ...     def __init__(self, path):
        ...         super().__init__(path)
        ...         self.arrays = np.load(path)
        ...
        ...     def episode_ends(self):
        ...         return self.arrays["ends"]
        ...
        ...     def vectors(self):
        ...         return {"action": self.arrays["action"].shape[1], "pose": self.arrays["pose"].shape[1]}
        ...
        ...     def vector(self, name):
        ...         return self.arrays[name].astype(np.float32)
    """

    presets: ClassVar[Sequence[Preset]] = ()

    def __init__(self, path: str | os.PathLike):
        self.path = user_path(path)
        if not self.path.exists():
            raise InputError(f"store {self.path}: no such file or folder")
        check_kind(self.path, "a store")

    @classmethod
    @abstractmethod
    def recognises(cls, path: Path) -> bool:
        """Whether what is at `path` (which exists) looks like this format; looks at names, reads little."""

    @property
    def attrs(self) -> dict:
        """What the file says of itself: `rate_hz`, `domain` ("sim" or "real"), and more, where it does."""
        return {}

    @abstractmethod
    def episode_ends(self) -> np.ndarray:
        """Where each episode ends, exclusive, (E,) int64, increasing."""

    @abstractmethod
    def vectors(self) -> dict[str, int]:
        """Names of the arrays (T, D) of numbers, with their D."""

    @abstractmethod
    def vector(self, name: str) -> np.ndarray:
        """All rows of one of them, (T, D) float32, all finite."""

    def cameras(self) -> dict[str, Camera]:
        """Cameras by name; none by default."""
        return {}

    def frames(self, camera: str, start: int = 0) -> Iterator[np.ndarray]:
        """Images of a camera from row `start` on, in order: blocks (n, H, W, C) uint8 of a few megabytes."""
        raise NotImplementedError(f"{type(self).__name__} has no images")

    def holds(self, sign: str) -> bool:
        """Whether there is an array, a camera or an attribute of that name; "a.b" is b in the attribute a."""
        found: object = self.attrs
        for part in sign.split("."):
            found = found.get(part) if isinstance(found, Mapping) else None
        return found is not None or sign in self.vectors() or sign in self.cameras()

    def label(self, name: str) -> str:
        """How messages call an array or a camera."""
        return name

    def encoding(self, camera: str) -> Encoding | None:
        """How a camera's images were encoded with loss, as far as the files say; None where they were not."""
        codec = self.cameras()[camera].codec
        return None if codec is None else Encoding(codec)

    def others(self) -> dict[str, str]:
        """What lies beside vectors and cameras, in a word or two each, as "uint16 of shape (9, 64, 64)"."""
        return {}

    def names(self, vector: str) -> list[str] | None:
        """What the columns of an array are called, where the file says so."""
        return None

    def units(self, vector: str) -> list[str] | None:
        """The unit of each column of an array, where the file says so."""
        return None

    def times(self) -> np.ndarray | None:
        """When each row was recorded, (T,) float64 in seconds of any clock, where the file says so."""
        return None

    def tasks(self) -> tuple[list[str], np.ndarray] | None:
        """Tasks in words, and which of them each row is of, (T,) int64, where the file says so."""
        return None

    def remarks(self) -> list[str]:
        """What else is worth a line: that there are several tasks, and what is there and not used."""
        try:
            tasks = self.tasks()
        except InputError:  # nothing needs them
            return []
        if tasks is None or len(tasks[0]) < 2:
            return []
        some = ", ".join(map(repr, tasks[0][:3])) + (", …" if len(tasks[0]) > 3 else "")
        return [f"it holds {len(tasks[0])} tasks ({some}); a policy is not told which it is to do"]

    def lacking(self, camera: str) -> str | None:
        """What of a camera's images is not there, in words, told without decoding them; None if nothing."""
        return None

    def files(self, camera: str) -> list[Path]:
        """The files that hold a camera's images: what a cache of them depends on."""
        return [self.path] if self.path.is_file() else sorted(p for p in self.path.rglob("*") if p.is_file())

    def close(self) -> None:  # noqa: B027 (a format without open files has nothing to do)
        """Let go of open files."""

    def _refuse(self, label: str, fault: str) -> NoReturn:
        raise InputError(f"store {self.path}: {label} {fault}")


def check_ends(reader: Reader, label: str, ends: np.ndarray) -> np.ndarray:
    """Episode ends as int64, refused unless there is one and they increase.

    Raises:
        InputError: No episode, or one without frames.
    """
    ends = np.asarray(ends).astype(np.int64)
    if not len(ends):
        reader._refuse(label, "is empty; expected at least one episode")
    lengths = np.diff(ends, prepend=0)
    if (lengths <= 0).any():
        at = int(np.argmax(lengths <= 0))
        before = int(ends[at - 1]) if at else 0
        reader._refuse(label, f"[{at}] is {ends[at]} after {before}; expected increasing ends")
    return ends


def each_unit(units: object, width: int) -> list[str] | None:
    """One unit of each column, of what a file says: one for all, or one of each; None if it is neither."""
    if isinstance(units, str):
        return [units] * width
    return [str(unit) for unit in units] if isinstance(units, list) and len(units) == width else None


LARGEST = 1e18
"""No position or action is larger: float32 holds its square, and the sums of squares of a batch."""


def check_finite(reader: Reader, label: str, values: np.ndarray) -> np.ndarray:
    """Values (T, D), refused if one of them is not finite or larger than `LARGEST`.

    Raises:
        InputError: A NaN or infinite value; says how many, and where the first is.
    """
    bad = ~np.isfinite(values)
    if bad.any():
        row, column = np.argwhere(bad)[0]
        reader._refuse(
            label, f"has {bad.sum()} NaN or infinite values, the first in row {row}, column {column}"
        )
    if values.size and (largest := np.abs(values).max()) > LARGEST:
        reader._refuse(label, f"has values of {largest:.3g}; expected at most {LARGEST:g}, for float32")
    return values
