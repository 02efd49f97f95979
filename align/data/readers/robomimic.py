"""Demonstrations in robomimic's HDF5 files, which LIBERO and MimicGen share, read by h5py without robomimic.

`data/demo_K/{actions, obs/NAME, states}`, attributes `num_samples` and `env_args`, and filters
`mask/NAME` that list demonstrations.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import numpy as np

from align.data.readers.controllers import kind_of_actions
from align.data.readers.encoding import Encoding
from align.data.readers.extras import extra
from align.data.readers.layout import channels_last, picture_shape
from align.data.readers.reader import Camera, Preset, Reader, check_ends, check_finite, each_unit
from align.errors import InputError, one_line
from align.run.reading import DAMAGE

_BLOCK_BYTES = 32 << 20
_DAMAGE = (*DAMAGE, RuntimeError)  # h5py raises that, too
_MAGIC = b"\x89HDF\r\n\x1a\n"


class RobomimicFile(Reader):
    """A file of robomimic's layout. Arrays of `obs/` go by their names, the flat simulator state is "states".

    Args:
        path: The `.hdf5` file.

    Attributes:
        mask: The filter `mask/NAME` whose demonstrations are read; None reads all. A subclass has another.

    Raises:
        InputError: It is missing, damaged or of another layout, lacks the filter, or h5py is not installed.
    """

    mask: ClassVar[str | None] = None

    presets = (
        Preset(
            {
                "agent_pos": "robot0_eef_pos + robot0_eef_quat + robot0_gripper_qpos",
                "action": "actions",
            },
            absent=("robot1_eef_pos",),  # of a second arm, which would be left out
            name="robomimic's low-dimensional observations of one arm",
        ),
        Preset({"agent_pos": "ee_states + gripper_states", "action": "actions"}, name="LIBERO"),
        Preset({"agent_pos": "ee_pos + ee_ori + gripper_states", "action": "actions"}, name="LIBERO"),
    )

    def __init__(self, path: str | os.PathLike):
        super().__init__(path)
        h5py = extra("h5py", "robomimic", self.path)
        self._h5 = h5py
        try:
            self._file = h5py.File(self.path, "r")
        except OSError as error:
            self._refuse("", f"cannot be opened as HDF5 ({' '.join(str(error).split())})")
        try:
            self._data = self._get(self._file, "data")
            if not isinstance(self._data, h5py.Group):
                self._refuse("data", "is missing; expected robomimic's data/demo_K")
            groups = (name for name in self._data if isinstance(self._get(self._data, name), h5py.Group))
            self._demos = self._every = sorted(groups, key=_number)
            if not self._demos:
                self._refuse("data", "has no demonstration; expected data/demo_K")
            if self.mask is not None:
                self._demos = self._filtered(self.mask)
            self._lengths = [self._length(name) for name in self._demos]
        except BaseException as error:
            self.close()
            if isinstance(error, InputError) or not isinstance(error, _DAMAGE):
                raise
            self._refuse("data", f"cannot be read, the file is damaged ({one_line(error)})")

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """A file that begins as HDF5 does."""
        if not path.is_file():
            return False
        with path.open("rb") as file:
            return file.read(len(_MAGIC)) == _MAGIC

    @property
    def attrs(self) -> dict:
        """The rate, and whether actions are deltas or targets, where the environment's arguments say it.

        And the `domain`, where `align convert` kept it.
        """
        try:
            domain = self._data.attrs.get("domain")
        except _DAMAGE as error:
            self._refuse("data", f"has an attribute 'domain' that is damaged ({one_line(error)})")
        found = {} if domain is None else {"domain": domain}
        try:
            arguments = json.loads(self._data.attrs.get("env_args", "{}"))
            arguments = arguments.get("env_kwargs", {})
            rate = arguments.get("control_freq")
        except _DAMAGE:
            return found
        found |= {"rate_hz": rate} if isinstance(rate, int | float) and rate > 0 else {}
        kind = kind_of_actions(arguments.get("controller_configs"))
        return found | ({"actions": kind} if kind else {})

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def tasks(self) -> tuple[list[str], np.ndarray] | None:
        """The attribute `task` of each demonstration, or LIBERO's `language_instruction` of all."""
        try:
            problem = json.loads(self._data.attrs.get("problem_info", "{}"))
        except _DAMAGE:
            problem = {}
        whole = problem.get("language_instruction") if isinstance(problem, dict) else None
        whole = " ".join(map(str, whole)) if isinstance(whole, list) else whole
        each = [self._data[demo].attrs.get("task", whole) for demo in self._demos]
        if not all(isinstance(task, str) for task in each):
            return None
        told = list(dict.fromkeys(each))
        return told, np.repeat([told.index(task) for task in each], self._lengths)

    def remarks(self) -> list[str]:
        """As of any store, and which filters the file has, and whether one is used."""
        told = super().remarks()
        try:
            found = {name: self._file[f"mask/{name}"].size for name in self._masks()}
        except InputError:  # one that is not used need not be readable
            found = {}
        if not found:
            return told
        there = ", ".join(f"{name} (of {n})" for name, n in found.items())
        if self.mask is not None:
            return [*told, f"of its filters {there}, {self.mask} is used"]
        return [
            *told,
            f"its filters {there} are not used, all {len(self._demos)} demonstrations are; "
            "data.reader=align.data.readers.RobomimicTrain reads those of train",
        ]

    def _masks(self) -> list[str]:
        masks = self._get(self._file, "mask")
        if not isinstance(masks, self._h5.Group):
            return []
        return [name for name in masks if isinstance(self._get(masks, name), self._h5.Dataset)]

    def _filtered(self, name: str) -> list[str]:
        """The demonstrations of a filter, in the order of their numbers."""
        if name not in (there := self._masks()):
            self._refuse("mask", f"has no filter {name!r}; it has {', '.join(there) or 'none'}")
        try:
            listed = [str(demo) for demo in self._file[f"mask/{name}"].asstr()[:]]
        except _DAMAGE as error:
            self._refuse(f"mask/{name}", f"cannot be read ({one_line(error)}); expected names")
        kept, lost = [demo for demo in self._every if demo in set(listed)], set(listed) - set(self._every)
        if lost or not kept:
            names = ", ".join(sorted(lost, key=_number)[:3]) or "nothing"
            self._refuse(f"mask/{name}", f"lists {names}; expected some of data/, as {self._every[0]}")
        return kept

    def episode_ends(self) -> np.ndarray:
        """Where each demonstration ends, exclusive, (E,) int64; demo_10 comes after demo_9."""
        return check_ends(self, "data", np.cumsum(self._lengths))

    def vectors(self) -> dict[str, int]:
        """ "actions", "states" if there are any, and the observations that are vectors of numbers."""
        arrays = self._arrays(self._demos[0])
        return {
            name: _width(array)
            for name, array in arrays.items()
            if _is_vector(array) and array.dtype.kind != "b"
        }

    def names(self, vector: str) -> list[str] | None:
        """The attribute `names` of an array of the first demonstration, which `align convert` keeps there."""
        found, width = self._told(vector, "names")
        return each_unit(found, width) if isinstance(found, list) else None

    def units(self, vector: str) -> list[str] | None:
        """Its attribute `units`, likewise: one for all columns, or one of each."""
        return each_unit(*self._told(vector, "units"))

    def _told(self, vector: str, attribute: str) -> tuple[object, int]:
        """What an array's attribute holds, a text or a list of texts; and how many columns the array has."""
        array = self._arrays(self._demos[0])[vector]
        try:
            found = array.attrs.get(attribute)
        except _DAMAGE as error:
            self._refuse(vector, f"has an attribute {attribute!r} that is damaged ({one_line(error)})")
        found = found.tolist() if isinstance(found, np.ndarray) else found
        parts = found if isinstance(found, list) else [found]
        texts = [p.decode(errors="replace") if isinstance(p, bytes) else p for p in parts]
        return texts if isinstance(found, list) else texts[0], _width(array)

    def others(self) -> dict[str, str]:
        """The observations that are neither vectors nor images."""
        used = {*self.vectors(), *self.cameras()}
        arrays = self._arrays(self._demos[0]).items()
        return {name: f"{a.dtype} of shape {a.shape} in the first" for name, a in arrays if name not in used}

    def vector(self, name: str) -> np.ndarray:
        """All rows of an array, (T, D) float32, all finite.

        Raises:
            InputError: A demonstration lacks it, or is no vector or of other width, or is damaged.
        """
        for demo in self._demos:
            array = self._arrays(demo).get(name)
            if array is not None and not _is_vector(array):
                self._refuse(
                    f"data/{demo}: {name}", f"is {array.dtype} {array.shape}; expected numbers (T, D)"
                )
        parts = [
            self._read(demo, name, slice(None)).reshape(length, -1)
            for demo, length in zip(self._demos, self._lengths, strict=True)
        ]
        widths = {part.shape[1] for part in parts}
        if len(widths) > 1:
            self._refuse(f"data/*/{name}", f"has {sorted(widths)} columns in different demonstrations")
        return check_finite(self, name, np.concatenate(parts).astype(np.float32))

    def cameras(self) -> dict[str, Camera]:
        """The observations that are uint8 images of 1, 3 or 4 channels, which may lie first."""
        return {
            name: Camera(shape, self._before(name, array).codec)
            for name, array in self._arrays(self._demos[0]).items()
            if array.dtype == np.uint8 and (shape := picture_shape(array.shape)) is not None
        }

    def encoding(self, camera: str) -> Encoding | None:
        """How images were encoded before they came here, where the file says so."""
        array = self._arrays(self._demos[0])[camera]
        found = self._before(camera, array)
        return None if found.codec is None else found.told(size=picture_shape(array.shape)[:2])

    def _before(self, name: str, array) -> Encoding:
        try:
            return Encoding(**json.loads(array.attrs.get("encoding", "{}")))
        except _DAMAGE as error:
            self._refuse(f"obs/{name}", f"has an attribute 'encoding' that is none ({one_line(error)})")

    def frames(self, camera: str, start: int = 0) -> Iterator[np.ndarray]:
        """Images of a camera from row `start` on, (n, H, W, C) uint8.

        Raises:
            InputError: There is no such camera, or its images differ in shape.
        """
        cameras = self.cameras()
        if camera not in cameras:
            self._refuse(f"obs/{camera}", f"is no camera; it has {', '.join(cameras) or 'none'}")
        step = max(1, _BLOCK_BYTES // int(np.prod(cameras[camera].shape)))
        begin = 0
        for demo, length in zip(self._demos, self._lengths, strict=True):
            for low in range(max(start - begin, 0), length, step):
                block = self._read(demo, camera, slice(low, low + step))
                if picture_shape(block.shape) != cameras[camera].shape or block.dtype != np.uint8:
                    self._refuse(
                        f"data/{demo}/obs/{camera}",
                        f"is {block.dtype} {block.shape[1:]}; expected uint8 {cameras[camera].shape}",
                    )
                yield channels_last(block)
            begin += length

    def _length(self, demo: str) -> int:
        """Steps of a demonstration, on which its actions, its observations and its attribute agree."""
        arrays = self._arrays(demo)
        if "actions" not in arrays:
            self._refuse(f"data/{demo}", f"has no actions; it has {', '.join(arrays) or 'nothing'}")
        length = len(arrays["actions"])
        said = self._data[demo].attrs.get("num_samples")
        if said is not None and int(said) != length:
            self._refuse(f"data/{demo}", f"has {length} actions; num_samples says {said} (a truncated copy?)")
        for name, array in arrays.items():
            if array.shape[:1] != (length,):
                self._refuse(f"data/{demo}: {name}", f"has {array.shape[0]} rows; there are {length} actions")
        return length

    def _arrays(self, demo: str) -> dict:
        """The arrays of a demonstration by name, without what is no observation."""
        group, found = self._get(self._data, demo), {}
        for name in ("actions", "states"):
            if isinstance(self._get(group, name), self._h5.Dataset):
                found[name] = self._get(group, name)
        obs = self._get(group, "obs")
        for name in obs if isinstance(obs, self._h5.Group) else ():
            array = self._get(obs, name)
            if isinstance(array, self._h5.Dataset) and array.ndim >= 1:
                found.setdefault(name, array)
        return found

    def _read(self, demo: str, name: str, rows: slice) -> np.ndarray:
        array = self._arrays(demo).get(name)
        if array is None:
            self._refuse(f"data/{demo}", f"has no {name!r}; it has {', '.join(self._arrays(demo))}")
        try:
            return array[rows]
        except _DAMAGE as error:
            self._refuse(f"data/{demo}: {name}", f"is damaged ({' '.join(str(error).split())})")

    def _get(self, group, name: str):
        """An entry of a group, None if there is none; links to other files are not followed."""
        link = group.get(name, getlink=True)
        if isinstance(link, self._h5.ExternalLink):
            self._refuse(f"{group.name}/{name}", "is a link to another file; expected what it links to")
        return None if link is None else group.get(name)


class RobomimicTrain(RobomimicFile):
    """A file of robomimic's layout, of which the filter `mask/train` is read: `data.reader` names it."""

    mask = "train"


def _is_vector(array) -> bool:
    """Whether an array holds a number or a row of them a step."""
    return array.ndim in (1, 2) and array.dtype.kind in "fiub"


def _width(array) -> int:
    """How many numbers it holds a step."""
    return int(array.shape[1]) if array.ndim == 2 else 1


def _number(demo: str) -> tuple[int, str]:
    """Sorts demo_10 behind demo_9."""
    digits = demo.rpartition("_")[2]
    return (int(digits) if digits.isdecimal() else 1 << 62, demo)
