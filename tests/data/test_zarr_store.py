"""Other people's stores, and damaged ones."""

import json
import pickle
import shutil

import numcodecs
import numpy as np
import pytest
import zarr

from align.data.episodes import read_store
from align.data.readers import memory, open_store
from align.errors import InputError

CHUNKS = {"img": (10, 12, 12, 3), "state": (10, 5), "action": (10, 2), "n_contacts": (10, 1)}


def write(store, demonstrations, zarr_format=2, change=None, **renamed):
    """A store as someone else would write it, after `change` of its arrays."""
    arrays = {key: np.concatenate([d[key] for d in demonstrations]) for key in demonstrations[0]}
    ends = np.cumsum([len(d["img"]) for d in demonstrations])
    arrays, ends = change(arrays, ends) if change else (arrays, ends)
    root = zarr.open_group(store, mode="w", zarr_format=zarr_format)
    data, meta = root.create_group("data"), root.create_group("meta")
    codec = numcodecs.Blosc("zstd", 5, 2) if zarr_format == 2 else zarr.codecs.BloscCodec(cname="zstd")
    for key, value in arrays.items():
        array = data.create_array(
            renamed.get(key, key),
            shape=value.shape,
            dtype=value.dtype,
            chunks=tuple(min(c, max(n, 1)) for c, n in zip(CHUNKS[key], value.shape, strict=False)),
            compressors=codec,
        )
        array[...] = value
    meta.create_array("episode_ends", data=ends)
    return store


@pytest.fixture
def path(tmp_path):
    return tmp_path / "foreign.zarr"


def assert_refused(path, message, **arguments):
    with pytest.raises(InputError, match=message) as error:
        read_store(path, **arguments)
    assert "\n" not in str(error.value)


def assert_same(read, demonstrations):
    np.testing.assert_array_equal(read.image, np.concatenate([d["img"] for d in demonstrations]))
    np.testing.assert_array_equal(read.action, np.concatenate([d["action"] for d in demonstrations]))


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("zipped", [False, True])
def test_formats_and_containers(path, demonstrations, zarr_format, zipped):
    if zipped:
        path = path.with_suffix(".zarr.zip")
        source = zarr.storage.ZipStore(path, mode="w")
        write(source, demonstrations, zarr_format)
        source.close()
    else:
        write(path, demonstrations, zarr_format)
    assert_same(read_store(path), demonstrations)


@pytest.mark.parametrize("scale", [1, 1 / 255])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_float_images(path, demonstrations, scale, dtype):
    def change(arrays, ends):
        arrays["img"] = (arrays["img"] * scale).astype(dtype)
        return arrays, ends

    write(path, demonstrations, change=change)
    assert_same(read_store(path), demonstrations)


def test_other_names_and_columns(path, demonstrations):
    write(path, demonstrations, img="camera0", state="robot")
    read = read_store(path, keys={"image": "camera0", "agent_pos": "robot[2:5]"})
    np.testing.assert_array_equal(read.agent_pos, np.concatenate([d["state"][:, 2:] for d in demonstrations]))
    assert read.state is None
    assert (
        read_store(path, keys={"image": "camera0", "agent_pos": "robot", "state": "robot"}).state.shape[1]
        == 5
    )


def test_resized_images_are_area_means(path, demonstrations):
    write(path, demonstrations)
    read, small = read_store(path), read_store(path, image_size=4)
    means = read.image.reshape(-1, 4, 3, 4, 3, 3).mean((2, 4))
    assert small.image.shape == means.shape
    assert np.abs(small.image - means).max() <= 0.51


def test_one_channel_is_kept(path, demonstrations):
    def change(arrays, ends):
        return {**arrays, "img": arrays["img"][..., :1]}, ends

    write(path, demonstrations, change=change)
    assert read_store(path, image_size=6).image.shape == (89, 6, 6, 1)


@pytest.mark.parametrize(
    "keys, message",
    [
        ({"image": "camera"}, "no key 'camera' in data/; it has action, img, n_contacts, state"),
        ({"state": "poses"}, "no key 'poses'"),
        ({"imag": "img"}, "unknown name 'imag'; expected some of image, agent_pos, action, state"),
        ({"agent_pos": "state[3:9]"}, r"has 5 columns; the slice \[3:9\]"),
        ({"agent_pos": "state[2:2]"}, r"the slice \[2:2\]"),
        ({"agent_pos": "state[0]"}, r"agent_pos='state\[0\]' is not a key"),
        ({"image": "img[:2]"}, "expected a key without a slice"),
        ({"agent_pos": "img"}, r"expected two axes"),
        ({"image": "state"}, r"data/state is float32 of shape \(89, 5\); expected images"),
    ],
)
def test_wrong_keys(store, keys, message):
    assert_refused(store, message, keys=keys)


def test_wrong_sizes(store):
    assert_refused(store, "image_size: 0; expected a positive integer", image_size=0)


