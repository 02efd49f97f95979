"""LeRobot's and robomimic's data sets are read to what was written, and so is a format of one's own."""

import json
import sys

import numpy as np
import pytest
from damaging import CAMERAS, refused, rename
from writing import FPS, demonstrations, write_robomimic

from align.data.episodes import read_store
from align.data.images import fit_images
from align.data.readers import LeRobotDataset, Reader, RobomimicFile, check_reader, open_store
from align.data.readers.zarr_store import ZarrStore
from align.errors import InputError


def joined(episodes, key):
    return np.concatenate([e[key] for e in episodes])


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


def test_keys_of_cameras_that_the_policy_lacks_are_refused(made):
    """Else a misspelt one would be passed over, and the camera of that name taken."""
    keys = {"image.wirst": "observation.images.top"}
    refused(made["v3"], r"{image.wirst: .*images.top} is of no camera of the policy; .*wrist", keys=keys)
    refused(made["v3"], r"is of no camera", keys={"image": "observation.images.top"})
    assert read_store(made["v3"], keys, images=False).images == {}, "a policy without images has none"
    both = {"image.top": "observation.images.wrist", "image.wrist": "observation.images.top"}
    read = read_store(made["v3"], both, images=("image.top",), keep="memory")
    assert read.codecs["image.top"].codec == "h264", "one that is named and not seen is nothing misspelt"


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
