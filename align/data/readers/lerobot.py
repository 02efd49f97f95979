"""LeRobotDataset, codebase versions 2.0, 2.1 and 3.0, read without lerobot: Parquet, and video by PyAV.

Layout by lerobot's `datasets` (v3.0: `meta/episodes/*.parquet`, several episodes a file; v2: `meta/*.jsonl`
and one file an episode). Columns of indices and bounds of episodes are checked against each other, since
converters have written wrong ones, and a video that has fewer frames than rows is refused: what it lacks is
known to its recorder alone.
"""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from align.data.readers.encoding import Encoding
from align.data.readers.jpeg import JPEG
from align.data.readers.lerobot_episodes import (
    Episode,
    column_of,
    episodes_of,
    number_of,
    segment_of,
    segments_of,
    tasks_of,
)
from align.data.readers.lerobot_files import LeRobotFiles
from align.data.readers.pictures import decoded
from align.data.readers.reader import Camera, Preset, Reader, check_ends, check_finite, each_unit
from align.data.readers.video import decode, lacking
from align.errors import InputError

_INDICES = ("index", "episode_index", "frame_index", "task_index", "timestamp")
_BLOCK = 256
_SIDE = 65_536
"""No picture is larger."""
_QUALITY = 30
"""The CRF at which lerobot encodes unless told otherwise."""


