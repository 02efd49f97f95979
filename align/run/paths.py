"""Executed paths of rollouts, `paths.npz`: of each world the path of every trial, by its seed."""

import os
from collections.abc import Mapping, Sequence

import numpy as np

from align.errors import InputError
from align.files import atomic_path
from align.run.reading import read_arrays, reading


def write_paths(
    path: str | os.PathLike, seeds: Sequence[int], worlds: Mapping[str, Sequence[np.ndarray] | None]
) -> None:
    """Write the paths of worlds that keep them; no file where none does.

    Args:
        path: Where to, an `.npz`.
        seeds: Of the trials.
        worlds: By name, a path (T, D) a trial, in the order of the seeds, as `Worlds.paths` returns them.

    Raises:
        InputError: There are more or fewer paths than seeds, or one has another shape.
    """
    arrays = {}
    for name, paths in worlds.items():
        if paths is None:
            continue
        if len(paths) != len(seeds) or len({p.shape[1:] for p in paths}) != 1 or paths[0].ndim != 2:
            raise InputError(
                f"paths of world {name!r}: {len(paths)}, shapes {sorted({p.shape for p in paths})[:3]}; "
                f"expected {len(seeds)} of shape (T, D), of one D"
            )
        arrays |= {
            f"{name}/points": np.concatenate(paths).astype(np.float64),
            f"{name}/ends": np.cumsum([len(p) for p in paths]),
            f"{name}/seeds": np.asarray(seeds, np.int64),
        }
    if arrays:
        with atomic_path(path) as target, target.open("wb") as file:
            np.savez_compressed(file, **arrays)


def read_paths(path: str | os.PathLike) -> dict[str, dict[int, np.ndarray]]:
    """The paths (T, D) by world and trial seed.

    Raises:
        InputError: It is not such a file.
    """
    stored = read_arrays(path)
    names = [key.removesuffix("/points") for key in stored if key.endswith("/points")]
    with reading(path, "the paths that a rollout wrote"):
        for name in names:
            for of in ("ends", "seeds"):
                if (array := stored[f"{name}/{of}"]).dtype.kind not in "iu" or array.ndim != 1:
                    raise InputError(f"{path}: the {of} of {name} are {array.dtype}; expected whole numbers")
            points = stored[f"{name}/points"]
            if points.dtype.kind != "f" or points.ndim != 2 or not np.isfinite(points).all():
                raise InputError(f"{path}: the points of {name} are not all numbers (T, D)")
        return {
            name: dict(
                zip(
                    stored[f"{name}/seeds"].tolist(),
                    np.split(stored[f"{name}/points"], stored[f"{name}/ends"][:-1]),
                    strict=True,
                )
            )
            for name in names
        }
