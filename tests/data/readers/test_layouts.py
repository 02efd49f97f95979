"""What a store holds is all read, in whatever order its axes lie, and nothing of it twice."""

import json
import warnings

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zarr
from damaging import refused
from writing import demonstrations, write_lerobot_v3, write_lerobot_v21, write_robomimic

from align.data.episodes import read_store
from align.data.readers import check_reader, open_store
from align.data.readers.zarr_store import ZarrStore
from align.inspection.store import inspect_store
from align.inspection.words import store_text

ROWS = np.random.default_rng(0).normal(size=(9, 2))


def zarr_of(path, zarr_format=2, chunk=4, **arrays):
    root = zarr.open_group(str(path), mode="w", zarr_format=zarr_format)
    for name, value in {"agent_pos": ROWS, "action": ROWS, **arrays}.items():
        chunks = (chunk, *value.shape[1:])
        array = root.create_array(f"data/{name}", shape=value.shape, dtype=value.dtype, chunks=chunks)
        array[...] = value
    root.create_array("meta/episode_ends", data=np.array([4, 9]))
    return path


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("unit", [True, False])
def test_channels_may_lie_first(tmp_path, channels, unit):
    last = np.random.default_rng(0).integers(0, 256, (9, 6, 8, channels)).astype(np.uint8)
    first = np.moveaxis(last, 3, 1)
    path = zarr_of(tmp_path / "a.zarr", img=first / np.float32(255) if unit else first)
    check_reader(ZarrStore, path)
    assert open_store(path).cameras()["img"].shape == (6, 8, channels)
    np.testing.assert_array_equal(read_store(path, images=True).image, last)
    assert inspect_store(path).taken["image"] == "img"


def test_channels_that_could_be_either_are_the_last(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (9, 3, 5, 4)).astype(np.uint8)
    np.testing.assert_array_equal(read_store(zarr_of(tmp_path / "a.zarr", img=images)).image, images)


def test_robomimic_channels_may_lie_first(tmp_path):
    path = write_robomimic(tmp_path / "a.hdf5", made := list(demonstrations()))
    with h5py.File(path, "r+") as file:
        for demo, episode in enumerate(made):
            obs = file[f"data/demo_{demo}/obs"]
            del obs["agentview_image"], obs["robot0_eye_in_hand_image"]
            obs["agentview_image"] = np.moveaxis(episode["top"], 3, 1)
    images = read_store(path, images=True).image
    np.testing.assert_array_equal(images, np.concatenate([e["top"] for e in made]))


def test_what_is_neither_vector_nor_camera_is_told(tmp_path):
    depth = np.ones((9, 6, 8), np.uint16)
    path = zarr_of(tmp_path / "a.zarr", depth=depth, odd=np.ones((9, 6, 7, 5)), timestamp=np.arange(9) / 10.0)
    found = inspect_store(path)
    assert found.others == {
        "depth": "uint16 of shape (9, 6, 8)",
        "odd": "float64 of shape (9, 6, 7, 5)",
    }
    assert "not used: depth (uint16" in " ".join(store_text(found).split())
    made = write_robomimic(tmp_path / "a.hdf5", demonstrations())
    with h5py.File(made, "r+") as file:
        for demo in file["data"].values():
            demo["obs/depth"] = np.ones((len(demo["actions"]), 4, 5), np.float32)
    assert inspect_store(made).others == {"depth": "float32 of shape (7, 4, 5) in the first"}


def test_the_end_of_a_store_that_grew_is_read(tmp_path):
    """Metadata that were consolidated before are another's."""
    for zarr_format in (2, 3):
        path = zarr_of(tmp_path / f"{zarr_format}.zarr", zarr_format)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of format 3, which does not specify it
            zarr.consolidate_metadata(str(path))
        root = zarr.open_group(str(path), mode="r+", use_consolidated=False)
        for name in ("agent_pos", "action"):
            root[f"data/{name}"].append(np.ones((3, 2)))
        root["meta/episode_ends"].append(np.array([12]))
        read = read_store(path, images=False)
        assert read.ends.tolist() == [4, 9, 12] and (read.action[9:] == 1).all()


def test_an_episode_that_is_listed_twice_is_refused(tmp_path):
    """It could be trained on and held out."""
    v3 = write_lerobot_v3(tmp_path / "v3", demonstrations(), wrist="image")
    (file,) = (v3 / "meta/episodes").rglob("*.parquet")
    rows = pq.read_table(file, partitioning=None)
    pq.write_table(pa.concat_tables([rows, rows.slice(2, 1)]), file)
    refused(v3, r"meta/episodes lists episode 2 2 times; expected once", images=False)
    v21 = write_lerobot_v21(tmp_path / "v21", demonstrations())
    lines = (v21 / "meta/episodes.jsonl").read_text().splitlines()
    (v21 / "meta/episodes.jsonl").write_text("\n".join([*lines, lines[1], lines[1]]) + "\n")
    refused(v21, r"meta/episodes.jsonl lists episode 1 3 times; expected once", images=False)
    assert json.loads(lines[1])["episode_index"] == 1


def test_keys_may_name_what_is_not_listed(tmp_path):
    """Arrays in groups, and truth values of robomimic's; images are no vectors."""
    path = zarr_of(tmp_path / "a.zarr")
    group = zarr.open_group(str(path), mode="r+")
    group.create_array("data/robot/pose", data=np.arange(27.0).reshape(9, 3))
    read = read_store(path, {"agent_pos": "robot/pose[1:]"}, images=False)
    assert read.agent_pos[1].tolist() == [4, 5] and read.forms["agent_pos"] == ((None, 2),)
    made = write_robomimic(tmp_path / "a.hdf5", demonstrations())
    with h5py.File(made, "r+") as file:
        for demo in file["data"].values():
            demo["obs/touches"] = np.arange(len(demo["actions"])) > 2
            demo["obs/called"] = np.array([b"a"] * len(demo["actions"]))
    read = read_store(made, {"agent_pos": "robot0_eef_pos + touches"}, images=False)
    assert read.agent_pos[:5, 3].tolist() == [0, 0, 0, 1, 1]
    for name in ("agentview_image", "called"):
        refused(made, f"data/demo_0: {name} is .*; expected numbers", keys={"agent_pos": name}, images=False)
