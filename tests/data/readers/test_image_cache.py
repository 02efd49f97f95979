"""The cache of decoded images: as memory would hold them, gone on with where it was killed."""

import errno
import os
import re
import shutil
import sys
from types import ModuleType

import numpy as np
import pytest
from damaging import CAMERAS

from align.data.episodes import read_store
from align.data.readers import LeRobotDataset
from align.errors import InputError


def test_the_cache_holds_what_memory_holds(tmp_path, v3):
    in_memory = read_store(v3, images=CAMERAS, image_size=[12, 20], keep="memory", fit="crop")
    folder = tmp_path / "cache"
    for _ in range(2):
        mapped = read_store(v3, images=CAMERAS, image_size=[12, 20], fit="crop", keep="cache", cache=folder)
        for camera in CAMERAS:
            np.testing.assert_array_equal(mapped.images[camera], in_memory.images[camera])
    assert len(list(folder.glob("*/frames.npy"))) == 2
    video = next((v3 / "videos").rglob("*file-000.mp4"))
    shutil.copy(video, next((v3 / "videos").rglob("*file-001.mp4")))  # of 19 frames, and 14 are asked for
    changed = read_store(v3, images=CAMERAS, image_size=[12, 20], fit="crop", keep="cache", cache=folder)
    assert not np.array_equal(changed.images["image.wrist"], in_memory.images["image.wrist"])
    assert len(list(folder.glob("*/frames.npy"))) == 3


def test_the_cache_goes_on_where_it_was_killed(tmp_path, v3, monkeypatch):
    folder, whole = tmp_path / "cache", LeRobotDataset.frames
    monkeypatch.setattr("align.data.images.cache._SAVE_BYTES", 1)
    seen = []

    def dies(self, camera, start=0):
        for n, block in enumerate(whole(self, camera, start)):
            for image in block:
                if len(seen) == 13:
                    raise KeyboardInterrupt
                seen.append(start + n)
                yield image[None]

    arguments = {"keys": {"image": "observation.images.wrist"}, "keep": "cache", "cache": folder}
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(LeRobotDataset, "frames", dies)
        read_store(v3, **arguments)
    assert not list(folder.glob("*/frames.npy"))
    starts = []

    def watched(self, camera, start=0):
        starts.append(start)
        return whole(self, camera, start)

    monkeypatch.setattr(LeRobotDataset, "frames", watched)
    read = read_store(v3, **arguments)
    assert starts == [13]
    expected = read_store(v3, {"image": "observation.images.wrist"}, keep="memory").image
    np.testing.assert_array_equal(read.image, expected)


def test_rows_of_another_part_are_not_believed(tmp_path):
    """A count that a killed process left, beside a part that was never filled."""
    from align.data.images.cache import cached

    source = tmp_path / "source"
    source.write_bytes(b"x")
    images = np.full((6, 1, 2, 2), 7, np.uint8)
    ask = {"shape": images.shape, "about": {"camera": "c"}, "files": [source], "store": source}
    with pytest.raises(KeyboardInterrupt):
        cached(lambda row: (_ for _ in ()).throw(KeyboardInterrupt), **ask, folder=tmp_path / "cache")
    (part,) = (tmp_path / "cache").glob("*/frames.part.npy")
    part.unlink()
    (part.parent / "rows.json").write_text('{"rows": 4}')
    with pytest.raises(KeyboardInterrupt):
        cached(lambda row: (_ for _ in ()).throw(KeyboardInterrupt), **ask, folder=tmp_path / "cache")
    found = cached(lambda row: iter([images[row:]]), **ask, folder=tmp_path / "cache")
    np.testing.assert_array_equal(found, images)


