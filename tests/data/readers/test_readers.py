"""LeRobot's and robomimic's data sets are read to what was written, and what is wrong with them is said."""

import errno
import json
import os
import shutil
import sys
from types import ModuleType

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from writing import FPS, demonstrations, write_lerobot_v3, write_lerobot_v21, write_robomimic, write_video

from align.data.episodes import read_store
from align.data.images import fit_images
from align.data.readers import LeRobotDataset, Reader, RobomimicFile, check_reader, open_store
from align.data.readers.zarr_store import ZarrStore
from align.errors import InputError

CAMERAS = ("image.top", "image.wrist")


@pytest.fixture(scope="module")
def episodes():
    return list(demonstrations())


@pytest.fixture(scope="module")
def made(tmp_path_factory, episodes):
    """One of each, not to be changed."""
    root = tmp_path_factory.mktemp("formats")
    return {
        "v3": write_lerobot_v3(root / "v3", episodes),
        "v21": write_lerobot_v21(root / "v21", episodes),
        "robomimic": write_robomimic(root / "demos.hdf5", episodes),
    }


@pytest.fixture
def v3(tmp_path, made):
    """A LeRobot data set to damage."""
    return shutil.copytree(made["v3"], tmp_path / "v3")


def joined(episodes, key):
    return np.concatenate([e[key] for e in episodes])


def refused(path, message, **arguments):
    with pytest.raises(InputError, match=message) as error:
        read_store(path, **{"images": CAMERAS, **arguments})
    assert "\n" not in str(error.value) and str(path) in str(error.value)


@pytest.mark.parametrize(
    "name, kind", [("v3", LeRobotDataset), ("v21", LeRobotDataset), ("robomimic", RobomimicFile)]
)
def test_formats_are_read_to_what_was_written(made, episodes, name, kind):
    assert isinstance(open_store(made[name]), kind)
    check_reader(kind, made[name])
    keys = {"image.top": "agentview_image", "image.wrist": "robot0_eye_in_hand_image"}
    read = read_store(made[name], keys if kind is RobomimicFile else None, images=CAMERAS, keep="memory")
    np.testing.assert_array_equal(read.lengths, [len(e["action"]) for e in episodes])
    np.testing.assert_array_equal(read.action, joined(episodes, "action"))
    np.testing.assert_array_equal(read.agent_pos, joined(episodes, "state"))
    np.testing.assert_array_equal(read.images["image.top"], joined(episodes, "top"))
    error = np.abs(read.images["image.wrist"].astype(int) - joined(episodes, "wrist"))
    if kind is RobomimicFile:
        assert error.max() == 0 and read.codecs == {"image.top": None, "image.wrist": None}
        assert read.attrs["rate_hz"] == 20
    else:  # a frame in another's place is 5 off in every pixel
        assert error.mean() < 2 and str(read.codecs["image.wrist"]) == "h264 (yuv420p, GOP 4, CRF 4)"
        assert read.attrs["rate_hz"] == FPS


def test_demonstrations_are_in_the_order_of_their_numbers(tmp_path):
    many = list(demonstrations(12, lengths=range(3, 15)))
    read = read_store(write_robomimic(tmp_path / "many.hdf5", many), images=False)
    np.testing.assert_array_equal(read.lengths, range(3, 15))


def test_an_only_camera_is_taken_and_several_are_not_guessed(made, v3):
    for name, choice in (("v3", "observation.images.top"), ("robomimic", "agentview_image")):
        refused(made[name], f"2 cameras could be 'image': .*{choice}.*choose with data.sim_keys", images=True)
        read = read_store(made[name], {"image": choice}, images=True)
        assert list(read.images) == ["image"]
    info = json.loads((v3 / "meta/info.json").read_text())
    del info["features"]["observation.images.top"]
    (v3 / "meta/info.json").write_text(json.dumps(info))
    assert read_store(v3, images=True).image.shape[1:] == (24, 32, 3)


def test_states_are_not_guessed_and_can_be_joined(made, v3):
    keys = {"agent_pos": "robot0_gripper_qpos + robot0_eef_pos[:2]"}
    read = read_store(made["robomimic"], keys, images=False)
    whole = read_store(made["robomimic"], images=False).agent_pos
    np.testing.assert_array_equal(read.agent_pos, whole[:, [7, 0, 1]])
    rename(v3, "observation.state", "observation.joints")
    assert read_store(v3, images=False).agent_pos.shape[1] == 8  # the only one that can be
    rename(v3, "observation.joints", "observation.joints", copy="observation.forces")
    refused(
        v3, r"2 of its arrays could be the agent_pos; it has .*joints \(8\).*as {agent_pos: ", images=False
    )


def change_tables(root, change, of="data"):
    for file in sorted((root / of).rglob("*.parquet")):
        pq.write_table(pa.table(change(pq.read_table(file, partitioning=None).to_pydict())), file)


