"""Videos of the frames that are handed over, by PyAV, encoded as LeRobot encodes its own."""

import contextlib
import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np

from align.data.readers.extras import extra
from align.data.readers.reencoding import VIDEO_CODECS
from align.errors import InputError, check_numbers

GOP = 2  # LeRobot's
PIXELS = "yuv420p"


def check_quality(codec: str, crf: int) -> None:
    """Refuse a quality that a codec does not have.

    Raises:
        InputError: It is out of range.
    """
    check_numbers("[0, 51]" if codec == "h264" else "[0, 63]", whole=True, crf=crf)


class VideoFile:
    """A video that is being written.

    Args:
        path: The file.
        shape: (H, W, C) of its frames.
        fps: Frames a second.
        codec: One of `align.data.readers.reencoding.VIDEO_CODECS`.
        crf: Quality, less is better.

    Attributes:
        frames: How many it has.
        bytes: How large it is, but for frames that the encoder still holds back.
    """

    def __init__(self, path: Path, shape: tuple[int, ...], fps: int, codec: str, crf: int):
        self._av = extra("av", "lerobot", path, "writing")
        self.path, self.shape, self.codec, self.frames = path, shape, codec, 0
        self.bytes = 0
        encoder, _, options = VIDEO_CODECS[codec]
        os.environ.setdefault("SVT_LOG", "1")  # else the encoder of AV1 tells its settings, to stderr
        path.parent.mkdir(parents=True, exist_ok=True)
        self._container = self._av.open(str(path), "w")
        try:
            self._stream = self._container.add_stream(
                encoder, rate=fps, options=options | {"crf": str(crf), "g": str(GOP)}
            )
        except (self._av.FFmpegError, ValueError) as error:
            self._container.close()
            raise InputError(f"codec={codec!r}: PyAV here cannot encode it ({error})") from None
        self._stream.height, self._stream.width = shape[:2]
        self._stream.pix_fmt, self._base = PIXELS, Fraction(1, fps)
        self._stream.codec_context.time_base = self._base

    def append(self, images: np.ndarray) -> None:
        """Encode the next frames (n, H, W, 3) uint8."""
        for image in images:
            frame = self._av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
            frame.pts, frame.time_base = self.frames, self._base
            self._encode(frame)
            self.frames += 1

    def close(self) -> None:
        """Finish the file."""
        try:
            if self.frames:
                self._encode(None)
        finally:
            self._container.close()

    def _encode(self, frame) -> None:
        try:
            with _as_scheduled():
                packets = self._stream.encode(frame)
            self._container.mux(packets)
            self.bytes += sum(packet.size for packet in packets)
        except self._av.FFmpegError as error:
            raise InputError(
                f"codec={self.codec!r}: {self.path.name} of frames {self.shape} cannot be encoded ({error}); "
                "expected even sides of 64 px or more, or codec png"
            ) from None


@contextlib.contextmanager
def _as_scheduled() -> Iterator[None]:
    """Leave this thread scheduled as it was: for root, SVT-AV1 has it go before all else on the machine, and
    what it starts, long after the video."""
    if not hasattr(os, "sched_getscheduler"):
        yield
        return
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        if os.sched_getscheduler(0) != policy:
            os.sched_setscheduler(0, policy, parameters)
