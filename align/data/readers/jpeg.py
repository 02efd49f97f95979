"""JPEG: how images were stored as it, and passing others through it.

What libjpeg calls quality scales two tables of the standard (ITU-T T.81, Annex K); OpenCV, Pillow and
TensorFlow write these, so that it can be read back from an image.
"""

import functools
import io
import struct

import numpy as np
from PIL import Image, JpegImagePlugin, features

from align.data.readers.encoding import Encoding

JPEG = "jpeg"
SAMPLING = {"yuv444p": 0, "yuv422p": 1, "yuv420p": 2}
"""Pixel formats by ffmpeg's name, and what Pillow calls how densely they keep colour."""
_DAMAGE = (
    OSError,
    ValueError,
    SyntaxError,
    TypeError,
    LookupError,
    struct.error,
    Image.DecompressionBombError,
)
"""What Pillow raises over a damaged image."""


def jpeg_encoding(content: bytes) -> Encoding:
    """How an image was encoded.

    Args:
        content: Of a JPEG file.

    Returns:
        With its quality and pixel format, or without either where it has tables or a sampling of its own,
        which `through_jpeg` would not give again.
    """
    try:
        with Image.open(io.BytesIO(content), formats=["JPEG"]) as image:
            tables = _tables(image)
            sampled = None if image.mode == "L" else JpegImagePlugin.get_sampling(image)
    except _DAMAGE:  # decoding it tells what is wrong
        return Encoding(JPEG)
    pixels = next((name for name, number in SAMPLING.items() if number == sampled), None)
    quality = _qualities().get(tables)
    known = quality is not None and (len(tables) == 1 if sampled is None else pixels and len(tables) == 2)
    return Encoding(JPEG, pixels, quality=quality) if known else Encoding(JPEG)


def is_jpeg(content: bytes) -> bool:
    """Whether a file's content begins as JPEG's does."""
    return content.startswith(b"\xff\xd8")


def through_jpeg(image: np.ndarray, encoding: Encoding) -> np.ndarray:
    """An image (H, W, C) uint8, C 1 or 3, encoded and decoded again."""
    grey = image.shape[2] == 1
    picture = Image.fromarray(image[..., 0] if grey else image)
    options = {} if grey else {"subsampling": SAMPLING[encoding.pix_fmt or "yuv420p"]}
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=encoding.quality, **options)
    with Image.open(file) as decoded:
        return np.asarray(decoded).reshape(image.shape)


def encoder_version() -> str:
    """What encodes: another version may come to other pixels."""
    return f"libjpeg {features.version('jpg')}"


@functools.cache
def _qualities() -> dict[tuple, int]:
    """The quality by the tables of a grey and of a coloured image."""
    found = {}
    for mode in ("L", "RGB"):
        for quality in range(1, 101):
            file = io.BytesIO()
            Image.new(mode, (8, 8)).save(file, "JPEG", quality=quality)
            with Image.open(file) as image:
                found[_tables(image)] = quality
    return found


def _tables(image: JpegImagePlugin.JpegImageFile) -> tuple:
    return tuple(tuple(image.quantization[number]) for number in sorted(image.quantization))
