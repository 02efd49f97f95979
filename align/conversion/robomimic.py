"""Writing demonstrations as a robomimic HDF5 file."""

import json
import os
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from align.conversion.episodes import Episode, Layout, blocks, checked, of_columns
from align.data.episodes import Actions
from align.data.readers.encoding import Encoding
from align.data.readers.extras import extra
from align.data.readers.robomimic import RobomimicFile
from align.errors import InputError, check_numbers, one_line, shown
from align.files import atomic_path, user_path


def write_robomimic(
    path: str | os.PathLike,
    episodes: Iterable[Episode],
    rate_hz: float | None = None,
    env_args: dict | None = None,
    encodings: Mapping[str, Encoding | None] | None = None,
    tasks: Sequence[str] | None = None,
    overwrite: bool = False,
    domain: str | None = None,
    actions: Actions | None = None,
    names: Mapping[str, Sequence[str] | None] | None = None,
    units: Mapping[str, Sequence[str] | None] | None = None,
) -> int:
    """Write episodes, as they come, to a file of robomimic's layout; it appears whole or not at all.

    "action" becomes `data/demo_K/actions`, "state" the flat simulator state `states`, "image" `obs/image`,
    "image.NAME" `obs/NAME_image`, and every other array `obs/` and its name. Images are compressed without
    loss. `dones` is one at an episode's end; `rewards`, which nothing tells, are zero.

    Args:
        path: The `.hdf5` file to create.
        episodes: See `align.conversion.episodes.Episode`.
        rate_hz: Steps a second, kept as `control_freq` of the environment's arguments.
        env_args: Arguments of the environment that recorded them, if robomimic is to make it anew;
            by default one that cannot be made.
        encodings: How images were encoded as video before they came here, by camera; kept, since a codec
            tells domains apart.
        tasks: What is done in each episode, in words; kept as its attribute `task`.
        overwrite: Replace an HDF5 file at `path`. Nothing else is ever replaced.
        domain: "sim" or "real", kept as an attribute of `data`.
        actions: What actions are, kept as the `control_delta` of a controller in the environment's arguments,
            unless `env_args` are given.
        names: What the columns of arrays are called, e.g. {"action": ["x", "y"]}; kept as an attribute of
            the arrays, as is
        units: what they are measured in.

    Returns:
        The number of episodes.

    Raises:
        InputError: There is something at `path` that may not be replaced, there are no episodes, or one does
            not fit the others; h5py is not installed.

    Example:
        >>> arm = {"action": np.zeros((20, 7)), "robot0_eef_pos": np.zeros((20, 3))}
        >>> write_robomimic("demos.hdf5", [arm], rate_hz=20)
        1
    """
    check_numbers("(0, 1e6]", rate_hz=rate_hz)
    path = user_path(path)
    h5py = extra("h5py", "robomimic", path, "writing")
    if path.exists() and not (overwrite and RobomimicFile.recognises(path)):
        expected = "an HDF5 file to replace" if overwrite else "a path that is free, or overwrite"
        raise InputError(f"path: {path} exists; expected {expected}")
    kwargs: dict = {} if rate_hz is None else {"control_freq": rate_hz}
    if actions is not None:
        kwargs["controller_configs"] = {"control_delta": actions == "deltas"}
    arguments = env_args or {"env_name": "demonstrations", "type": 2, "env_kwargs": kwargs}
    layout: Layout | None = None
    shapes: dict[str, tuple[int, ...]] = {}
    n = total = 0
    with atomic_path(path, replace=overwrite) as target, h5py.File(target, "w") as file:
        data = file.create_group("data")
        for n, episode in enumerate(episodes, start=1):
            layout, vectors, length = checked(n - 1, episode, layout)
            demo, end = data.create_group(f"demo_{n - 1}"), np.zeros(length)
            end[-1] = 1
            demo.attrs["num_samples"] = length
            if tasks is not None:
                _keep(demo, "task", tasks[n - 1])
            demo.create_dataset("rewards", data=np.zeros(length))
            demo.create_dataset("dones", data=end.astype(np.int64))
            demo.create_group("obs")
            for name, value in vectors.items():
                into = {"action": "actions", "state": "states"}.get(name, f"obs/{name}")
                array = demo.create_dataset(into, data=value)
                for what, given in (("names", names), ("units", units)):
                    if said := of_columns(what, given or {}, name, value.shape[1]):
                        _keep(array, what, said)
            for name in layout.cameras:
                short = name.removeprefix("image.")
                into = f"obs/{short}" + ("_image" if short != "image" else "")
                frames = blocks(n - 1, name, episode[name], length, shapes)
                _write_images(demo, into, frames, length, (encodings or {}).get(name))
            total += length
        if not n:
            raise InputError(f"episodes: none to write to {path}; expected at least one")
        data.attrs["total"], data.attrs["env_args"] = total, json.dumps(arguments)
        if domain is not None:
            data.attrs["domain"] = domain
    return n


def _keep(of, name: str, told: str | list[str]) -> None:
    """Keep text as an attribute of a group or an array, which HDF5 cannot do with all text."""
    try:
        of.attrs[name] = told
    except (OSError, RuntimeError, TypeError, ValueError) as error:
        raise InputError(
            f"{name} of {of.name}: {shown(told)} cannot be kept in HDF5 ({one_line(error)[:100]})"
        ) from None


def _write_images(
    demo, into: str, frames: Iterable[np.ndarray], length: int, encoding: Encoding | None
) -> None:
    """Images of an episode, a frame a chunk as windows are read, compressed without loss."""
    array, row = None, 0
    for block in frames:
        if array is None:
            shape = block.shape[1:]
            array = demo.create_dataset(
                into, (length, *shape), np.uint8, chunks=(1, *shape), compression="gzip", compression_opts=1
            )
            if encoding is not None:
                told = {name: value for name, value in encoding.values().items() if value is not None}
                array.attrs["encoding"] = json.dumps(told)
        array[row : row + len(block)] = block
        row += len(block)
