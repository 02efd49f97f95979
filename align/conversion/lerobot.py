"""Writing demonstrations as a LeRobotDataset of version 3.0, without lerobot.

Layout by lerobot's `datasets`: several episodes a Parquet file (a row group each) and a video, and
`meta/episodes` says where each lies.
"""

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from align.conversion.episodes import Episode, Layout, blocks, checked, of_columns
from align.conversion.statistics import ImageTally, columns_of, vector_statistics
from align.conversion.video import GOP, PIXELS, VideoFile, check_quality
from align.data.episodes import Actions
from align.data.readers.encoding import Encoding
from align.data.readers.extras import extra
from align.data.readers.lerobot import LeRobotDataset
from align.errors import InputError, check_numbers
from align.files import atomic_path, user_path, write_json
from align.run.opencv import cv2

Codec = Literal["png", "av1", "h264"]
"""Of images: without loss, in the table; or video, as LeRobot's own recordings (AV1) or older ones."""
DATA = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
VIDEO = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
CHUNK, DATA_MB, VIDEO_MB = 1000, 100, 200  # files a folder, and size from which on another file is begun
Tasks = tuple[list[str], np.ndarray]
"""Tasks in words, and which of them each row (T,) is of; see `align.data.readers.Reader.tasks`."""
_OWN_NAMES = {"action": "action", "agent_pos": "observation.state", "state": "observation.environment_state"}


def write_lerobot(
    path: str | os.PathLike,
    episodes: Iterable[Episode],
    fps: float,
    codec: Codec = "png",
    crf: int = 30,
    task: str | Tasks = "demonstrations",
    names: Mapping[str, Sequence[str] | None] | None = None,
    encodings: Mapping[str, Encoding | None] | None = None,
    robot_type: str | None = None,
    overwrite: bool = False,
    domain: str | None = None,
    actions: Actions | None = None,
    units: Mapping[str, Sequence[str] | None] | None = None,
) -> int:
    """Write episodes, as they come, to a folder that LeRobot reads; it appears whole or not at all.

    "action" stays one, "agent_pos" becomes `observation.state`, "state" `observation.environment_state`,
    every other array `observation.` and its name; "image.NAME" becomes `observation.images.NAME`, "image"
    `observation.images.image`.

    Args:
        path: The folder to create.
        episodes: See `align.conversion.episodes.Episode`.
        fps: Frames a second, a whole number.
        codec: How images are stored.
        crf: Quality of video, 0 to 63 (of h264 51), less is better; LeRobot's own is 30.
        task: What is done, in words; of several, the words and which of them each row of all episodes is of.
        names: What the columns of arrays are called, e.g. {"action": ["x", "y"]}.
        encodings: How images were encoded as video before they came here, by camera; kept, since a codec
            tells domains apart.
        robot_type: What robot recorded them.
        overwrite: Replace a LeRobotDataset at `path`. Nothing else is ever replaced.
        domain: "sim" or "real", kept as an entry of `meta/info.json`, as is
        actions: what actions are.
        units: What the columns of arrays are measured in, e.g. {"action": ["m", "rad"]}; kept as an entry of
            the feature's `info`.

    Returns:
        The number of episodes.

    Raises:
        InputError: There is something at `path` that may not be replaced, there are no episodes, or one does
            not fit the others; images cannot be encoded; pyarrow or PyAV is not installed.

    Example:
        >>> arm = {"action": np.zeros((20, 7)), "agent_pos": np.zeros((20, 8))}
        >>> write_lerobot("demos", [arm], fps=20)
        1
    """
    path = user_path(path)
    fps = int(fps) if isinstance(fps, float) and fps.is_integer() else fps
    check_numbers("[1, 1e6]", whole=True, fps=fps)
    check_quality(codec, crf)
    extra("pyarrow", "lerobot", path, "writing")
    if path.exists() and not (overwrite and LeRobotDataset.recognises(path)):
        expected = "a LeRobotDataset to replace" if overwrite else "a path that is free, or overwrite"
        raise InputError(f"path: {path} exists; expected {expected}")
    with atomic_path(path, replace=overwrite) as target, contextlib.ExitStack() as stack:
        writer = _Writer(target, fps, codec, crf, task)
        stack.callback(writer.close)
        for episode in episodes:
            writer.append(episode)
        if not writer.rows:
            raise InputError(f"episodes: none to write to {path}; expected at least one")
        writer.close()
        said = {"robot_type": robot_type, "domain": domain, "actions": actions}
        writer.describe(names or {}, units or {}, encodings or {}, said)
        return len(writer.rows)


