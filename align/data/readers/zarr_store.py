"""Zarr stores of the Diffusion Policy layout, our own and other people's, without trusting them.

A store is a Zarr group, format 2 or 3, a folder or a `.zip`, with `data/<key>` arrays that share their first
axis (frames of all episodes, one after the other) and `meta/episode_ends`. Layout and names follow Chi et
al. 2023 (Diffusion Policy). Whatever is wrong with a file is an `InputError` of one line.
"""

import os
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import zarr

from align.data.readers.layout import channels_last, picture_shape
from align.data.readers.memory import check_fits
from align.data.readers.pixels import pixel_scale
from align.data.readers.reader import Camera, Preset, Reader, check_ends, check_finite, each_unit
from align.data.readers.store_chunks import codecs, cut_chunks, no_chunk, not_a_file
from align.errors import InputError

_BLOCK_BYTES = 64 << 20  # decoded at a time, so that float images never lie in memory whole
_ROOTS = (".zgroup", "zarr.json")  # which a group has in format 2 and 3
# What zarr, its codecs and the file system raise over a damaged or foreign store.
_DAMAGE = (OSError, ValueError, KeyError, TypeError, RuntimeError, OverflowError, zipfile.BadZipFile)


class ZarrStore(Reader):
    """An open store of the Diffusion Policy layout, simulated or of a real robot.

    Args:
        path: Folder or `.zip` file.

    Raises:
        InputError: There is nothing at `path`, or it is not a Zarr group with `data` and `meta/episode_ends`.
    """

    presets = (
        Preset({"agent_pos": "agent_pos", "action": "action", "image": "img"}),
        Preset(  # the pusher's position is the beginning of the state
            {"agent_pos": "state[:2]", "action": "action", "image": "img"},
            {"state": 5, "action": 2},
            signs=("n_contacts", "keypoint", "world.look", "world.mechanics"),  # the latter: `align demos`
            name="Push-T",
        ),
        Preset({"agent_pos": "robot_eef_pose", "action": "action"}, name="Diffusion Policy's real robots"),
        Preset({"agent_pos": "state", "action": "action", "image": "img"}),
    )

    def __init__(self, path: str | os.PathLike):
        super().__init__(path)
        self._opened: dict[str, zarr.Array | zarr.Group] = {}
        try:
            if self.path.is_dir() and (wrong := not_a_file(self.path)) is not None:
                raise TypeError(f"{wrong} is no file")
            source = zarr.storage.ZipStore(self.path, mode="r") if self.path.is_file() else str(self.path)
            # What was consolidated may be older than the arrays: of a store that grew, the end would be lost.
            self.root = zarr.open_group(source, mode="r", use_consolidated=False)
            self._data, self._ends = self.root["data"], self.root["meta/episode_ends"]
            if not (isinstance(self._data, zarr.Group) and isinstance(self._ends, zarr.Array)):
                raise TypeError("data is not a group, or meta/episode_ends not an array")
        except _DAMAGE as error:
            raise InputError(
                f"store {self.path}: expected a Zarr group with data/ and meta/episode_ends ({_line(error)})"
            ) from error

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """A folder or a zip file with the files of a Zarr group, or one called so."""
        if path.suffix in (".zip", ".zarr"):
            return True
        if path.is_file():
            if not zipfile.is_zipfile(path):
                return False
            with zipfile.ZipFile(path) as archive:
                return any(name in archive.namelist() for name in _ROOTS)
        return any((path / name).exists() for name in _ROOTS)

    @property
    def attrs(self) -> dict:
        """The attributes of the root group."""
        return dict(self.root.attrs)

    def close(self) -> None:
        """Close the file of a `.zip`."""
        self.root.store.close()

    def episode_ends(self) -> np.ndarray:
        """Where each episode ends (exclusive), (E,) int64; checked to be positive and increasing.

        Raises:
            InputError: No episode, or ends that do not increase.
        """
        if self._ends.ndim != 1 or not _is_plain(self._ends, "iu"):
            self._refuse("meta/episode_ends", f"is {_describe(self._ends)}; expected a list of integers")
        self._check_chunks("meta/episode_ends", self._ends)
        return check_ends(self, "meta/episode_ends", self._read("meta/episode_ends", self._ends, slice(None)))

    def vectors(self) -> dict[str, int]:
        """The arrays of `data/` with two axes, and their widths."""
        return {name: array.shape[1] for name, array in self._arrays() if array.ndim == 2}

    def cameras(self) -> dict[str, Camera]:
        """The arrays of `data/` with four axes, the last or else the second of 1, 3 or 4 channels."""
        return {
            name: Camera(shape, _lossy(array))
            for name, array in self._arrays()
            if (shape := picture_shape(array.shape)) is not None
        }

    def others(self) -> dict[str, str]:
        """What else lies in `data/`: arrays of other axes or of no numbers, and groups."""
        used = {*self.vectors(), *self.cameras(), "timestamp" if self.times() is not None else ""}
        found = {}
        for name in sorted({*self._members()} - used):
            try:
                member = self._member(name)
            except _DAMAGE as error:
                found[name] = f"cannot be opened: {_line(error)}"
                continue
            found[name] = _describe(member) if isinstance(member, zarr.Array) else "a group"
        return found

    def holds(self, sign: str) -> bool:
        """As any reader, and whether `data/` has an array of that name, of any shape."""
        return super().holds(sign) or sign in self._members()

    def label(self, name: str) -> str:
        """`data/NAME`."""
        return f"data/{name}"

    def names(self, vector: str) -> list[str] | None:
        """The array's attribute `names`, if it names every column."""
        names = self._member(vector).attrs.get("names")
        fits = isinstance(names, list) and len(names) == self._member(vector).shape[1]
        return [str(name) for name in names] if fits else None

    def units(self, vector: str) -> list[str] | None:
        """The array's attribute `units`: one for all columns, or one of each."""
        return each_unit(self._member(vector).attrs.get("units"), self._member(vector).shape[1])

    def times(self) -> np.ndarray | None:
        """`data/timestamp`, as Diffusion Policy's real robots have it, if there is one, (T,) in seconds."""
        array = self._lookup("timestamp") if "timestamp" in self._members() else None
        total = int(self.episode_ends()[-1])
        if array is None or not _is_plain(array, "uif") or array.shape not in ((total,), (total, 1)):
            return None
        return self._read("data/timestamp", array, slice(None)).astype(np.float64).reshape(-1)

    def tasks(self) -> tuple[list[str], np.ndarray] | None:
        """The attribute `task`, of all episodes."""
        task = self.attrs.get("task")
        return ([task], np.zeros(self.episode_ends()[-1], np.int64)) if isinstance(task, str) else None

    def array(self, name: str) -> zarr.Array:
        """The array `data/<name>`, checked to hold the rows of all episodes, no chunk missing or cut short.

        Raises:
            InputError: There is no such key, it has more or fewer rows, is not numeric, or is damaged.
        """
        array, label, total = self._lookup(name), self.label(name), int(self.episode_ends()[-1])
        if array is None:
            raise InputError(f"store {self.path}: no key {name!r} in data/; it has {self._names()}")
        if not _is_plain(array, "uif"):
            self._refuse(label, f"is {_describe(array)}; expected plain numbers")
        if array.ndim < 2:
            self._refuse(label, f"is {_describe(array)}; expected (frames, ...) with at least two axes")
        rows = array.shape[0]
        if rows != total:
            fault = "past the end of" if rows < total else "before the end of"
            self._refuse(
                "meta/episode_ends", f"ends at {total}, {fault} {label} with {rows} rows; must be equal"
            )
        self._check_chunks(label, array)
        return array

    def vector(self, name: str) -> np.ndarray:
        """All rows of an array, (T, D) float32, all finite.

        Raises:
            InputError: As `array`; not two axes; a NaN or infinite value.
        """
        array, label = self.array(name), self.label(name)
        if array.ndim != 2:
            self._refuse(label, f"is {_describe(array)}; expected two axes (frames, D)")
        needed = array.size * (array.dtype.itemsize + 8)  # as stored, as float32, and a copy of that
        check_fits(f"store {self.path}: {label}", needed, "a smaller store")
        return check_finite(self, label, self._read(label, array, slice(None)).astype(np.float32))

    def frames(self, camera: str, start: int = 0) -> Iterator[np.ndarray]:
        """Images of a camera from row `start` on, blocks (n, H, W, C) uint8 of whole chunks.

        Float images may span 0–1 or 0–255; which of the two is decided by the first block of the array.

        Raises:
            InputError: As `array`; neither (T, H, W, C) nor (T, C, H, W) with C of 1, 3 or 4; values outside
                0–255, or not finite.
        """
        array, label = self.array(camera), self.label(camera)
        if picture_shape(array.shape) is None or 0 in array.shape:
            expected = "expected images (frames, height, width, C) or (frames, C, height, width), C 1, 3 or 4"
            self._refuse(label, f"is {_describe(array)}; {expected}")
        step, total = _block_rows(array), array.shape[0]
        to_uint8 = None
        if array.dtype != np.uint8:
            first = self._read(label, array, slice(0, min(step, total)))
            to_uint8 = pixel_scale(self, label, first)
        for low in range(start - start % step, total, step):
            block = self._read(label, array, slice(low, min(low + step, total)))
            block = block if to_uint8 is None else to_uint8(block)
            yield channels_last(block)[max(start - low, 0) :]

    def files(self, camera: str) -> list[Path]:
        """The chunks of one array, or the whole file of a `.zip`."""
        if self.path.is_file():
            return [self.path]
        return sorted(p for p in (self.path / "data" / camera).rglob("*") if p.is_file())

    def _arrays(self) -> list[tuple[str, zarr.Array]]:
        """The arrays of plain numbers that can be opened; what others lack is said when they are read."""
        found = []
        for name in self._members():
            try:
                array = self._member(name)
            except _DAMAGE:
                continue
            if isinstance(array, zarr.Array) and _is_plain(array, "uif") and 0 not in array.shape[1:]:
                found.append((name, array))
        return found

    def _members(self) -> list[str]:
        """Names of what lies in `data/`, opened or not."""
        if self.path.is_dir():
            return sorted(p.name for p in (self.path / self._data.path).iterdir() if p.is_dir())
        with zipfile.ZipFile(self.path) as archive:
            inside = [name.split("/") for name in archive.namelist() if name.startswith("data/")]
        return sorted({parts[1] for parts in inside if len(parts) > 2})

    def _member(self, name: str) -> zarr.Array | zarr.Group:
        """Opened once: to read what describes an array takes a while, the more so over a network."""
        if name not in self._opened:
            member = self._data[name]
            if not isinstance(member.metadata.attributes, dict):  # which zarr takes as it is
                raise TypeError("its attributes are no mapping")
            self._opened[name] = member
        return self._opened[name]

    def _lookup(self, name: str) -> zarr.Array | None:
        try:
            array = self._member(name)
        except KeyError:
            return None
        except _DAMAGE as error:
            self._refuse(f"data/{name}", f"cannot be opened ({_line(error)})")
        return array if isinstance(array, zarr.Array) else None

    def _names(self) -> str:
        try:
            return ", ".join(sorted(self._data.array_keys()))
        except _DAMAGE as error:
            return f"keys that cannot be opened ({_line(error)})"

    def _check_chunks(self, label: str, array: zarr.Array) -> None:
        """Refuse chunks that are absent or cut short; Zarr would read the former as zeros, silently.

        And those that are no files: it would wait for a pipe.
        """
        if self.path.is_dir() and (wrong := no_chunk(self.path / array.path)) is not None:
            self._refuse(label, f"has {wrong}; expected files alone")
        try:
            missing = array.nchunks - array.nchunks_initialized
            cut = cut_chunks(self.path / array.path, array) if self.path.is_dir() else []
        except _DAMAGE as error:
            self._refuse(label, f"cannot be listed ({_line(error)})")
        if missing:
            self._refuse(
                label,
                f"lacks {missing} of {array.nchunks} chunks; expected all of them (the copy is truncated, or"
                " was written without its empty chunks: rewrite it with write_empty_chunks=True)",
            )
        if cut:
            self._refuse(
                label, f"has {len(cut)} truncated chunk files, the first {cut[0]}; copy the store again"
            )

    def _read(self, label: str, array: zarr.Array, rows: slice) -> np.ndarray:
        try:
            return np.asarray(array[rows])
        except _DAMAGE as error:
            self._refuse(label, f"cannot be read, the store is damaged ({_line(error)})")


def _block_rows(array: zarr.Array) -> int:
    """Rows to read at a time: whole chunks, about `_BLOCK_BYTES` of them."""
    chunk = (array.shards or array.chunks)[0]
    row_bytes = int(np.prod(array.shape[1:])) * array.dtype.itemsize
    return chunk * max(1, _BLOCK_BYTES // (row_bytes * chunk))


def _is_plain(array: zarr.Array, kinds: str) -> bool:
    """Whether an array holds numbers of some NumPy kinds, and decodes without running code of its own."""
    return array.dtype.kind in kinds and "pickle" not in codecs(array)


def _lossy(array: zarr.Array) -> str | None:
    """The lossy image codec of an array, by numcodecs' or imagecodecs' name."""
    return next((name for name in codecs(array) if re.search(r"jpe?g|jxl|jpeg2k|webp|avif", name)), None)


def _describe(array: zarr.Array) -> str:
    return f"{array.dtype} of shape {array.shape}"


def _line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
