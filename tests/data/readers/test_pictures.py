"""Images in tables are read to what they are, and refused where that is not what is declared."""

import io
import json
import re

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from damaging import refused
from PIL import Image, ImageOps
from writing import demonstrations, write_lerobot_v3

from align.data.episodes import read_store
from align.data.readers.pictures import decoded
from align.inspection.store import inspect_store

RNG = np.random.default_rng(0)
SHAPES = {"L": (24, 32), "RGB": (24, 32, 3), "RGBA": (24, 32, 4)}


def encoded(mode="RGB", format="PNG", **options):
    image = Image.fromarray(RNG.integers(0, 256, SHAPES[mode]).astype(np.uint8), mode)
    out = io.BytesIO()
    image.save(out, format, **options)
    return image, out.getvalue()


def depth():
    out = io.BytesIO()
    Image.fromarray(RNG.integers(0, 9999, (24, 32)).astype(np.uint16)).save(out, "PNG")
    return out.getvalue()


@pytest.mark.parametrize(
    ("mode", "format", "turned"),
    [*((m, f, t) for m in ("L", "RGB") for f in ("PNG", "JPEG") for t in (0, 6)), ("RGBA", "PNG", 0)],
)
def test_pixels_are_pillows(mode, format, turned):
    """Also of a camera that was turned and says so, by EXIF."""
    exif = Image.Exif()
    exif[0x0112] = turned or 1
    _, content = encoded(mode, format, exif=exif)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(content))))
    expected = expected.reshape(*expected.shape[:2], -1)
    found = decoded({"bytes": content, "path": None}, expected.shape)
    assert found.shape == ((32, 24) if turned else (24, 32)) + (len(mode),)
    assert np.abs(found.astype(int) - expected).max() <= (2 if format == "JPEG" else 0)
    np.testing.assert_array_equal(decoded(content, expected.shape), found)


@pytest.mark.parametrize(
    ("value", "channels", "said"),
    [
        (depth(), 1, "uint16"),
        (depth(), 3, "uint16"),
        (encoded("L")[1], 3, r"uint8 \(24, 32, 1\)"),
        (encoded("RGBA")[1], 3, r"uint8 \(24, 32, 4\)"),
        (encoded("RGB")[1], 4, r"uint8 \(24, 32, 3\)"),
        (encoded("RGB")[1], 1, r"uint8 \(24, 32, 3\)"),
        (encoded("RGB")[1][:40], 3, "no image that can be decoded"),
        ({"bytes": None, "path": "x.png"}, 3, "the path 'x.png' and no image"),
        ([1, 2], 3, "no image"),
        ("x", 3, "no image"),
    ],
    ids=lambda value: str(value) if isinstance(value, int | str) else "value",
)
def test_what_is_not_as_declared_is_said(value, channels, said):
    found = decoded(value, (24, 32, channels))
    assert isinstance(found, str) and re.search(said, found)


def changed(root, content, channels):
    for file in root.glob("data/*/*.parquet"):
        rows = pq.read_table(file, partitioning=None).to_pylist()
        for row in rows:
            row["observation.images.top"] = content
        pq.write_table(pa.Table.from_pylist(rows), file)
    info = json.loads((root / "meta/info.json").read_text())
    info["features"]["observation.images.top"]["shape"] = [24, 32, channels]
    (root / "meta/info.json").write_text(json.dumps(info))


def test_a_dataset_with_them_is_read_or_refused_in_a_line(tmp_path):
    root = write_lerobot_v3(tmp_path / "v3", demonstrations(), wrist="image")
    image, content = encoded("RGBA")
    changed(root, content, 4)  # a plain column of bytes
    read = read_store(root, images=("image.top",), keep="memory").images["image.top"]
    np.testing.assert_array_equal(read[7], np.asarray(image))
    changed(root, {"bytes": depth(), "path": None}, 3)
    refused(
        root,
        r"observation.images.top row 0 holds an image of uint16 .*; expected uint8 \(24, 32, 3\)",
        images=("image.top",),
    )
    assert any("holds an image of uint16" in fault for fault in inspect_store(root).faults)
