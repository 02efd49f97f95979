"""How images are encoded, as files say or users do."""

import re
from dataclasses import dataclass, replace
from typing import ClassVar

from align.errors import InputError, check_numbers


@dataclass(frozen=True)
class Encoding:
    """How images are encoded with loss; what is `None` is not known, or to be found elsewhere.

    Args:
        codec: Of video "h264", "hevc", "av1", "vp9" or "mpeg4"; or "jpeg", an image by itself.
        pix_fmt: Format of the pixels, e.g. "yuv420p", which keeps a quarter of the colour.
        gop: Frames from one that is encoded by itself to the next.
        crf: Quality of video: constant rate factor, less is better.
        preset: What the encoder calls its compromise of speed and size, e.g. "medium", or 12.
        quality: Of JPEG by libjpeg's scale, 1 to 100, more is better.

    Attributes:
        size: (height, width) at which it was encoded.
        assumed: Which of the values no file told.

    Raises:
        InputError: A value makes no sense.
    """

    codec: str | None = None
    pix_fmt: str | None = None
    gop: int | None = None
    crf: float | None = None
    preset: int | str | None = None
    quality: int | None = None
    size: ClassVar[tuple[int, int] | None] = None  # of the instance where `told` sets it: no option
    assumed: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self):
        check_numbers("[1, 1e6]", whole=True, gop=self.gop)
        check_numbers("[0, 63]", crf=self.crf)
        check_numbers("[1, 100]", whole=True, quality=self.quality)
        if not isinstance(self.preset, str):
            check_numbers("[0, 13]", whole=True, preset=self.preset)
        for name in ("codec", "pix_fmt", "preset"):
            value = getattr(self, name)
            if value is not None and not re.fullmatch(r"[\w-]+", str(value)):
                raise InputError(f"{name}={value!r}: expected a name of ffmpeg's")

    def over(self, other: "Encoding | None") -> "Encoding":
        """These values, and for those that are None another's, whose size it has."""
        if other is None:
            return self
        own = self.values()
        if own["codec"] not in (None, other.codec):  # what another codec was told says nothing of this one
            return self.told(size=other.size)
        given = {name: value for name, value in own.items() if value is not None}
        assumed = tuple(name for name in other.assumed if name not in given)
        return replace(other, **given).told(size=other.size, assumed=assumed)

    def values(self) -> dict[str, object]:
        """What an encoder is told."""
        return {name: getattr(self, name) for name in _VALUES}

    def settings(self) -> dict[str, object]:
        """The same for the description of a cache, which had no quality before there was JPEG."""
        return {k: v for k, v in self.values().items() if (k, v) != ("quality", None)}

    def told(self, **attributes: object) -> "Encoding":
        """The same with other attributes."""
        new = replace(self)
        for name in ("size", "assumed"):
            object.__setattr__(new, name, attributes.get(name, getattr(self, name)))
        return new

    def __str__(self) -> str:
        parts = [
            self.pix_fmt,
            self.gop and f"GOP {self.gop}",
            self.crf is not None and f"CRF {self.crf:g}{' by default' if 'crf' in self.assumed else ''}",
            self.quality and f"quality {self.quality}",
        ]
        told = ", ".join(filter(None, parts))
        return f"{self.codec} ({told})" if told else str(self.codec)


_VALUES = ("codec", "pix_fmt", "gop", "crf", "preset", "quality")
_SETTINGS = re.compile(rb"x26[45] .{0,4000}?keyint=(\d+).{0,4000}?crf=([\d.]+)", re.S)
"""What x264 and x265 write into the first frame of a video."""


def left_by_encoder(first: bytes) -> tuple[int | None, float | None]:
    """GOP and CRF as the encoder wrote them into the first packet of a video, None where it did not."""
    found = _SETTINGS.search(first)
    return (int(found[1]), float(found[2])) if found else (None, None)