class LeRobotDataset(Reader):
    """A folder in LeRobot's format.

    Args:
        path: The dataset's folder, the one that holds `meta/info.json`.

    Raises:
        InputError: It is missing, damaged or inconsistent, or pyarrow is not installed.
    """

    presets = (Preset({"agent_pos": "observation.state", "action": "action"}),)

    def __init__(self, path: str | os.PathLike):
        super().__init__(path)
        self._files = LeRobotFiles(self.path)
        self._features = self._files.features
        self._episodes = episodes_of(self._files)

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """A folder with `meta/info.json`."""
        return (path / "meta" / "info.json").is_file()

    @property
    def attrs(self) -> dict:
        """The rate, what robot recorded it, and what `align convert` keeps: `domain` and `actions`."""
        said = {name: self._files.info.get(name) for name in ("robot_type", "domain", "actions")}
        return {"rate_hz": self._files.fps} | {name: value for name, value in said.items() if value}

    def episode_ends(self) -> np.ndarray:
        """Where each episode ends, exclusive, (E,) int64."""
        return check_ends(self, "meta/episodes", np.cumsum([e.length for e in self._episodes]))

    def vectors(self) -> dict[str, int]:
        """The features that are numbers, but for indices and times."""
        found = {}
        for name, feature in self._features.items():
            shape = feature.get("shape") or [1]
            numbers = str(feature.get("dtype")).startswith(("float", "int", "uint", "bool"))
            if numbers and name not in _INDICES and len(shape) == 1:
                found[name] = int(shape[0])
        return found

    def names(self, vector: str) -> list[str] | None:
        """What the file calls the entries of a feature: by a list, one under a name, or the place of each."""
        names, width = self._features[vector].get("names"), self.vectors().get(vector)
        if isinstance(names, dict):
            places = list(names.values())
            placed = all(isinstance(n, int) for n in places) and sorted(places) == list(range(len(places)))
            names = sorted(names, key=names.get) if placed else next(iter(places), None)
        return [str(n) for n in names] if isinstance(names, list) and len(names) == width else None

    def units(self, vector: str) -> list[str] | None:
        """The `units` of a feature's `info`, which `align convert` keeps there."""
        info, width = self._features[vector].get("info"), self.vectors().get(vector)
        return each_unit(info.get("units"), width) if isinstance(info, dict) and width else None

    def vector(self, name: str) -> np.ndarray:
        """All rows of a feature, (T, D) float32, all finite.

        Raises:
            InputError: There is no such feature, it is no vector, or the files are damaged or inconsistent.
        """
        there = self.vectors()
        if name not in there:
            self._refuse(name, f"is no vector of numbers; it has {', '.join(there) or 'none'}")
        parts = [column_of(self._files, e, name).reshape(e.length, -1) for e in self._episodes]
        for e, part in zip(self._episodes, parts, strict=True):
            if part.shape[1] != there[name]:
                self._refuse(
                    f"{self._files.inside(e.data)}: {name}",
                    f"has {part.shape[1]} entries a row; meta/info.json says {there[name]}",
                )
        return check_finite(self, name, np.concatenate(parts).astype(np.float32))

    def cameras(self) -> dict[str, Camera]:
        """The features that are images or video, but for depth."""
        found = {}
        for name, feature in self._features.items():
            if feature.get("dtype") not in ("image", "video"):
                continue
            info = _video_info(feature)
            if info.get("is_depth_map") or info.get("video.is_depth_map"):
                continue
            shape = self._image_shape(name, feature)
            codec = info.get("video.codec")  # of images: before they were stored without loss
            if feature["dtype"] == "video":
                codec = codec or segment_of(self._files, self._episodes[0], name).encoding(self.path).codec
            elif codec is None and (found_jpeg := self._jpeg(name)):
                codec = found_jpeg.codec
            found[name] = Camera(shape, codec if codec is None else str(codec))
        return found

    def others(self) -> dict[str, str]:
        """The features that are neither vectors nor cameras, as depth and texts."""
        used = {*self.vectors(), *self.cameras(), *_INDICES}
        return {
            name: f"{feature.get('dtype')} of shape {feature.get('shape')}"
            for name, feature in self._features.items()
            if name not in used
        }

    def frames(self, camera: str, start: int = 0) -> Iterator[np.ndarray]:
        """Images of a camera from row `start` on, (n, H, W, C) uint8.

        Raises:
            InputError: There is no such camera, a file is damaged, or a video lacks frames.
        """
        feature = self._features.get(camera)
        if camera not in self.cameras():
            self._refuse(camera, f"is no camera; it has {', '.join(self.cameras()) or 'none'}")
        ends = self.episode_ends()
        first = int(np.searchsorted(ends, start, side="right"))
        begin = 0 if first == 0 else int(ends[first - 1])
        rest = self._episodes[first:]
        if feature["dtype"] == "image":
            yield from self._encoded(rest, camera, start - begin)
            return
        segments = segments_of(self._files, rest, camera)
        yield from decode(self.path, segments, start - begin, self.cameras()[camera].shape)

    def encoding(self, camera: str) -> Encoding | None:
        """How images of a camera were encoded: by `meta/info.json`, else by the first of them.

        Where neither says the quality of a video, it is lerobot's own.
        """
        feature, codec = self._features[camera], self.cameras()[camera].codec
        if codec is None:
            return None
        info = _video_info(feature)
        own = "quality" if codec == JPEG else "crf"
        said = {name: info.get(f"video.{name}") for name in ("pix_fmt", "preset", own)}
        said = {name: value for name, value in said.items() if isinstance(value, int | float | str)}
        try:
            said = Encoding(gop=info.get("video.g"), **said)
        except InputError as error:
            self._refuse("meta/info.json", f"{camera}: {error}")
        if feature["dtype"] == "image":
            found = replace(said, codec=codec).over(self._jpeg(camera))
            return found.told(size=self.cameras()[camera].shape[:2])
        found = said.over(segment_of(self._files, self._episodes[0], camera).encoding(self.path))
        if found.crf is None:
            found = replace(found, crf=_QUALITY).told(size=found.size, assumed=("crf",))
        return found

    def _jpeg(self, camera: str) -> Encoding | None:
        return self._files.jpeg(camera, list(dict.fromkeys(e.data for e in self._episodes)))

    def times(self) -> np.ndarray | None:
        """The column `timestamp`, (T,) in seconds, if there is one."""
        if any("timestamp" not in self._files.table(e.data).column_names for e in self._episodes):
            return None
        columns = (number_of(self._files, e, "timestamp") for e in self._episodes)
        return np.concatenate([column.astype(np.float64) for column in columns])

    def tasks(self) -> tuple[list[str], np.ndarray] | None:
        """`meta/tasks`, and the column `task_index`."""
        return tasks_of(self._files, self._episodes)

    def lacking(self, camera: str) -> str | None:
        """Frames that a video has too few of, by its header."""
        if self._features[camera]["dtype"] != "video":
            return None
        return lacking(self.path, segments_of(self._files, self._episodes, camera))

    def files(self, camera: str) -> list[Path]:
        """The videos of a camera, or the tables that hold its images, and what says where they lie."""
        if self._features[camera]["dtype"] == "image":
            files = {e.data for e in self._episodes}
        else:
            files = {segment_of(self._files, e, camera).file for e in self._episodes}
        return sorted([*files, *(p for p in (self.path / "meta").rglob("*") if p.is_file())])

    def _encoded(self, episodes: list[Episode], camera: str, skip: int) -> Iterator[np.ndarray]:
        """Images that lie in the table as PNG or JPEG."""
        shape = self.cameras()[camera].shape
        for e in episodes:
            table = self._files.table(e.data, [camera]).slice(e.first + skip, e.length - skip)
            for low in range(0, len(table), _BLOCK):
                block = []
                for n, row in enumerate(table.column(camera).slice(low, _BLOCK).to_pylist()):
                    image = decoded(row, shape)
                    if isinstance(image, str):
                        self._refuse(
                            f"{self._files.inside(e.data)}: {camera}",
                            f"row {e.first + skip + low + n} holds {image}; expected uint8 {shape} (height, "
                            "width, channels), as meta/info.json says",
                        )
                    block.append(image)
                yield np.stack(block)
            skip = 0

    def _image_shape(self, name: str, feature: dict) -> tuple[int, int, int]:
        """(H, W, C) of a camera, whose shape some datasets give channels first."""
        shape, names = list(feature.get("shape") or []), list(feature.get("names") or [])
        if len(shape) != 3 or not all(isinstance(n, int) and 0 < n <= _SIDE for n in shape):
            self._refuse(
                "meta/info.json", f"{name} has the shape {shape}; expected [height, width, channels]"
            )
        first = names[0] if names else None
        if first in ("channel", "channels", "c") or (first is None and shape[0] in (1, 3) and shape[2] > 4):
            shape = [*shape[1:], shape[0]]
        return tuple(shape)


def _video_info(feature: dict) -> dict:
    """What `meta/info.json` says of a video, under either of the names that lerobot gave to it."""
    return {**(feature.get("info") or {}), **(feature.get("video_info") or {})}