def rename(root, name, to, copy=None):
    info = json.loads((root / "meta/info.json").read_text())
    info["features"][to] = info["features"].pop(name)
    if copy:
        info["features"][copy] = info["features"][to]
    (root / "meta/info.json").write_text(json.dumps(info))

    def change(rows):
        rows[to] = rows.pop(name)
        return rows | ({copy: rows[to]} if copy else {})

    change_tables(root, change)


def cut(rows):
    return {name: values[:-1] for name, values in rows.items()}


def off(name, row, value):
    def change(rows):
        rows[name][row] = value
        return rows

    return change


@pytest.mark.parametrize(
    "of, change, message",
    [
        ("data", cut, "data/chunk-000/file-000.parquet has 18 rows; its episodes have 19"),
        ("data", off("episode_index", 3, 1), "rows 0 to 6 should be episode 0's"),
        ("data", off("frame_index", 3, 9), "row 3: frame_index is 9; expected 3, as frames of episode 0"),
        ("data", off("timestamp", 5, 0.9), r"row 5: timestamp is 0.9 s, frame 5 of episode 0; expected 0.16"),
        ("data", off("action", 2, [0.0] * 7 + [float("nan")]), "action has 2 NaN or infinite values.* row 2"),
        ("data", off("action", 2, [0.0] * 7), "rows of different lengths"),
        ("data", off("action", 2, None), "lacks 1 values"),
        ("data", off("observation.images.top", 4, {"bytes": b"no", "path": None}), "row 4 holds no image"),
        ("meta", off("data/file_index", 1, 7), "data/chunk-000/file-007.parquet is missing"),
        ("meta", off("dataset_to_index", 1, 20), "episode 1 has rows 7 to 20 and length 12"),
        ("meta", off("length", 0, 8), "rows 0 to 7 and length 8|rows 0 to 7 should be|length 8"),
        (
            "meta",
            off("videos/observation.images.wrist/file_index", 0, 9),
            "file-009.mp4 is missing",
        ),
    ],
)
def test_known_damage_is_one_line(v3, of, change, message):
    change_tables(v3, change, of)
    refused(v3, message, keep="memory")


def test_columns_that_may_be_missing_are(v3, made):
    change_tables(v3, lambda rows: {k: v for k, v in rows.items() if k not in ("task_index", "index")})
    change_tables(v3, lambda rows: {k: v for k, v in rows.items() if k != "tasks"}, "meta")
    np.testing.assert_array_equal(
        read_store(v3, images=False).action, read_store(made["v3"], images=False).action
    )


@pytest.mark.parametrize(
    "drop, message", [((5,), "lacks frame 5 .*6 follows 4"), ((18,), "ends before frame 18")]
)
def test_dropped_frames_are_missed(tmp_path, episodes, drop, message):
    refused(write_lerobot_v3(tmp_path / "v3", episodes, drop=drop), message, keep="memory")


def test_unfinished_and_foreign_files(v3, tmp_path, made):
    file = v3 / "data/chunk-000/file-001.parquet"
    file.write_bytes(file.read_bytes()[:-20])
    refused(v3, "file-001.parquet cannot be read .*was it finished")
    video = next((v3 / "videos").rglob("*.mp4"))
    video.write_bytes(b"no video")
    shutil.copy(made["v3"] / "data/chunk-000/file-001.parquet", file)
    refused(v3, "cannot be (decoded|read)", keep="memory")
    info = json.loads((v3 / "meta/info.json").read_text())
    for change, message in (
        ({"codebase_version": "v1.6"}, "codebase_version '1.6'; expected v2.0, v2.1 or v3.0"),
        ({"fps": 0}, "fps 0; expected a positive number"),
        ({"features": []}, "has no features"),
        ({"data_path": "../../{chunk_index}{file_index}"}, "leads out of the folder"),
        ({"data_path": "{chunk_index.__class__}/{nope}"}, "has an unknown part|leads|is missing"),
    ):
        (v3 / "meta/info.json").write_text(json.dumps({**info, **change}))
        refused(v3, message)
    broken = tmp_path / "cut.hdf5"
    broken.write_bytes(made["robomimic"].read_bytes()[:4000])
    refused(broken, "cannot be opened as HDF5|is missing")


def test_robomimic_damage(tmp_path, made):
    import h5py

    def damaged(change):
        path = tmp_path / "damaged.hdf5"
        shutil.copy(made["robomimic"], path)
        with h5py.File(path, "r+") as file:
            change(file["data"])
        return path

    def replace(data, name, value):
        del data[name]
        data[name] = value

    for change, message in (
        (lambda d: d["demo_1"].attrs.update(num_samples=99), "demo_1 has 12 actions; num_samples says 99"),
        (lambda d: d["demo_2"].pop("actions"), "demo_2 has no actions"),
        (
            lambda d: replace(d, "demo_1/obs/robot0_eef_pos", np.zeros((11, 3))),
            "demo_1: robot0_eef_pos has 11 rows; there are 12 actions",
        ),
        (lambda d: replace(d, "demo_1/actions", np.zeros((12, 7))), r"\[7, 8\] columns in different"),
        (lambda d: d["demo_0"]["obs"].__delitem__("robot0_eef_quat"), "could be the agent_pos"),
        (
            lambda d: replace(d, "demo_1/obs/robot0_eef_pos", h5py.ExternalLink("other.hdf5", "/x")),
            "is a link to another file",
        ),
    ):
        refused(damaged(change), message, images=False)


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


