"""The native store, a Zarr store in Diffusion Policy's layout, and how episodes are written to one."""

import os
from collections.abc import Iterable, Mapping

import numpy as np
import zarr

from align.data.readers.store_chunks import ImageWriter, create_array
from align.errors import InputError
from align.files import atomic_path, user_path


def write_store(
    path: str | os.PathLike,
    episodes: Iterable[Mapping],
    attrs: Mapping | None = None,
    overwrite: bool = False,
) -> int:
    """Write episodes, as they come, to a Zarr store of format 2; it appears whole or not at all.

    Args:
        path: The store to create.
        episodes: One mapping an episode. Arrays, (T, ...) with one T an episode, go to `data/<key>`, floats
            as float32; single numbers (a seed) to `meta/<key>`. Every episode has the same keys; `img`, if
            there are images, is uint8 (T, H, W, C).
        attrs: JSON attributes of the store: domain, rate_hz, world, gap, seed.
        overwrite: Replace a store that is at `path`. Nothing but a Zarr store is ever replaced.

    Returns:
        The number of episodes.

    Raises:
        InputError: There is something at `path` that may not be replaced, there are no episodes, or one is
            empty or does not fit the others.
    """
    path = user_path(path)
    if path.exists() and not (overwrite and ((path / ".zgroup").exists() or (path / "zarr.json").exists())):
        expected = "a Zarr store to replace" if overwrite else "a path that is free, or overwrite"
        raise InputError(f"path: {path} exists; expected {expected}")
    with atomic_path(path, replace=overwrite) as target:
        root = zarr.open_group(str(target), mode="w", zarr_format=2)
        root.attrs.update(attrs or {})
        data, meta = root.create_group("data"), root.create_group("meta")
        writer = None
        keys: list[str] = []
        lengths: list[int] = []
        rest: dict[str, list[np.ndarray]] = {}
        for n, episode in enumerate(episodes):
            arrays = {key: np.asarray(value) for key, value in episode.items()}
            keys = keys or sorted(arrays)
            if sorted(arrays) != keys:
                raise InputError(f"episodes[{n}]: keys {sorted(arrays)}; expected {keys} as before")
            lengths.append(_frames(n, arrays))
            if "img" in arrays:
                image = arrays.pop("img")
                writer = writer or ImageWriter(data, image)
                writer.append(image)
            for key, value in arrays.items():
                rest.setdefault(key, []).append(value)
        if not lengths:
            raise InputError(f"episodes: none to write to {path}; expected at least one")
        if writer is not None:
            writer.flush()
        for key, values in rest.items():
            if values[0].ndim:
                create_array(data, key, np.concatenate(values))
            else:
                create_array(meta, key, np.stack(values))
        create_array(meta, "episode_ends", np.cumsum(lengths, dtype=np.int64))
    return len(lengths)


def _frames(n: int, arrays: Mapping[str, np.ndarray]) -> int:
    """The number of frames T that all arrays of episode `n` share."""
    lengths = {
        key: len(arrays[key]) for key in sorted(arrays, key=lambda key: key != "img") if arrays[key].ndim
    }
    if not lengths or 0 in lengths.values():
        raise InputError(f"episodes[{n}]: has no frames; expected at least one")
    first = next(iter(lengths))
    for key, length in lengths.items():
        if length != lengths[first]:
            raise InputError(f"episodes[{n}]: {key} has {length} frames; {first} has {lengths[first]}")
    return lengths[first]