@pytest.mark.parametrize("damage", [b"", b"hello", "cut", "other shape"])
def test_a_damaged_cache_is_told_and_a_damaged_beginning_of_one_is_made_anew(tmp_path, damage):
    from align.data.images.cache import cached

    source = tmp_path / "source"
    source.write_bytes(b"x")
    images = np.full((6, 1, 2, 2), 7, np.uint8)
    ask = {"shape": images.shape, "about": {"camera": "c"}, "files": [source], "store": source}
    ask["folder"] = tmp_path / "cache"

    def spoil(file):
        if damage == "other shape":
            np.save(file, images[:, :, :1])
        else:
            file.write_bytes(file.read_bytes()[:-3] if damage == "cut" else damage)

    with pytest.raises(KeyboardInterrupt):
        cached(lambda row: (_ for _ in ()).throw(KeyboardInterrupt), **ask)
    (part,) = (tmp_path / "cache").glob("*/frames.part.npy")
    for spoilt in (part, part.with_name("rows.json")):
        part.with_name("rows.json").write_text('{"rows": 4}')
        spoil(part if damage == "other shape" else spoilt)
        with pytest.raises(KeyboardInterrupt):
            cached(lambda row: (_ for _ in ()).throw(SystemExit if row else KeyboardInterrupt), **ask)
    np.testing.assert_array_equal(cached(lambda row: iter([images[row:]]), **ask), images)
    spoil(part.with_name("frames.npy"))
    with pytest.raises(InputError, match=r"frames\.npy: cannot be read .* delete"):
        cached(lambda row: iter([images[row:]]), **ask)


def test_a_cache_takes_its_room_before_it_is_filled(tmp_path, monkeypatch):
    """The disk may fill up meanwhile, and a mapped file that finds no room ends its process by a signal."""
    from align.data.images.cache import cached

    source, folder = tmp_path / "source", tmp_path / "cache"
    source.write_bytes(b"x")
    images = np.full((6, 1, 2, 2), 7, np.uint8)
    ask = {"shape": images.shape, "about": {"camera": "c"}, "files": [source], "store": source}

    def is_full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch, pytest.raises(InputError, match="cannot be written: No space left"):
        patch.setattr(os, "posix_fallocate", is_full)
        cached(lambda row: (_ for _ in ()).throw(AssertionError("it was filled")), **ask, folder=folder)
    assert not list(folder.glob("*/*.npy"))
    np.testing.assert_array_equal(cached(lambda row: iter([images[row:]]), **ask, folder=folder), images)


READER = """
import numpy as np
from align.data.readers import LeRobotDataset
class Own(LeRobotDataset):
    def frames(self, camera, start=0):
        for block in super().frames(camera, start):
            yield block ^ np.uint8(MASK)
"""


def test_the_cache_is_of_the_code_that_filled_it(tmp_path, v3, monkeypatch):
    """Pixels that another reader, or another version of ours, made are not taken for this one's."""
    found = []
    for n, mask in enumerate(("0", "255")):
        code = READER.replace("MASK", mask)
        (tmp_path / "own_format.py").write_text(code)
        module = ModuleType("own_format")
        module.__file__ = str(tmp_path / "own_format.py")
        exec(code, module.__dict__)
        monkeypatch.setitem(sys.modules, "own_format", module)
        ask = {"keys": {"image": "observation.images.wrist"}, "keep": "cache", "cache": tmp_path / "cache"}
        found.append(np.array(read_store(v3, **ask, reader=module.Own).image))
        assert len(list((tmp_path / "cache").glob("*/frames.npy"))) == n + 1
    np.testing.assert_array_equal(found[0], 255 - found[1])
    monkeypatch.setattr("align.data.images.cache.VERSION", 10**6)
    read_store(v3, **ask, reader=module.Own)
    assert len(list((tmp_path / "cache").glob("*/frames.npy"))) == 3


@pytest.mark.parametrize("value", ["NaN", "{}", '"hello"', "1e400", "null"])
def test_what_is_remembered_of_a_file_and_is_no_hash_is_forgotten(tmp_path, value):
    from align.data.images.cache import cached

    source, folder = tmp_path / "source", tmp_path / "cache"
    source.write_bytes(b"x")
    images = np.full((6, 1, 2, 2), 7, np.uint8)
    ask = {"shape": images.shape, "about": {"camera": "c"}, "files": [source], "store": source}
    cached(lambda row: iter([images[row:]]), **ask, folder=folder)
    before = (folder / "files.json").read_text()
    (folder / "files.json").write_text(re.sub(r'": "[0-9a-f]+"', f'": {value}', before))
    np.testing.assert_array_equal(
        cached(lambda row: 1 / 0, **ask, folder=folder), images
    )  # nothing is decoded
    assert (folder / "files.json").read_text() == before
