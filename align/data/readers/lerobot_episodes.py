"""Where the episodes of a LeRobotDataset lie, in tables and in videos; checked, since converters err.

Columns of indices and bounds of episodes are checked against each other. A folder that lists a part of the
episodes that its files hold is read to that part.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from align.data.readers.lerobot_files import LeRobotFiles
from align.data.readers.video import VideoSegment
from align.errors import shown
from align.run.reading import is_there, reading

_BETWEEN = 0.25
"""Of a frame, by which a video's times may miss the frames: floats drift, and more is another fault."""


@dataclass(frozen=True)
class Episode:
    """Where an episode lies.

    Attributes:
        number: Its own, of `episode_index`.
        length: Frames.
        data: The table that its rows are in.
        first: Its first row there.
        row: All that `meta/` says of it.
    """

    number: int
    length: int
    data: Path
    first: int
    row: dict


def episodes_of(files: LeRobotFiles) -> list[Episode]:
    """The episodes that `meta/` lists, in the order of their numbers.

    Raises:
        InputError: There is none, one is listed twice, or what `meta/` says of one does not fit the tables.
    """
    with reading(files.path / "meta" / "episodes", "the list of episodes that LeRobot writes"):
        found = list(_of_v3(files) if files.is_v3 else _of_v2(files))
    if not found:
        files.refuse("meta/", "lists no episode; expected at least one")
    numbers, counts = np.unique([episode.number for episode in found], return_counts=True)
    if (counts > 1).any():  # it could be trained on and held out
        place = "meta/episodes" if files.is_v3 else "meta/episodes.jsonl"
        files.refuse(
            place, f"lists episode {numbers[counts > 1][0]} {counts[counts > 1][0]} times; expected once"
        )
    return found


def _of_v3(files: LeRobotFiles) -> Iterator[Episode]:
    listed = sorted((files.path / "meta" / "episodes").rglob("*.parquet"))
    if not listed:
        files.refuse("meta/episodes", "has no .parquet; expected the list of episodes")
    rows = []
    for file in listed:
        table = files.table(file)
        wanted = [c for c in table.column_names if not c.startswith("stats/")]
        rows += table.select(wanted).to_pylist()
    rows.sort(key=lambda row: row["episode_index"])
    template = files.info.get("data_path") or "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
    firsts: dict[Path, dict[int, int] | None] = {}
    ends: dict[Path, int] = {}
    for row in rows:
        number, length = row["episode_index"], int(row["length"])
        data = files.file(template, chunk_index=row["data/chunk_index"], file_index=row["data/file_index"])
        low, high = row.get("dataset_from_index"), row.get("dataset_to_index")
        if low is not None and high is not None and high - low != length:
            files.refuse("meta/episodes", f"episode {number} has rows {low} to {high} and length {length}")
        if data not in firsts:
            firsts[data] = _first_rows(files, data)
        if firsts[data] is None:  # rows do not say whose they are
            first = ends.get(data, 0)
        elif number in firsts[data]:
            first = firsts[data][number]
        else:
            files.refuse(files.inside(data), f"has no row of episode {number}; meta/episodes says it has")
        ends[data] = first + length
        if ends[data] > files.rows(data):
            files.refuse(
                files.inside(data),
                f"has {files.rows(data)} rows; its episodes have {ends[data]} by meta/episodes (was the "
                "recording finished?)",
            )
        yield Episode(number, length, data, first, row)


