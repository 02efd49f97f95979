"""LeRobotDataset, codebase versions 2.0, 2.1 and 3.0, read without lerobot: Parquet, and video by PyAV.

Layout by lerobot's `datasets` (v3.0: `meta/episodes/*.parquet`, several episodes a file; v2: `meta/*.jsonl`
and one file an episode). Columns of indices and bounds of episodes are checked against each other, since
converters have written wrong ones, and a video that has fewer frames than rows is refused: what it lacks is
known to its recorder alone.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from align.data.readers.encoding import Encoding
from align.data.readers.extras import extra
from align.data.readers.reader import Camera, Preset, Reader, check_ends, check_finite
from align.data.readers.video import VideoSegment, decode, lacking
from align.errors import InputError

_INDICES = ("index", "episode_index", "frame_index", "task_index", "timestamp")
_BLOCK = 256
_QUALITY = 30
"""The CRF at which lerobot encodes unless told otherwise."""


@dataclass(frozen=True)
class _Episode:
    """Where an episode lies: its number, its rows, and the file that they are in."""

    number: int
    length: int
    data: Path
    first: int  # row in that file
    row: dict  # all that the file says of it


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
        self._parquet = extra("pyarrow.parquet", "lerobot", self.path)
        info = self._json("meta/info.json")
        self._version = str(info.get("codebase_version", "")).removeprefix("v")
        if self._version.split(".")[0] not in ("2", "3"):
            self._refuse("meta/info.json", f"codebase_version {self._version!r}; expected v2.0, v2.1 or v3.0")
        self._info, self._features, self._fps = info, info.get("features"), info.get("fps")
        features = self._features
        if not isinstance(features, dict) or not all(isinstance(f, dict) for f in features.values()):
            self._refuse("meta/info.json", "has no features; expected a mapping of them")
        if not isinstance(self._fps, int | float) or not 0 < self._fps < 1e6:
            self._refuse("meta/info.json", f"fps {self._fps!r}; expected a positive number")
        self._tables: dict[Path, object] = {}
        self._episodes = self._list_v3() if self._version.startswith("3") else self._list_v2()
        if not self._episodes:
            self._refuse("meta/", "lists no episode; expected at least one")

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """A folder with `meta/info.json`."""
        return (path / "meta" / "info.json").is_file()

    @property
    def attrs(self) -> dict:
        """The rate, and what robot recorded it."""
        robot = self._info.get("robot_type")
        return {"rate_hz": self._fps} | ({"robot_type": robot} if robot else {})

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
        """What the file calls the entries of a feature."""
        names = self._features[vector].get("names")
        if isinstance(names, dict):
            names = next(iter(names.values()), None)
        return [str(n) for n in names] if isinstance(names, list) and names else None

    def vector(self, name: str) -> np.ndarray:
        """All rows of a feature, (T, D) float32, all finite.

        Raises:
            InputError: There is no such feature, it is no vector, or the files are damaged or inconsistent.
        """
        there = self.vectors()
        if name not in there:
            self._refuse(name, f"is no vector of numbers; it has {', '.join(there) or 'none'}")
        parts = [self._column(e, name).reshape(e.length, -1) for e in self._episodes]
        for e, part in zip(self._episodes, parts, strict=True):
            if part.shape[1] != there[name]:
                self._refuse(
                    f"{self._inside(e.data)}: {name}",
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
                codec = codec or self._segment(self._episodes[0], name).encoding(self.path).codec
            found[name] = Camera(shape, codec if codec is None else str(codec))
        return found

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
        segments = [self._segment(e, camera) for e in rest]
        yield from decode(self.path, segments, start - begin, self.cameras()[camera].shape)

    def encoding(self, camera: str) -> Encoding | None:
        """How the video of a camera was encoded: by `meta/info.json`, else by its first file.

        Where neither says the quality, it is lerobot's own.
        """
        feature, codec = self._features[camera], self.cameras()[camera].codec
        if codec is None:
            return None
        info = _video_info(feature)
        said = {name: info.get(f"video.{name}") for name in ("pix_fmt", "crf", "preset")}
        said = {name: value for name, value in said.items() if isinstance(value, int | float | str)}
        try:
            said = Encoding(gop=info.get("video.g"), **said)
        except InputError as error:
            self._refuse("meta/info.json", f"{camera}: {error}")
        if feature["dtype"] == "image":
            return replace(said, codec=codec)
        found = said.over(self._segment(self._episodes[0], camera).encoding(self.path))
        if found.crf is None:
            found = replace(found, crf=_QUALITY).told(size=found.size, assumed=("crf",))
        return found

    def times(self) -> np.ndarray | None:
        """The column `timestamp`, (T,) in seconds, if there is one."""
        if any("timestamp" not in self._table(e.data).column_names for e in self._episodes):
            return None
        columns = (self._column(e, "timestamp") for e in self._episodes)
        return np.concatenate([column.astype(np.float64).reshape(-1) for column in columns])

    def lacking(self, camera: str) -> str | None:
        """Frames that a video has too few of, by its header."""
        if self._features[camera]["dtype"] != "video":
            return None
        return lacking(self.path, [self._segment(e, camera) for e in self._episodes])

    def files(self, camera: str) -> list[Path]:
        """The videos of a camera, or the tables that hold its images, and what says where they lie."""
        if self._features[camera]["dtype"] == "image":
            files = {e.data for e in self._episodes}
        else:
            files = {self._segment(e, camera).file for e in self._episodes}
        return sorted([*files, *(p for p in (self.path / "meta").rglob("*") if p.is_file())])

    def _list_v3(self) -> list[_Episode]:
        files = sorted((self.path / "meta" / "episodes").rglob("*.parquet"))
        if not files:
            self._refuse("meta/episodes", "has no .parquet; expected the list of episodes")
        rows = []
        for file in files:
            table = self._table(file)
            wanted = [c for c in table.column_names if not c.startswith("stats/")]
            rows += table.select(wanted).to_pylist()
        rows.sort(key=lambda row: row["episode_index"])
        template = self._info.get("data_path") or "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
        episodes, next_row = [], {}
        for row in rows:
            number = row["episode_index"]
            data = self._file(
                template, chunk_index=row["data/chunk_index"], file_index=row["data/file_index"]
            )
            first = next_row.setdefault(data, self._first_row(data, number))
            length = int(row["length"])
            low, high = row.get("dataset_from_index"), row.get("dataset_to_index")
            if low is not None and high is not None and high - low != length:
                self._refuse(
                    "meta/episodes", f"episode {number} has rows {low} to {high} and length {length}"
                )
            episodes.append(_Episode(number, length, data, first, row))
            next_row[data] = first + length
        for data, n in next_row.items():
            if n > self._rows(data):
                self._refuse(
                    self._inside(data),
                    f"has {self._rows(data)} rows; its episodes have {n} by meta/episodes (was the recording "
                    "finished?)",
                )
        return episodes

    def _list_v2(self) -> list[_Episode]:
        template = self._info.get("data_path") or (
            "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet"
        )
        size = int(self._info.get("chunks_size") or 1000)
        episodes = []
        for row in self._json_lines("meta/episodes.jsonl"):
            number = int(row["episode_index"])
            data = self._file(template, episode_chunk=number // size, episode_index=number)
            if self._rows(data) != row["length"]:
                self._refuse(
                    self._inside(data),
                    f"has {self._rows(data)} rows; meta/episodes.jsonl says {row['length']}",
                )
            episodes.append(_Episode(number, int(row["length"]), data, 0, row))
        return sorted(episodes, key=lambda e: e.number)

    def _segment(self, episode: _Episode, camera: str) -> VideoSegment:
        """The frames of an episode in a video."""
        if self._version.startswith("3"):
            keys = "chunk_index", "file_index", "from_timestamp"
            try:
                where = {key: episode.row[f"videos/{camera}/{key}"] for key in keys}
            except KeyError as error:
                self._refuse("meta/episodes", f"episode {episode.number}: no column {error}")
            template = self._info.get("video_path") or (
                "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
            )
            file = self._file(
                template, video_key=camera, chunk_index=where["chunk_index"], file_index=where["file_index"]
            )
            begins = float(where["from_timestamp"])
        else:
            template = self._info.get("video_path") or (
                "videos/chunk-{episode_chunk:03d}/{video_key}/episode_{episode_index:06d}.mp4"
            )
            chunk = episode.number // int(self._info.get("chunks_size") or 1000)
            file = self._file(template, video_key=camera, episode_chunk=chunk, episode_index=episode.number)
            begins = 0.0
        times = self._times(episode)
        # Rounded to frames: times are floats, and drift.
        numbers = np.rint((begins + times) * self._fps).astype(np.int64)
        return VideoSegment(file, numbers, self._fps, f"episode {episode.number}")

    def _times(self, episode: _Episode) -> np.ndarray:
        """Time (T,) of the rows of an episode in seconds, which must go on by one frame each."""
        if "timestamp" not in self._table(episode.data).column_names:
            return np.arange(episode.length) / self._fps
        times = self._column(episode, "timestamp").astype(np.float64).reshape(-1)
        off = np.abs(times - np.arange(episode.length) / self._fps)
        if not (off < 0.5 / self._fps).all():
            at = int(np.argmax(~(off < 0.5 / self._fps)))
            self._refuse(
                f"{self._inside(episode.data)}: row {episode.first + at}: timestamp",
                f"is {times[at]:g} s, frame {at} of episode {episode.number}; expected {at / self._fps:g} s "
                f"at {self._fps:g} frames/s (frames are missing, or the rate is wrong)",
            )
        return times

    def _encoded(self, episodes: list[_Episode], camera: str, skip: int) -> Iterator[np.ndarray]:
        """Images that lie in the table as PNG or JPEG."""
        import cv2

        height, width, channels = self.cameras()[camera].shape
        for e in episodes:
            table = self._table(e.data, [camera]).slice(e.first + skip, e.length - skip)
            for low in range(0, len(table), _BLOCK):
                rows = table.column(camera).slice(low, _BLOCK).to_pylist()
                block = []
                for n, row in enumerate(rows):
                    content = (row or {}).get("bytes")
                    image = None
                    if content:
                        flag = cv2.IMREAD_GRAYSCALE if channels == 1 else cv2.IMREAD_COLOR_RGB
                        image = cv2.imdecode(np.frombuffer(content, np.uint8), flag)
                    if image is None or image.shape[:2] != (height, width):
                        found = "no image" if image is None else f"an image of {image.shape[:2]} px"
                        self._refuse(
                            f"{self._inside(e.data)}: {camera}",
                            f"row {e.first + skip + low + n} holds {found}; expected {height} × {width} px",
                        )
                    block.append(image.reshape(height, width, channels))
                yield np.stack(block)
            skip = 0

    def _image_shape(self, name: str, feature: dict) -> tuple[int, int, int]:
        """(H, W, C) of a camera, whose shape some datasets give channels first."""
        shape, names = list(feature.get("shape") or []), list(feature.get("names") or [])
        if len(shape) != 3 or not all(isinstance(n, int) and n > 0 for n in shape):
            self._refuse(
                "meta/info.json", f"{name} has the shape {shape}; expected [height, width, channels]"
            )
        first = names[0] if names else None
        if first in ("channel", "channels", "c") or (first is None and shape[0] in (1, 3) and shape[2] > 4):
            shape = [*shape[1:], shape[0]]
        return tuple(shape)

    def _column(self, episode: _Episode, name: str) -> np.ndarray:
        """The values of an episode in a column, flat, in order; its rows are checked to be the episode's."""
        table = self._table(episode.data)
        if name not in table.column_names:
            there = ", ".join(table.column_names)
            self._refuse(self._inside(episode.data), f"has no column {name!r}; it has {there}")
        rows = table.slice(episode.first, episode.length)
        if "episode_index" in table.column_names:
            numbers = rows.column("episode_index").to_numpy()
            if len(numbers) != episode.length or (numbers != episode.number).any():
                self._refuse(
                    self._inside(episode.data),
                    f"rows {episode.first} to {episode.first + episode.length - 1} should be episode "
                    f"{episode.number}'s, and are not (by meta/episodes)",
                )
        if "frame_index" in table.column_names:
            numbers = rows.column("frame_index").to_numpy()
            if (numbers != np.arange(episode.length)).any():
                at = int(np.argmax(numbers != np.arange(episode.length)))
                self._refuse(
                    f"{self._inside(episode.data)}: row {episode.first + at}: frame_index",
                    f"is {numbers[at]}; expected {at}, as frames of episode {episode.number} in their order",
                )
        column = rows.column(name).combine_chunks()
        if column.null_count:
            self._refuse(f"{self._inside(episode.data)}: {name}", f"lacks {column.null_count} values")
        while hasattr(column, "storage") or str(column.type).startswith(("list", "fixed_size", "large_list")):
            column = column.storage if hasattr(column, "storage") else column.flatten()
        values = column.to_numpy(zero_copy_only=False)
        if values.dtype.kind not in "fiub":
            self._refuse(f"{self._inside(episode.data)}: {name}", f"is {column.type}; expected numbers")
        if values.size % max(episode.length, 1):
            self._refuse(f"{self._inside(episode.data)}: {name}", "has rows of different lengths")
        return values

    def _first_row(self, data: Path, number: int) -> int:
        """Where an episode begins in its file; 0 where rows do not say whose they are."""
        table = self._table(data)
        if "episode_index" not in table.column_names:
            return 0
        rows = np.flatnonzero(table.column("episode_index").to_numpy() == number)
        if not len(rows):
            self._refuse(self._inside(data), f"has no row of episode {number}; meta/episodes says it has")
        return int(rows[0])

    def _rows(self, file: Path) -> int:
        return self._table(file).num_rows

    def _table(self, file: Path, columns: list[str] | None = None):
        """A Parquet file, without its images unless they are asked for; kept, as all episodes ask for it."""
        images = {name for name, f in self._features.items() if f.get("dtype") == "image"}
        if columns is None and file in self._tables:
            return self._tables[file]
        try:
            if columns is None:
                names = [n for n in self._parquet.read_schema(file).names if n not in images]
                table = self._parquet.read_table(file, columns=names, partitioning=None)
                self._tables[file] = table
                return table
            return self._parquet.read_table(file, columns=columns, partitioning=None)
        except FileNotFoundError:
            self._refuse(self._inside(file), "is missing; meta/ says it is there")
        except (OSError, ValueError) as error:  # pyarrow's own are ValueErrors
            reason = " ".join(str(error).split())
            self._refuse(self._inside(file), f"cannot be read ({reason}); was it finished?")

    def _file(self, template: str, **where: object) -> Path:
        """A file named by one of the templates of `meta/info.json`, which must lie in the folder."""
        try:
            file = self.path / template.format(**where)
        except (KeyError, IndexError, ValueError, AttributeError, TypeError) as error:
            self._refuse("meta/info.json", f"path {template!r} has an unknown part ({error!r})")
        # By its name: the files themselves may be links, as in a cache of the hub.
        if not Path(os.path.normpath(file)).is_relative_to(os.path.normpath(self.path)):
            self._refuse("meta/info.json", f"path {template!r} leads out of the folder")
        return file

    def _json(self, name: str) -> dict:
        try:
            value = json.loads((self.path / name).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            self._refuse(name, f"cannot be read ({' '.join(str(error).split())})")
        if not isinstance(value, dict):
            self._refuse(name, f"is a {type(value).__name__}; expected a mapping")
        return value

    def _json_lines(self, name: str) -> list[dict]:
        try:
            lines = (self.path / name).read_text(encoding="utf-8").splitlines()
            rows = [json.loads(line) for line in lines if line.strip()]
            return [{**row, "length": int(row["length"])} for row in rows]
        except (OSError, ValueError, KeyError, TypeError) as error:
            self._refuse(name, f"cannot be read ({error!r})")

    def _inside(self, file: Path) -> str:
        return str(file.relative_to(self.path))


def _video_info(feature: dict) -> dict:
    """What `meta/info.json` says of a video, under either of the names that lerobot gave to it."""
    return {**(feature.get("info") or {}), **(feature.get("video_info") or {})}
