"""Which format a path holds."""

import os
from pathlib import Path

import numpy as np

from align.data.readers.lerobot import LeRobotDataset
from align.data.readers.reader import Reader
from align.data.readers.robomimic import RobomimicFile
from align.data.readers.zarr_store import ZarrStore
from align.errors import InputError
from align.files import check_kind, user_path

FORMATS: dict[type[Reader], str] = {
    ZarrStore: "a Zarr group with data/ and meta/episode_ends",
    LeRobotDataset: "a LeRobotDataset (a folder with meta/info.json)",
    RobomimicFile: "a robomimic HDF5 file",
}
"""The formats that are recognised, in the order in which they are asked, and what each is."""


def open_store(path: str | os.PathLike, reader: type[Reader] | None = None) -> Reader:
    """Open demonstrations in the format that recognises them.

    Args:
        path: What to open.
        reader: A format of your own, asked first; it reads what no other recognises.

    Raises:
        InputError: There is nothing at `path`, or it is of no known format, or damaged.
    """
    where = user_path(path)
    if not where.exists():
        raise InputError(f"store {where}: no such file or folder")
    check_kind(where, "a store")
    for known in [*([reader] if reader else []), *FORMATS]:
        if known.recognises(where):
            return known(where)
    if reader is not None:
        return reader(where)
    raise InputError(
        f"store {where}: of no known format; expected {', '.join(FORMATS.values())}, or a reader of your "
        "own (data.reader)"
    )


def check_reader(reader: type[Reader], path: str | os.PathLike) -> None:
    """Try the contract of a format of your own on a store.

    Raises:
        AssertionError: Something that `Reader` promises does not hold; says what.
        InputError: The store cannot be read.
    """
    assert issubclass(reader, Reader), f"{reader!r} is no subclass of align.data.readers.Reader"
    assert reader.recognises(Path(path)), f"{reader.__name__}.recognises({str(path)!r}) is False"
    store = reader(path)
    ends = store.episode_ends()
    assert ends.ndim == 1 and np.issubdtype(ends.dtype, np.integer), "episode_ends: expected (E,) integers"
    assert (np.diff(ends, prepend=0) > 0).all(), "episode_ends: expected increasing ends, the first above 0"
    total = int(ends[-1])
    for name, width in store.vectors().items():
        values = store.vector(name)
        expected = (total, width)
        assert values.shape == expected and values.dtype == np.float32, (
            f"vector({name!r}): {values.dtype} {values.shape}; expected float32 {expected}"
        )
        assert np.isfinite(values).all(), f"vector({name!r}): NaN or infinity; expected finite numbers"
    if (tasks := store.tasks()) is not None:
        names, of = tasks
        assert of.shape == (total,) and (0 <= of).all() and (of < len(names)).all(), (
            f"tasks: {of.shape} numbers of {len(names)} tasks; expected {(total,)} from 0 on"
        )
    for name, camera in store.cameras().items():
        blocks = list(store.frames(name))
        frames = np.concatenate(blocks)
        expected = (total, *camera.shape)
        assert frames.shape == expected and frames.dtype == np.uint8, (
            f"frames({name!r}): {frames.dtype} {frames.shape}; expected uint8 {expected}"
        )
        for start in {1, total // 2, total - 1} - {total, 0}:
            rest = np.concatenate(list(store.frames(name, start)))
            assert np.array_equal(rest, frames[start:]), f"frames({name!r}, {start}): not from row {start}"
        assert all(file.is_file() for file in store.files(name)), f"files({name!r}): not all are files"
    store.close()