@pytest.mark.parametrize(("times", "place"), [(2, "0.50"), (5, "0.20")])
def test_frames_beside_or_on_top_of_each_other_are_refused(v3, episodes, times, place):
    """A file of another rate than the data set's: half way between two frames, or several at one place."""
    for n, file in enumerate(sorted((v3 / "videos").rglob("*.mp4"))):
        images = np.concatenate([e["wrist"] for e in episodes[2 * n : 2 * n + 2]])
        write_video(file, np.repeat(images, times, 0), fps=times * FPS)
    refused(v3, rf"has a frame at {place} frames of {FPS} a second \(after 0\)")


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


def test_fits_against_their_definitions():
    image = np.zeros((1, 4, 8, 1), np.uint8)
    image[:, :, 4:] = 200
    stretched = fit_images(image, (2, 2))[0, :, :, 0]
    np.testing.assert_array_equal(stretched, [[0, 200], [0, 200]])
    padded = fit_images(image, (4, 4), "pad")[0, :, :, 0]
    np.testing.assert_array_equal(padded, [[0] * 4, [0, 0, 200, 200], [0, 0, 200, 200], [0] * 4])
    image[:, :, :2] = 100  # what lies outside the central square
    cropped = fit_images(image, (2, 2), "crop")[0, :, :, 0]
    np.testing.assert_array_equal(cropped, [[0, 200], [0, 200]])
    assert fit_images(image, (8, 16)).shape == (1, 8, 16, 1)


class Npz(Reader):
    """A format of a user's own."""

    @classmethod
    def recognises(cls, path):
        return path.suffix == ".npz"

    def __init__(self, path):
        super().__init__(path)
        self.arrays = np.load(path)

    def episode_ends(self):
        return self.arrays["ends"]

    def vectors(self):
        return {name: self.arrays[name].shape[1] for name in ("action", "pose")}

    def vector(self, name):
        return self.arrays[name].astype(np.float32)


def test_a_format_of_ones_own(tmp_path):
    path = tmp_path / "own.npz"
    rng = np.random.default_rng(0)
    np.savez(path, action=rng.normal(size=(9, 3)), pose=rng.normal(size=(9, 6)), ends=np.array([4, 9]))
    check_reader(Npz, path)
    read = read_store(path, images=False, reader=Npz)
    assert read.action.shape == (9, 3) and read.agent_pos.shape == (9, 6)
    with pytest.raises(InputError, match="of no known format; expected a Zarr group"):
        read_store(path.rename(tmp_path / "own.dat"), images=False)

    class Wrong(Npz):
        def vector(self, name):
            return super().vector(name)[:-1]

    path = (tmp_path / "own.dat").rename(tmp_path / "own.npz")
    with pytest.raises(
        AssertionError, match=r"vector\('action'\): float32 \(8, 3\); expected float32 \(9, 3\)"
    ):
        check_reader(Wrong, path)


def test_an_extra_that_is_not_there_is_named(made, monkeypatch):
    import sys

    for module, name, package in (("pyarrow", "v3", "lerobot"), ("h5py", "robomimic", "robomimic")):
        with monkeypatch.context() as patch:
            for loaded in [m for m in sys.modules if m == module or m.startswith(f"{module}.")]:
                patch.delitem(sys.modules, loaded)
            patch.setitem(sys.modules, module, None)
            refused(made[name], rf"reading it needs {module}, of the extra {package}; pip install {module} ")


def test_stores_of_real_robots(tmp_path):
    import zarr

    root = zarr.open_group(str(tmp_path / "real.zarr"), mode="w", zarr_format=2)
    rng = np.random.default_rng(0)
    for name, value in {
        "camera_0": rng.integers(0, 255, (9, 6, 8, 3)).astype(np.uint8),
        "camera_1": rng.integers(0, 255, (9, 6, 8, 3)).astype(np.uint8),
        "robot_eef_pose": rng.normal(size=(9, 6)),
        "action": rng.normal(size=(9, 6)),
        "timestamp": np.arange(9) / 10,
    }.items():
        array = root.create_array(f"data/{name}", shape=value.shape, dtype=value.dtype)
        array[...] = value
    root.create_array("meta/episode_ends", data=np.array([4, 9]))
    check_reader(ZarrStore, tmp_path / "real.zarr")
    read = read_store(tmp_path / "real.zarr", images=("image.camera_0", "image.camera_1"))
    assert read.agent_pos.shape == (9, 6) and read.images["image.camera_1"].shape == (9, 6, 8, 3)
