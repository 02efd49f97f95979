"""Frames of video files, decoded once and in order, by PyAV."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from align.data.readers.encoding import Encoding, left_by_encoder
from align.data.readers.extras import extra
from align.errors import InputError
from align.files import other_kind

_BLOCK_BYTES = 32 << 20
_LONGEST_GOP = 600  # packets that are looked at for a second key frame


@dataclass(frozen=True)
class VideoSegment:
    """The frames of an episode in a video file.

    Attributes:
        file: The video.
        numbers: Which of its frames they are, (T,) int64, counted from its beginning at `fps`.
        fps: Frames a second.
        name: Whose they are, for messages.
    """

    file: Path
    numbers: np.ndarray
    fps: float
    name: str

    def encoding(self, store: Path) -> Encoding:
        """How the file is encoded, as far as it says.

        Raises:
            InputError: It is missing or no video.
        """
        with _opened(store, self) as container:
            stream = container.streams.video[0]
            context, keys, gop, crf = stream.codec_context, [], None, None
            for n, packet in enumerate(container.demux(stream)):
                if n == 0:
                    gop, crf = left_by_encoder(bytes(packet))
                if packet.is_keyframe:
                    keys.append(n)
                if gop is not None or len(keys) == 2 or n == _LONGEST_GOP:
                    break
            gop = gop if gop is not None or len(keys) < 2 else keys[1] - keys[0]
            found = Encoding(context.codec.canonical_name, context.pix_fmt, gop, crf)
            return found.told(size=(context.height, context.width))


def decode(
    store: Path, segments: Sequence[VideoSegment], skip: int, shape: tuple[int, int, int]
) -> Iterator[np.ndarray]:
    """The frames of segments, one behind the other.

    Every file is decoded in order, from the key frame before its first wanted frame; a frame's number is its
    time, so that one that was dropped in the middle is missed, and not all after it moved.

    Args:
        store: Whose they are, for messages.
        segments: In the order in which they are wanted; those of one file increase.
        skip: Frames of the first segment that are not wanted.
        shape: (H, W, C) that frames must have.

    Yields:
        Blocks (n, H, W, C) uint8.

    Raises:
        InputError: A file is missing or damaged, lacks a frame, or has frames of another size.
    """
    wanted: list[tuple[VideoSegment, np.ndarray]] = []
    for n, segment in enumerate(segments):
        numbers = segment.numbers[skip:] if n == 0 else segment.numbers
        same = wanted and wanted[-1][0].file == segment.file and len(numbers)
        if same and numbers[0] > wanted[-1][1][-1]:
            wanted[-1] = (wanted[-1][0], np.concatenate([wanted[-1][1], numbers]))
        elif len(numbers):
            wanted.append((segment, numbers))
    rows = max(1, _BLOCK_BYTES // int(np.prod(shape)))
    for segment, numbers in wanted:
        label = f"{segment.file.relative_to(store)}"
        block = []
        for image in _frames(store, label, segment, numbers, shape):
            block.append(image)
            if len(block) == rows:
                yield np.stack(block)
                block = []
        if block:
            yield np.stack(block)


def lacking(store: Path, segments: Sequence[VideoSegment]) -> str | None:
    """Which files have fewer frames, by their headers, than their episodes need; None if none has."""
    needed: dict[Path, tuple[int, VideoSegment]] = {}
    for segment in segments:
        last, _ = needed.get(segment.file, (0, segment))
        needed[segment.file] = (max(last, int(segment.numbers.max(initial=-1)) + 1), segment)
    short = []
    for file, (n, segment) in needed.items():
        with _opened(store, segment) as container:
            found = container.streams.video[0].frames  # 0 where the header does not say
        if 0 < found < n:
            short.append(f"{file.relative_to(store)} has {found} frames; its episodes need {n}")
    more = f" (and {len(short) - 1} more files)" if len(short) > 1 else ""
    return f"{short[0]}{more}" if short else None


@contextlib.contextmanager
def _opened(store: Path, segment: VideoSegment) -> Iterator:
    """The file of a segment, opened by PyAV, whose errors are of one line."""
    av = extra("av", "lerobot", store)
    label = segment.file.relative_to(store)
    if not segment.file.exists():
        raise InputError(f"store {store}: {label} is missing; meta/ says it is there")
    if (kind := other_kind(segment.file)) is not None:
        raise InputError(f"store {store}: {label} is {kind}; expected a video")
    try:
        with av.open(str(segment.file)) as container:
            yield container
    except (av.FFmpegError, IndexError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"store {store}: {label} cannot be decoded ({reason})") from error


def _frames(
    store: Path, label: str, segment: VideoSegment, numbers: np.ndarray, shape: tuple[int, int, int]
) -> Iterator[np.ndarray]:
    """The frames of a file with these increasing numbers."""
    at, last, seen = 0, None, None
    with _opened(store, segment) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        if numbers[0] > 0:
            time = max(numbers[0] - 0.5, 0) / segment.fps
            container.seek(int(time / stream.time_base), stream=stream, backward=True)
        for frame in container.decode(stream):
            if frame.pts is None:
                raise InputError(f"store {store}: {label}: a frame has no time; encode it again")
            place = float(frame.pts * stream.time_base) * segment.fps
            number = round(place)
            if abs(place - number) > 0.25 or number == seen:
                raise InputError(
                    f"store {store}: {label} has a frame at {place:.2f} frames of {segment.fps:g} a second "
                    f"(after {seen}); expected one each, at the rate of meta/info.json"
                )
            seen = number
            if number < numbers[at]:
                continue
            if number > numbers[at]:
                raise InputError(
                    f"store {store}: {label} lacks frame {numbers[at]} (of {segment.name} or after it): "
                    f"{number} follows {'nothing' if last is None else last}; record or convert it again"
                )
            last = number
            pixels = "gray" if shape[2] == 1 else "rgb24"
            image = frame.to_ndarray(format=pixels).reshape(frame.height, frame.width, -1)
            if image.shape != shape:
                raise InputError(
                    f"store {store}: {label} has frames of {image.shape}; meta/info.json says {shape}"
                )
            while at < len(numbers) and numbers[at] == number:
                yield image
                at += 1
            if at == len(numbers):
                return
    raise InputError(
        f"store {store}: {label} ends before frame {numbers[at]}; meta/ says it has {numbers[0]} to "
        f"{numbers[-1]} (frames were dropped, or the file was cut)"
    )
