"""Reading stores of the Diffusion Policy layout, our own and other people's, without trusting them.

A store is a Zarr group, format 2 or 3, a folder or a `.zip`, with `data/<key>` arrays that share their first
axis (frames of all episodes, one after the other) and `meta/episode_ends`. Layout and names follow Chi et
al. 2023 (Diffusion Policy). Whatever is wrong with a file is an `InputError` of one line.
"""

import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import cv2
import numpy as np
import zarr

from align.data.columns import Column
from align.data.store_chunks import codecs, cut_chunks
from align.errors import InputError

_BLOCK_BYTES = 64 << 20  # decoded at a time, so that float images never lie in memory whole
# What zarr, its codecs and the file system raise over a damaged or foreign store.
_DAMAGE = (OSError, ValueError, KeyError, TypeError, RuntimeError, zipfile.BadZipFile)


class Store:
    """An open store of the Diffusion Policy layout.

    Args:
        path: Folder or `.zip` file.

    Raises:
        InputError: There is nothing at `path`, or it is not a Zarr group with `data` and `meta/episode_ends`.
    """

    def __init__(self, path: str | os.PathLike):
        self.path = Path(path).expanduser()
        if not self.path.exists():
            raise InputError(f"store {self.path}: no such file or folder")
        try:
            source = zarr.storage.ZipStore(self.path, mode="r") if self.path.is_file() else str(self.path)
            self.root = zarr.open_group(source, mode="r")
            self._data, self._ends = self.root["data"], self.root["meta/episode_ends"]
            if not (isinstance(self._data, zarr.Group) and isinstance(self._ends, zarr.Array)):
                raise TypeError("data is not a group, or meta/episode_ends not an array")
        except _DAMAGE as error:
            raise InputError(
                f"store {self.path}: expected a Zarr group with data/ and meta/episode_ends ({_line(error)})"
            ) from error

    @property
    def attrs(self) -> dict:
        """The attributes of the root group."""
        return dict(self.root.attrs)

    def close(self) -> None:
        """Close the file of a `.zip`."""
        self.root.store.close()

    def has(self, name: str) -> bool:
        """Whether there is an array `data/<name>`."""
        return self._lookup(name) is not None

    def episode_ends(self) -> np.ndarray:
        """Where each episode ends (exclusive), (E,) int64; checked to be positive and increasing.

        Raises:
            InputError: No episode, or ends that do not increase.
        """
        if self._ends.ndim != 1 or not _is_plain(self._ends, "iu"):
            self._refuse("meta/episode_ends", f"is {_describe(self._ends)}; expected a list of integers")
        self._check_chunks("meta/episode_ends", self._ends)
        ends = self._read("meta/episode_ends", self._ends, slice(None)).astype(np.int64)
        if not len(ends):
            self._refuse("meta/episode_ends", "is empty; expected at least one episode")
        lengths = np.diff(ends, prepend=0)
        if (lengths <= 0).any():
            at = int(np.argmax(lengths <= 0))
            before = int(ends[at - 1]) if at else 0
            self._refuse(
                "meta/episode_ends", f"[{at}] is {ends[at]} after {before}; expected increasing ends"
            )
        return ends

    def array(self, name: str, total: int) -> zarr.Array:
        """The array `data/<name>`, checked to hold exactly `total` rows, with no chunk missing or cut short.

        Raises:
            InputError: There is no such key, its length is not `total`, it is not numeric, or it is damaged.
        """
        array, label = self._lookup(name), f"data/{name}"
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

    def columns(self, column: Column, total: int) -> np.ndarray:
        """All `total` rows of a key's columns, (total, D) float32, all finite.

        Raises:
            InputError: As `array`; not two axes; a slice out of range or empty; a NaN or infinite value.
        """
        array = self.array(column.name, total)
        label = f"data/{column.name}"
        if array.ndim != 2:
            self._refuse(label, f"is {_describe(array)}; expected two axes (frames, D)")
        width = array.shape[1]
        start = column.start or 0
        stop = width if column.stop is None else column.stop
        if not start < stop <= width:
            self._refuse(
                label, f"has {width} columns; the slice [{start}:{stop}] asks for others or for none"
            )
        values = self._read(label, array, slice(0, total)).astype(np.float32)[:, start:stop]
        bad = ~np.isfinite(values)
        if bad.any():
            row, col = np.argwhere(bad)[0]
            self._refuse(
                label, f"has {bad.sum()} NaN or infinite values, the first in row {row}, column {start + col}"
            )
        return np.ascontiguousarray(values)

    def images(self, name: str, total: int, size: int | None = None) -> np.ndarray:
        """All `total` images, as uint8 (total, H, W, C), read a block at a time.

        Float images may span 0–1 or 0–255; which of the two is decided by the first block.

        Args:
            name: Key in `data/`.
            total: Rows the array must have.
            size: Side in pixels of the square to resize to by area averaging; None keeps the images.

        Raises:
            InputError: As `array`; not (T, H, W, C) with C of 1, 3 or 4; values outside 0–255, or not finite.
        """
        array = self.array(name, total)
        label = f"data/{name}"
        if array.ndim != 4 or array.shape[3] not in (1, 3, 4) or 0 in array.shape:
            self._refuse(label, f"is {_describe(array)}; expected images (frames, height, width, 1, 3 or 4)")
        height, width, channels = array.shape[1:]
        shape = (height, width) if size is None else (size, size)
        # Laid out channels first, the order in which batches are gathered; indexed channels last.
        out = np.empty((total, channels, *shape), np.uint8).transpose(0, 2, 3, 1)
        to_uint8 = None
        step = _block_rows(array)
        for start in range(0, total, step):
            block = self._read(label, array, slice(start, min(start + step, total)))
            if array.dtype != np.uint8:
                to_uint8 = to_uint8 or self._pixel_scale(label, block)
                block = to_uint8(block)
            if shape != (height, width):
                block = [cv2.resize(image, shape, interpolation=cv2.INTER_AREA) for image in block]
                block = np.stack(block).reshape(-1, *shape, channels)  # cv2 drops a single channel
            out[start : start + len(block)] = block
        return out

    def _lookup(self, name: str) -> zarr.Array | None:
        try:
            array = self._data[name]
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

    def _pixel_scale(self, label: str, first: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
        """How pixels become uint8, decided by the first block and demanded of all others."""
        unit = first.dtype.kind == "f" and first.max() <= 1
        high = 1 if unit else 255

        def convert(block: np.ndarray) -> np.ndarray:
            low, top = block.min(), block.max()
            if not (low >= 0 and top <= high):  # so written that NaN fails it
                self._refuse(label, f"has pixels from {low:g} to {top:g}; expected 0 to {high} and no NaN")
            return np.rint(block * 255 if unit else block).astype(np.uint8)

        return convert

    def _check_chunks(self, label: str, array: zarr.Array) -> None:
        """Refuse chunks that are absent or cut short; Zarr would read the former as zeros, silently."""
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

    def _refuse(self, label: str, fault: str) -> NoReturn:
        raise InputError(f"store {self.path}: {label} {fault}")


def _block_rows(array: zarr.Array) -> int:
    """Rows to read at a time: whole chunks, about `_BLOCK_BYTES` of them."""
    chunk = (array.shards or array.chunks)[0]
    row_bytes = int(np.prod(array.shape[1:])) * array.dtype.itemsize
    return chunk * max(1, _BLOCK_BYTES // (row_bytes * chunk))


def _is_plain(array: zarr.Array, kinds: str) -> bool:
    """Whether an array holds numbers of some NumPy kinds, and decodes without running code of its own."""
    return array.dtype.kind in kinds and "pickle" not in codecs(array)


def _describe(array: zarr.Array) -> str:
    return f"{array.dtype} of shape {array.shape}"


def _line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
