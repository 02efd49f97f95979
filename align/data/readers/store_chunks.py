"""Storage chunks of a store's arrays (Zarr's): writing them whole, and noticing those absent or cut short."""

import os
import re
from pathlib import Path

import numpy as np
import zarr
from numcodecs import CRC32, Blosc

from align.errors import InputError
from align.files import other_kind

_CHUNK_BYTES = 2 << 20
_METADATA = (".zgroup", ".zarray", ".zattrs", ".zmetadata", "zarr.json")
_CHUNK_NAME = re.compile(r"(c\.)?\d+(\.\d+)*")  # "0.0" in format 2, "c/0/0" in format 3


def create_array(group: zarr.Group, name: str, values: np.ndarray, rows: int | None = None) -> zarr.Array:
    """An array with `values`, Blosc-zstd compressed, `rows` a chunk or about 2 MB of them.

    Each chunk holds a checksum (numcodecs' CRC32, which any reader of Zarr format 2 verifies), since Blosc
    decodes damaged bytes to other values without an error.
    """
    if values.dtype.kind == "f":
        values = values.astype(np.float32)
    row_bytes = int(np.prod(values.shape[1:])) * values.itemsize
    rows = rows or max(1, min(len(values), _CHUNK_BYTES // row_bytes))
    array = group.create_array(
        name,
        shape=values.shape,
        chunks=(rows, *values.shape[1:]),
        dtype=values.dtype,
        filters=[CRC32()],
        compressors=Blosc("zstd", clevel=3, shuffle=Blosc.SHUFFLE),
        config={"write_empty_chunks": True},  # a chunk that is absent is then always a fault
    )
    if len(values):
        array[:] = values
    return array


class ImageWriter:
    """Appends images to `data/img` in whole chunks."""

    def __init__(self, data: zarr.Group, first: np.ndarray):
        if first.ndim != 4 or first.dtype != np.uint8:
            raise InputError(f"img: {first.dtype} of shape {first.shape}; expected uint8 (T, H, W, C)")
        self._rows = max(1, _CHUNK_BYTES // int(np.prod(first.shape[1:])))
        self._array = create_array(data, "img", np.empty((0, *first.shape[1:]), np.uint8), self._rows)
        self._waiting = first[:0]

    def append(self, images: np.ndarray) -> None:
        if images.shape[1:] != self._waiting.shape[1:] or images.dtype != np.uint8:
            expected = self._waiting.shape[1:]
            raise InputError(f"img: {images.dtype} of shape {images.shape}; expected uint8 frames {expected}")
        waiting = np.concatenate([self._waiting, images])
        whole = len(waiting) // self._rows * self._rows
        self._write(waiting[:whole])
        self._waiting = waiting[whole:]

    def flush(self) -> None:
        self._write(self._waiting)

    def _write(self, images: np.ndarray) -> None:
        if len(images):
            self._array.append(images)


def codecs(array: zarr.Array) -> list[str]:
    """Names of the codecs of an array, in the order in which they encode."""
    used = [*array.filters, *array.compressors]
    return [getattr(codec, "codec_id", type(codec).__name__).lower() for codec in used]


def not_a_file(store: Path) -> str | None:
    """What lies in a folder where metadata belong and is no file: Zarr takes that for absent."""
    groups = [store, *(store / name for name in ("data", "meta") if (store / name).is_dir())]
    arrays = [entry for group in groups[1:] for entry in group.iterdir() if entry.is_dir()]
    places = (folder / name for folder in groups + arrays for name in _METADATA)
    wrong = (place for place in places if os.path.lexists(place) and not place.is_file())
    return next((str(place.relative_to(store)) for place in wrong), None)


def no_chunk(folder: Path) -> str | None:
    """What lies in an array's folder and is neither file nor folder, in words."""
    for place, _, names in os.walk(folder):
        for name in names:
            if (kind := other_kind(os.path.join(place, name))) is not None:
                return f"{kind} in the place of chunk {os.path.relpath(os.path.join(place, name), folder)}"
    return None


def cut_chunks(folder: Path, array: zarr.Array) -> list[str]:
    """Chunk files whose size is not the one in their Blosc header, in order.

    Blosc decodes a truncated buffer to garbage without an error; other codecs notice by themselves.
    """
    used = codecs(array)
    if not used or not used[-1].startswith("blosc") or array.shards is not None:
        return []
    cut = []
    for file in sorted(folder.rglob("*")):
        if _CHUNK_NAME.fullmatch(file.name) and file.is_file():
            with file.open("rb") as stream:
                header = stream.read(16)
            if len(header) < 16 or int.from_bytes(header[12:], "little") != file.stat().st_size:
                cut.append(str(file.relative_to(folder)))
    return cut