def test_not_a_store(tmp_path, store):
    assert_refused(tmp_path / "none.zarr", "none.zarr: no such file or folder")
    (tmp_path / "folder").mkdir()
    assert_refused(tmp_path / "folder", "expected a Zarr group with data/ and meta/episode_ends")
    (tmp_path / "video.mp4").write_bytes(b"not a zip")
    assert_refused(tmp_path / "video.mp4", "expected a Zarr group")
    assert_refused(store / "data" / "img", "expected a Zarr group")
    (store / ".zgroup").write_text("{")
    assert_refused(store, "expected a Zarr group")


def ends_to(*ends):
    return lambda arrays, _: (arrays, np.array(ends, np.int64))


def put(key, row, column, value):
    def change(arrays, ends):
        arrays[key][row, column] = value
        return arrays, ends

    return change


def images(function):
    return lambda arrays, ends: ({**arrays, "img": function(arrays["img"])}, ends)


@pytest.mark.parametrize(
    "change, message",
    [
        (ends_to(20, 15, 89), r"\[1\] is 15 after 20; expected increasing ends"),
        (ends_to(20, 20, 89), r"\[1\] is 20 after 20"),
        (ends_to(0, 89), r"\[0\] is 0 after 0"),
        (ends_to(20, 90), r"ends at 90, past the end of data/action with 89 rows"),
        (ends_to(20, 80), r"ends at 80, before the end of data/action with 89 rows"),
        (lambda a, e: (a, np.zeros(0, np.int64)), "is empty; expected at least one episode"),
        (lambda a, e: (a, e.astype(np.float64)), "expected a list of integers"),
        (lambda a, e: ({**a, "img": a["img"][:50]}, e), "past the end of data/img with 50 rows"),
        (
            put("action", 33, 1, np.nan),
            "data/action has 1 NaN or infinite values, the first in row 33, column 1",
        ),
        (put("state", 4, 1, np.inf), "data/state has 1 NaN or infinite values, the first in row 4, column 1"),
        (images(lambda i: i[:, 0]), r"\(89, 12, 3\); expected images"),
        (images(lambda i: i[..., :2]), r"\(89, 12, 12, 2\); expected images"),
        (images(lambda i: i.astype(np.float32) * 2), "expected 0 to 255"),
        (images(lambda i: i / 255 - 0.5), "expected 0 to 1 and no NaN"),
        (images(lambda i: np.where(i > 250, np.nan, i)), "no NaN"),
        (images(lambda i: i > 9), "expected plain numbers"),
        (images(lambda i: i[..., :1] / np.float32(100)), "float32 pixels up to 2.55, as depth in metres"),
        (images(lambda i: i[..., :1] * np.uint16(20)), "has pixels from 0 to 5100; expected 0 to 255"),
        (
            put("action", 33, 1, 1e38),
            r"values of 1e\+38; expected at most 1e\+18",
        ),
    ],
)
def test_wrong_content(path, demonstrations, change, message):
    write(path, demonstrations, change=change)
    assert_refused(path, message)


@pytest.mark.parametrize(("name", "needed"), [("img", 89 * 12 * 12 * 3), ("state", 89 * 5 * 12)])
def test_more_than_memory_holds_is_refused_before_it_is_asked_for(store, name, needed, monkeypatch):
    monkeypatch.setattr(memory, "available_memory", lambda: needed)
    read_store(store, images=name == "img")
    monkeypatch.setattr(memory, "available_memory", lambda: needed - 1)
    words = rf"data/{name}.*: takes .*iB of memory, and .*iB are available"
    assert_refused(store, words, images=name == "img")


def test_memory_is_what_all_limits_leave(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "MEMINFO", tmp_path / "meminfo")
    (tmp_path / "meminfo").write_text("MemTotal: 900 kB\nMemAvailable: 700 kB\n")
    monkeypatch.setattr(memory, "GROUPS", tmp_path)
    assert memory.available_memory() == 700 * 1024
    for name, text in (
        ("max", "5000"),
        ("current", "4500"),
        ("stat", "active_file 100\ninactive_file 200\n"),
    ):
        (tmp_path / f"memory.{name}").write_text(text)
    assert memory.available_memory() == 5000 - 4500 + 300
    (tmp_path / "memory.max").write_text("max")
    assert memory.available_memory() == 700 * 1024


def test_a_state_that_nobody_uses_is_left_out_with_a_word(path, demonstrations):
    def change(arrays, ends):
        state = arrays["state"].copy()
        state[5, 4] = np.nan
        return {**arrays, "state": state}, ends

    write(path, demonstrations, change=change)
    read = read_store(path, keys={"agent_pos": "action"})
    (note,) = read.notes
    assert read.state is None and read.agent_pos.shape == (89, 2)
    assert note.startswith("warning: ") and "data/state has 1 NaN" in note and "left out" in note
    assert_refused(path, "data/state has 1 NaN", keys={"agent_pos": "action", "state": "state"})


