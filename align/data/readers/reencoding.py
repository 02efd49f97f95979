"""Images passed through a codec: encoded and decoded again, as video an episode at a time.

A codec leaves traces by which a classifier tells video from images that were never encoded. Where one domain
was stored with loss, the other is brought through the same encoder, so that the traces say nothing of the
domain.
"""

import os
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import chain, islice

import numpy as np

from align.data.readers import jpeg
from align.data.readers.encoding import Encoding
from align.data.readers.extras import extra
from align.data.readers.reader import Reader
from align.errors import InputError

VIDEO_CODECS = {
    "h264": ("libx264", "h264", {}),
    "hevc": ("libx265", "hevc", {"x265-params": "log-level=none"}),
    # LeRobot's; with the fewest threads: the same bytes, and less of what makes SVT-AV1 wait forever at times
    "av1": ("libsvtav1", "libdav1d", {"preset": "12", "svtav1-params": "lp=1"}),
    "vp9": ("libvpx-vp9", "vp9", {"b": "0"}),  # or a bit rate bounds the quality
    "mpeg4": ("mpeg4", "mpeg4", {}),  # has no constant rate factor
}
"""The encoder and the decoder of a codec by ffmpeg's names, and what the encoder is told."""
CODECS = (*VIDEO_CODECS, jpeg.JPEG)
_BLOCK_BYTES = 32 << 20


def passed_through(
    reader: Reader,
    camera: str,
    encoding: Encoding,
    start: int = 0,
    resize: Callable[[np.ndarray], np.ndarray] = lambda block: block,
) -> Iterator[np.ndarray]:
    """Images of a camera from row `start` on, encoded from the first frame of their episode and decoded.

    Args:
        reader: The store.
        camera: Its name there.
        encoding: How; what is None is the encoder's to choose.
        start: The first row.
        resize: What is done to blocks (n, H, W, C) before.

    Yields:
        Blocks (n, H, W, C) uint8.

    Raises:
        InputError: There is no such encoder here, or it refuses the settings or the images.
    """
    ends = reader.episode_ends()
    first = int(np.searchsorted(ends, start, side="right"))
    begin = 0 if first == 0 else int(ends[first - 1])
    images = (image for block in reader.frames(camera, begin) for image in resize(block))
    skip, block, size = start - begin, [], 0
    for length in np.diff(ends, prepend=0)[first:]:
        episode = _round_trip(reader, camera, islice(images, int(length)), encoding)
        for image in islice(episode, skip, None):
            block.append(image)
            size += image.nbytes
            if size >= _BLOCK_BYTES:
                yield np.stack(block)
                block, size = [], 0
        skip = 0
    if block:
        yield np.stack(block)


def can_be_matched(encoding: Encoding) -> bool:
    """Whether images can be passed through the same, with nothing more said."""
    return encoding.codec in VIDEO_CODECS or (encoding.codec == jpeg.JPEG and encoding.quality is not None)


def check_encoding(reader: Reader, encoding: Encoding) -> None:
    """Refuse a codec that images cannot be passed through.

    Raises:
        InputError: There is none of that name, a setting is another's or lacking, or there is no PyAV.
    """
    codec, settings = encoding.codec, encoding.values()
    if codec not in CODECS:
        raise InputError(
            f"codec={codec!r}: images of {reader.path} cannot be passed through it; expected one of "
            f"{', '.join(CODECS)}"
        )
    still = codec == jpeg.JPEG
    for name in ("gop", "crf", "preset") if still else ("quality",):
        if settings[name] is not None:
            other = "video" if still else "jpeg, of video crf"
            raise InputError(f"{name}={settings[name]!r} with codec={codec}: expected it of {other}")
    if not still:
        extra("av", "lerobot", reader.path)
    elif encoding.quality is None:
        raise InputError(
            f"codec=jpeg: images of {reader.path} cannot be passed through it: its quality is not told, or "
            "not one; expected it, as in {codec: jpeg, quality: 95}"
        )
    elif encoding.pix_fmt not in (None, *jpeg.SAMPLING):
        raise InputError(f"pix_fmt={encoding.pix_fmt!r}: expected of jpeg one of {', '.join(jpeg.SAMPLING)}")