def _of_v2(files: LeRobotFiles) -> Iterator[Episode]:
    template = files.info.get("data_path") or (
        "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet"
    )
    size = int(files.info.get("chunks_size") or 1000)
    rows = files.json_lines("meta/episodes.jsonl", ("episode_index", "length"))
    for row in sorted(rows, key=lambda row: row["episode_index"]):
        number, length = row["episode_index"], row["length"]
        data = files.file(template, episode_chunk=number // size, episode_index=number)
        if files.rows(data) != length:
            files.refuse(
                files.inside(data), f"has {files.rows(data)} rows; meta/episodes.jsonl says {length}"
            )
        yield Episode(number, length, data, 0, row)


def _first_rows(files: LeRobotFiles, data: Path) -> dict[int, int] | None:
    """Where each episode begins in a table; None where rows do not say whose they are."""
    table = files.table(data)
    if "episode_index" not in table.column_names:
        return None
    numbers, rows = np.unique(table.column("episode_index").to_numpy(), return_index=True)
    return dict(zip(numbers.tolist(), rows.tolist(), strict=True))


def column_of(files: LeRobotFiles, episode: Episode, name: str) -> np.ndarray:
    """The values of an episode in a column, flat, in order; its rows are checked to be the episode's.

    Raises:
        InputError: There is no such column, it lacks values or holds no numbers, or rows are another's.
    """
    table, where = files.table(episode.data), files.inside(episode.data)
    if name not in table.column_names:
        files.refuse(where, f"has no column {name!r}; it has {', '.join(table.column_names)}")
    rows = table.slice(episode.first, episode.length)
    if "episode_index" in table.column_names:
        numbers = _counted(files, where, rows, "episode_index")
        if len(numbers) != episode.length or (numbers != episode.number).any():
            files.refuse(
                where,
                f"rows {episode.first} to {episode.first + episode.length - 1} should be episode "
                f"{episode.number}'s, and are not (by meta/episodes)",
            )
    if "frame_index" in table.column_names:
        numbers = _counted(files, where, rows, "frame_index")
        if (numbers != np.arange(episode.length)).any():
            at = int(np.argmax(numbers != np.arange(episode.length)))
            files.refuse(
                f"{where}: row {episode.first + at}: frame_index",
                f"is {numbers[at]}; expected {at}, as frames of episode {episode.number} in their order",
            )
    column = rows.column(name).combine_chunks()
    if column.null_count:
        files.refuse(f"{where}: {name}", f"lacks {column.null_count} values")
    values = _flat(column)
    if values.dtype.kind not in "fiub":
        files.refuse(f"{where}: {name}", f"is {column.type}; expected numbers")
    if values.size % max(episode.length, 1):
        files.refuse(f"{where}: {name}", "has rows of different lengths")
    return values


def number_of(files: LeRobotFiles, episode: Episode, name: str) -> np.ndarray:
    """`column_of`, of a column that holds one number a row, as "timestamp".

    Raises:
        InputError: As there, or it holds several, or some that are not finite.
    """
    values = column_of(files, episode, name)
    if len(values) != episode.length or not np.isfinite(values).all():
        what = f"has {len(values) / max(episode.length, 1):g} numbers a row, or some that are not finite"
        files.refuse(f"{files.inside(episode.data)}: {name}", f"{what}; expected one finite number")
    return values


def _flat(column) -> np.ndarray:
    """The values of a column, those of lists one after the other."""
    while hasattr(column, "storage") or str(column.type).startswith(("list", "fixed_size", "large_list")):
        column = column.storage if hasattr(column, "storage") else column.flatten()
    return column.to_numpy(zero_copy_only=False)


def _counted(files: LeRobotFiles, where: str, rows, name: str) -> np.ndarray:
    """The values of a column that counts, one whole number a row."""
    column = rows.column(name).combine_chunks()
    values = _flat(column)
    if str(column.type).startswith("decimal") and not column.null_count:
        values = values.astype(np.float64)
    if len(values) != len(column) or values.dtype.kind not in "fiu" or not np.isfinite(values).all():
        files.refuse(f"{where}: {name}", f"is {column.type}; expected one whole number a row")
    return values


def tasks_of(files: LeRobotFiles, episodes: Sequence[Episode]) -> tuple[list[str], np.ndarray] | None:
    """Tasks in words, and which of them each row (T,) is of; None where that is not said.

    Where rows do not say it, each is of the first task of its episode.
    """
    if files.is_v3:
        file = files.path / "meta/tasks.parquet"
        rows = files.table(file).to_pylist() if is_there(file) else []
        rows = [row for row in rows if "task_index" in row]
        known = {row["task_index"]: row.get("task", row.get("__index_level_0__")) for row in rows}
    else:
        there = is_there(files.path / "meta/tasks.jsonl")
        rows = files.json_lines("meta/tasks.jsonl", ("task_index",)) if there else []
        known = {row["task_index"]: row.get("task") for row in rows}
    told, of = [], []
    for episode in episodes:
        if known and "task_index" in files.table(episode.data).column_names:
            numbers = number_of(files, episode, "task_index").astype(np.int64)
            names = [known.get(number) for number in np.unique(numbers).tolist()]
        else:
            names = list(episode.row.get("tasks") or [None])[:1]
            numbers = np.zeros(episode.length, np.int64)
        if not all(isinstance(name, str) for name in names):
            return None
        told += [name for name in names if name not in told]
        places = np.array([told.index(name) for name in names])
        of.append(places[np.searchsorted(np.unique(numbers), numbers)])
    return told, np.concatenate(of)


def segments_of(files: LeRobotFiles, episodes: Sequence[Episode], camera: str) -> list[VideoSegment]:
    """The frames of episodes in the videos of a camera.

    Raises:
        InputError: `meta/` does not say where they are, or that two episodes have the same frames.
    """
    segments = [segment_of(files, episode, camera) for episode in episodes]
    last: dict[object, tuple[int, int]] = {}
    ordered = sorted(zip(segments, episodes, strict=True), key=lambda pair: int(pair[0].numbers[0]))
    for segment, episode in ordered:  # episodes may lie in a file in any order
        begins, ends = int(segment.numbers[0]), int(segment.numbers[-1])
        before, other = last.get(segment.file, (-1, 0))
        if begins <= before:
            files.refuse(
                f"meta/episodes: row of episode {episode.number}: from_timestamp of {camera}",
                f"is frame {begins} of {files.inside(segment.file)}, which episode {other} has up to frame "
                f"{before} (frames were dropped, or the times have drifted); record or convert it again",
            )
        last[segment.file] = ends, episode.number
    return segments


def segment_of(files: LeRobotFiles, episode: Episode, camera: str) -> VideoSegment:
    """The frames of an episode in a video, by their times; see `segments_of`."""
    fps = files.fps
    if files.is_v3:
        keys = "chunk_index", "file_index", "from_timestamp"
        try:
            where = {key: episode.row[f"videos/{camera}/{key}"] for key in keys}
        except KeyError as error:
            files.refuse("meta/episodes", f"episode {episode.number}: no column {error}")
        template = files.info.get("video_path") or (
            "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
        )
        file = files.file(
            template, video_key=camera, chunk_index=where["chunk_index"], file_index=where["file_index"]
        )
        since = where["from_timestamp"]
        if not isinstance(since, int | float) or not abs(since) < 1e9:
            files.refuse(
                f"meta/episodes: row of episode {episode.number}: from_timestamp of {camera}",
                f"is {shown(since)}; expected seconds",
            )
        begins = since * fps
        if not abs(begins - round(begins)) <= _BETWEEN:
            files.refuse(
                f"meta/episodes: row of episode {episode.number}: from_timestamp of {camera}",
                f"is {begins / fps:g} s, frame {begins:.2f} at {fps:g} a second; expected a whole one (times "
                "have drifted, or the rate is wrong); convert it again",
            )
    else:
        template = files.info.get("video_path") or (
            "videos/chunk-{episode_chunk:03d}/{video_key}/episode_{episode_index:06d}.mp4"
        )
        chunk = episode.number // int(files.info.get("chunks_size") or 1000)
        file = files.file(template, video_key=camera, episode_chunk=chunk, episode_index=episode.number)
        begins = 0.0
    # Both are rounded to frames: times are floats, and drift, and their sum may lie between two.
    numbers = round(begins) + np.rint(_times(files, episode) * fps).astype(np.int64)
    return VideoSegment(file, numbers, fps, f"episode {episode.number}")


def _times(files: LeRobotFiles, episode: Episode) -> np.ndarray:
    """Time (T,) of the rows of an episode in seconds, which must go on by one frame each."""
    if "timestamp" not in files.table(episode.data).column_names:
        return np.arange(episode.length) / files.fps
    times = number_of(files, episode, "timestamp").astype(np.float64)
    off = np.abs(times - np.arange(episode.length) / files.fps)
    if not (off < 0.5 / files.fps).all():
        at = int(np.argmax(~(off < 0.5 / files.fps)))
        files.refuse(
            f"{files.inside(episode.data)}: row {episode.first + at}: timestamp",
            f"is {times[at]:g} s, frame {at} of episode {episode.number}; expected {at / files.fps:g} s "
            f"at {files.fps:g} frames/s (frames are missing, or the rate is wrong)",
        )
    return times