def feature_of(name: str) -> str:
    """LeRobot's name of what "action", "agent_pos", "image.NAME" and others are."""
    if name == "image" or name.startswith("image."):
        return f"observation.images.{name.removeprefix('image.')}"
    return _OWN_NAMES.get(name) or f"observation.{name.removeprefix('observation.')}"


class _Writer:
    """A data set that is being written into a new folder."""

    def __init__(self, root: Path, fps: int, codec: Codec, crf: int, task: str | Tasks):
        self.root, self.fps, self.codec, self.crf = root, fps, codec, crf
        self.tasks, self.task_of = ([task], None) if isinstance(task, str) else task
        self.layout: Layout | None = None
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.rows: list[dict] = []
        self.statistics: list[dict[str, dict[str, list]]] = []
        self.vectors: dict[str, list[np.ndarray]] = {}
        self.tallies: dict[str, ImageTally] = {}
        self.videos: dict[str, tuple[int, VideoFile]] = {}
        self.data = None
        self.data_file, self.data_bytes, self.total = -1, 0, 0

    def append(self, episode: Episode) -> None:
        n = len(self.rows)
        self.layout, vectors, length = checked(n, episode, self.layout)
        task_index = np.zeros(length, np.int64)
        if self.task_of is not None:
            task_index = self.task_of[self.total : self.total + length]
            if len(task_index) < length:
                raise InputError(f"task: of {len(self.task_of)} rows; expected one of each of all episodes")
        columns = {feature_of(name): value for name, value in vectors.items()} | {
            "timestamp": (np.arange(length) / self.fps).astype(np.float32)[:, None],
            "frame_index": np.arange(length)[:, None],
            "episode_index": np.full((length, 1), n),
            "index": np.arange(self.total, self.total + length)[:, None],
            "task_index": task_index[:, None].astype(np.int64),
        }
        tasks = [self.tasks[k] for k in np.unique(task_index)]
        row = {"episode_index": n, "tasks": tasks, "length": length}
        statistics = {feature: vector_statistics(value) for feature, value in columns.items()}
        pictures = {}
        for name in self.layout.cameras:
            frames, tally = blocks(n, name, episode[name], length, self.shapes), ImageTally(length)
            pictures[name] = list(self._stored(name, frames, tally, length, row))
            statistics[feature_of(name)] = tally.statistics()
            self.tallies.setdefault(name, ImageTally()).merge(tally)
        self._write_rows(columns, pictures, row)
        row |= {"dataset_from_index": self.total, "dataset_to_index": self.total + length}
        row |= {"meta/episodes/chunk_index": 0, "meta/episodes/file_index": 0}
        for feature, value in columns.items():
            self.vectors.setdefault(feature, []).append(value)
        self.rows.append(row)
        self.statistics.append(statistics)
        self.total += length

    def _stored(
        self, name: str, frames: Iterator[np.ndarray], tally: ImageTally, length: int, row: dict
    ) -> Iterator[bytes]:
        """PNGs of a camera's frames; none of those that go into a video, whose place is entered."""
        video = None
        for block in frames:
            if block.shape[3] != 3:
                raise InputError(
                    f"episodes[{len(self.rows)}]: {name} has {block.shape[3]} channels; LeRobot takes 3"
                )
            tally.add(block)
            if self.codec == "png":
                for image in block:
                    yield cv2.imencode(".png", image[..., ::-1])[1].tobytes()
                continue
            if video is None:
                number, video = self._video(name)
                key, begins = f"videos/{feature_of(name)}", video.frames
                row |= _place(key, number) | {
                    f"{key}/from_timestamp": begins / self.fps,
                    f"{key}/to_timestamp": (begins + length) / self.fps,
                }
            video.append(block)

    def _video(self, name: str) -> tuple[int, VideoFile]:
        """The video that a camera's next frames go into: the last, or another where that is large."""
        number, video = self.videos.get(name, (-1, None))
        if video is None or video.bytes > VIDEO_MB << 20:
            if video is not None:
                video.close()
            number += 1
            where = VIDEO.format(
                video_key=feature_of(name), chunk_index=number // CHUNK, file_index=number % CHUNK
            )
            video = VideoFile(self.root / where, self.shapes[name], self.fps, self.codec, self.crf)
            self.videos[name] = number, video
        return number, video

    def _write_rows(
        self, columns: dict[str, np.ndarray], pictures: dict[str, list[bytes]], row: dict
    ) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        arrays = {}
        for feature, value in columns.items():
            flat = pa.array(value.reshape(-1))
            arrays[feature] = (
                flat if value.shape[1] == 1 else pa.FixedSizeListArray.from_arrays(flat, value.shape[1])
            )
        kind = pa.struct({"bytes": pa.binary(), "path": pa.string()})
        for name, encoded in pictures.items() if self.codec == "png" else ():
            images = [{"bytes": png, "path": f"frame-{i:06d}.png"} for i, png in enumerate(encoded)]
            arrays[feature_of(name)] = pa.array(images, kind)
        table = pa.table(arrays)
        if self.data is None or self.data_bytes > DATA_MB << 20:
            if self.data is not None:
                self.data.close()
            self.data_file, self.data_bytes = self.data_file + 1, 0
            file = self.root / DATA.format(
                chunk_index=self.data_file // CHUNK, file_index=self.data_file % CHUNK
            )
            file.parent.mkdir(parents=True, exist_ok=True)
            self.data = pq.ParquetWriter(file, table.schema)
        self.data.write_table(table)
        self.data_bytes += table.nbytes
        row |= _place("data", self.data_file)

    def close(self) -> None:
        """Finish the files."""
        if self.data is not None:
            self.data.close()
            self.data = None
        while self.videos:
            self.videos.popitem()[1][1].close()

    def describe(
        self, names: Mapping, units: Mapping, encodings: Mapping, said: Mapping[str, str | None]
    ) -> None:
        """Write `meta/`."""
        import pandas as pd
        import pyarrow as pa
        import pyarrow.parquet as pq

        meta = self.root / "meta"
        (meta / "episodes/chunk-000").mkdir(parents=True)
        listed = {key: [row[key] for row in self.rows] for key in self.rows[0]} | columns_of(self.statistics)
        pq.write_table(pa.table(listed), meta / "episodes/chunk-000/file-000.parquet")
        index = pd.Index(self.tasks, name="task")
        tasks = pd.DataFrame({"task_index": np.arange(len(self.tasks))}, index=index)
        tasks.to_parquet(meta / "tasks.parquet")
        whole = {f: vector_statistics(np.concatenate(parts)) for f, parts in self.vectors.items()}
        whole |= {feature_of(name): tally.statistics() for name, tally in self.tallies.items()}
        write_json(meta / "stats.json", whole)
        info = {
            "codebase_version": "v3.0",
            "fps": self.fps,
            "features": self._features(names, units, encodings),
            "total_episodes": len(self.rows),
            "total_frames": self.total,
            "total_tasks": len(self.tasks),
            "chunks_size": CHUNK,
            "data_files_size_in_mb": DATA_MB,
            "video_files_size_in_mb": VIDEO_MB,
            "data_path": DATA,
            "video_path": None if self.codec == "png" else VIDEO,
            "splits": {"train": f"0:{len(self.rows)}"},
            **{name: value for name, value in said.items() if value is not None or name == "robot_type"},
        }
        write_json(meta / "info.json", info)

    def _features(self, names: Mapping, units: Mapping, encodings: Mapping) -> dict[str, dict]:
        features = {}
        for name, width in self.layout.vectors.items():
            said, measured = of_columns("names", names, name, width), of_columns("units", units, name, width)
            info = {} if measured is None else {"info": {"units": measured}}
            features[feature_of(name)] = {"dtype": "float32", "shape": [width], "names": said, **info}
        for name, (height, width, channels) in self.shapes.items():
            feature = {"shape": [height, width, channels], "names": ["height", "width", "channels"]}
            if self.codec == "png":
                feature = {"dtype": "image", **feature, **_before(encodings.get(name))}
            else:
                info = {"height": height, "width": width, "codec": self.codec, "pix_fmt": PIXELS}
                info |= {"fps": self.fps, "channels": channels, "g": GOP, "crf": self.crf}
                info = {f"video.{key}": value for key, value in info.items()}
                info |= {"has_audio": False, "is_depth_map": False}
                feature = {"dtype": "video", **feature, "info": info}
            features[feature_of(name)] = feature
        kinds = dict.fromkeys(("frame_index", "episode_index", "index", "task_index"), "int64")
        for name, dtype in {"timestamp": "float32", **kinds}.items():
            features[name] = {"dtype": dtype, "shape": [1], "names": None}
        return features


def _before(encoding: Encoding | None) -> dict[str, dict]:
    """What says how images were encoded that are stored without loss now."""
    if encoding is None:
        return {}
    names = {"gop": "g"}
    told = {names.get(name, name): value for name, value in encoding.values().items() if value is not None}
    return {"info": {f"video.{name}": value for name, value in told.items()}}


def _place(key: str, number: int) -> dict[str, int]:
    """The columns that say in which file something lies."""
    return {f"{key}/chunk_index": number // CHUNK, f"{key}/file_index": number % CHUNK}