def encoder_version(reader: Reader, encoding: Encoding) -> str:
    """What encodes: another version may come to other pixels."""
    if encoding.codec == jpeg.JPEG:
        return jpeg.encoder_version()
    av = extra("av", "lerobot", reader.path)
    return f"PyAV {av.__version__}, libavcodec {av.library_versions['libavcodec']}"


def _round_trip(
    reader: Reader, camera: str, images: Iterator[np.ndarray], encoding: Encoding
) -> Iterator[np.ndarray]:
    """Images (H, W, C) of an episode, one behind the other, encoded and decoded."""
    image = next(images, None)
    if image is None:
        return
    height, width, channels = image.shape
    pixels = {1: "gray", 3: "rgb24"}.get(channels)
    if pixels is None:
        raise InputError(
            f"store {reader.path}: {camera} has {channels} channels; expected 1 or 3 to be encoded as "
            f"{encoding.codec}"
        )
    if encoding.codec == jpeg.JPEG:
        yield from (jpeg.through_jpeg(each, encoding) for each in chain([image], images))
        return
    av = extra("av", "lerobot", reader.path)
    try:
        encoder, decoder = _codec_pair(av, encoding, height + height % 2, width + width % 2)
        n_in, n_out = 0, 0
        while True:
            frame = None if image is None else _frame(av, image, pixels, n_in)
            for packet in encoder.encode(frame):
                for decoded in decoder.decode(packet):
                    yield _image(decoded, pixels, height, width)
                    n_out += 1
            if image is None:
                break
            image, n_in = next(images, None), n_in + 1
        for decoded in decoder.decode(None):
            yield _image(decoded, pixels, height, width)
            n_out += 1
    except (av.FFmpegError, ValueError) as error:  # ValueError: a pixel format that does not exist
        if isinstance(error, InputError):
            raise
        reason = " ".join(str(error).split())
        raise InputError(
            f"store {reader.path}: {camera} cannot be encoded as {encoding} ({reason}); expected other "
            "settings (data.sim_codec, data.real_codec)"
        ) from error
    if n_in != n_out:
        raise InputError(f"store {reader.path}: {camera}: {encoding} returned {n_out} frames of {n_in}")


def _codec_pair(av, encoding: Encoding, height: int, width: int):
    """An encoder and a decoder for images of a size."""
    encoder_name, decoder_name, options = VIDEO_CODECS[encoding.codec]
    os.environ.setdefault("SVT_LOG", "1")  # or SVT-AV1 prints its settings for each episode
    encoder = av.CodecContext.create(encoder_name, "w")
    encoder.width, encoder.height = width, height
    encoder.pix_fmt = encoding.pix_fmt or "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, 30), 30  # a constant quality asks for no rate
    encoder.thread_count = 1  # what comes out does not depend on how many cores there are
    if encoding.gop is not None:
        encoder.gop_size = encoding.gop
    told = {"preset": encoding.preset} | ({} if encoding.codec == "mpeg4" else {"crf": encoding.crf})
    encoder.options = options | {name: str(value) for name, value in told.items() if value is not None}
    return encoder, av.CodecContext.create(decoder_name, "r")


def _frame(av, image: np.ndarray, pixels: str, number: int):
    """An image as a frame, its last row and column repeated where chroma needs even sides."""
    height, width = image.shape[:2]
    if height % 2 or width % 2:
        image = np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    image = image[..., 0] if pixels == "gray" else image
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format=pixels)
    frame.pts, frame.time_base = number, Fraction(1, 30)
    return frame


def _image(frame, pixels: str, height: int, width: int) -> np.ndarray:
    image = frame.to_ndarray(format=pixels).reshape(frame.height, frame.width, -1)
    return image[:height, :width]