def test_lost_arrays(store):
    shutil.rmtree(store / "data" / "action")
    assert_refused(store, "no key 'action' in data/; it has img, n_contacts, state")
    shutil.rmtree(store / "meta" / "episode_ends")
    assert_refused(store, "meta/episode_ends")


@pytest.mark.parametrize("where", [".zattrs", "data/.zattrs", "data/action/.zattrs", "meta/.zgroup"])
@pytest.mark.parametrize("kind", ["folder", "broken link"])
def test_what_is_no_file_where_metadata_belong_is_not_taken_for_none(store, where, kind):
    (store / where).unlink(missing_ok=True)
    (store / where).mkdir() if kind == "folder" else (store / where).symlink_to("nowhere")
    assert_refused(store, f"{where} is no file")


@pytest.mark.parametrize("zarr_format, chunk", [(2, "img/3.0.0.0"), (3, "img/c/3/0/0/0"), (2, "action/3.0")])
def test_lost_chunks(path, demonstrations, zarr_format, chunk):
    """Zarr itself reads a lost chunk as zeros."""
    write(path, demonstrations, zarr_format)
    (path / "data" / chunk).unlink()
    assert_refused(path, f"data/{chunk.split('/')[0]} lacks 1 of 9 chunks")


@pytest.mark.parametrize("zarr_format, chunk", [(2, "img/3.0.0.0"), (3, "img/c/3/0/0/0"), (2, "state/3.0")])
@pytest.mark.parametrize("keep", [0.99, 0.5, 0.0])
def test_truncated_chunks(path, demonstrations, zarr_format, chunk, keep):
    """Blosc itself decodes most truncated chunks to garbage."""
    write(path, demonstrations, zarr_format)
    file = path / "data" / chunk
    file.write_bytes(file.read_bytes()[: int(file.stat().st_size * keep)])
    assert_refused(path, "1 truncated chunk files, the first .*3")


def test_truncated_zip(path, demonstrations):
    path = path.with_suffix(".zip")
    source = zarr.storage.ZipStore(path, mode="w")
    write(source, demonstrations)
    source.close()
    path.write_bytes(path.read_bytes()[:-100])
    assert_refused(path, "expected a Zarr group")


def test_damaged_description_of_one_array(store):
    (store / "data" / "img" / ".zarray").write_text("{")
    assert_refused(store, "data/img cannot be opened")
    assert_refused(store, "no key 'none' in data/", keys={"action": "none"})


def test_attributes_of_an_array_that_are_none(store):
    for content in ('"x"', "[]", "7"):
        (store / "data" / "action" / ".zattrs").write_text(content)
        assert_refused(store, "data/action cannot be opened .(its attributes are no mapping|Expected a JSON)")


@pytest.mark.parametrize("rate", ["fast", -3, 0, True, [10], float("nan")])
def test_a_rate_that_is_none(store, rate):
    (store / ".zattrs").write_text(json.dumps({"rate_hz": rate}))
    assert_refused(store, "its attribute rate_hz is .*; expected a positive number, or none")


def test_more_columns_than_can_be_counted(store):
    described = store / "data" / "action" / ".zarray"
    content = json.loads(described.read_text())
    described.write_text(json.dumps({**content, "shape": [content["shape"][0], 10**30]}))
    assert_refused(store, "data/action")


def test_foreign_files_are_no_chunks(store):
    (store / "data" / "img" / ".DS_Store").write_bytes(b"x" * 40)
    (store / "data" / "img" / "notes.txt").write_bytes(b"x" * 40)
    read_store(store)


def test_pickles_are_never_loaded(store, tmp_path):
    class Trap:
        def __reduce__(self):
            return open, (str(tmp_path / "sprung"), "w")

    described = json.loads((store / "data" / "action" / ".zarray").read_text())
    described["compressor"] = {"id": "pickle", "protocol": 5}
    (store / "data" / "action" / ".zarray").write_text(json.dumps(described))
    (store / "data" / "action" / "0.0").write_bytes(pickle.dumps(Trap()))
    assert_refused(store, "data/action (cannot be opened|is)")
    assert not (tmp_path / "sprung").exists()


def test_what_describes_an_array_is_read_once(make_store, monkeypatch):
    """Over a network it takes a while."""
    opened, real = [], zarr.Group.__getitem__
    monkeypatch.setattr(zarr.Group, "__getitem__", lambda group, n: opened.append(n) or real(group, n))
    store = open_store(make_store("sim", 2))
    for _ in range(2):
        assert store.vectors()["action"] == 2 and set(store.cameras()) == {"img"}
        assert store.vector("action").shape == (40, 2) and store.units("action") is None
    assert "action" in opened and len(opened) == len(set(opened))
