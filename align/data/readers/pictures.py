"""Images that were encoded one by one, as PNG or JPEG in a table, held to what their file says they are."""

import numpy as np

from align.run.opencv import cv2

_PNG = b"\x89PNG\r\n\x1a\n"
_COLOUR_TYPE, _ALPHA = 25, 4  # where a PNG says which kind of pixels it has, and the bit for transparency


def decoded(value: object, shape: tuple[int, int, int]) -> np.ndarray | str:
    """An image (H, W, C) uint8, RGB, turned upright where it says so; or in words what is there instead.

    Args:
        value: A row of the table: the encoded bytes, plain or as "bytes" of a mapping.
        shape: (H, W, C) that the image must have, C 1, 3 or 4.
    """
    content = value.get("bytes") if isinstance(value, dict) else value
    if not isinstance(content, bytes) or not content:
        elsewhere = value.get("path") if isinstance(value, dict) else None
        return f"the path {elsewhere!r} and no image" if elsewhere else "no image"
    # As it is: a flag that asks for colour, or for grey, would turn anything into that, depth into 8 bits.
    unchanged, as_is = cv2.IMREAD_UNCHANGED, cv2.IMREAD_ANYDEPTH | cv2.IMREAD_ANYCOLOR
    try:
        image = cv2.imdecode(np.frombuffer(content, np.uint8), unchanged if shape[2] == 4 else as_is)
    except cv2.error:
        image = None
    if image is None:
        return "no image that can be decoded"
    image = image.reshape(*image.shape[:2], -1)
    channels = image.shape[2]
    if content.startswith(_PNG) and len(content) > _COLOUR_TYPE and content[_COLOUR_TYPE] & _ALPHA:
        channels = max(channels, 4)  # left out by `as_is`
    if image.dtype != np.uint8 or (*image.shape[:2], channels) != shape:
        return f"an image of {image.dtype} {(*image.shape[:2], channels)}"
    if channels == 1:
        return image
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB if channels == 3 else cv2.COLOR_BGRA2RGBA)
