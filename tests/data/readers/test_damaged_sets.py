"""What is wrong with LeRobot's and robomimic's data sets is said in a line."""

import json
import shutil

import numpy as np
import pytest
from damaging import change_tables, cut, off, refused
from writing import FPS, write_lerobot_v3, write_video

from align.data.episodes import read_store


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
        (
            "meta",
            lambda rows: rows.pop("length") and rows,
            r"meta/episodes: cannot be read \(KeyError: .*length",
        ),
        ("meta", off("length", 0, None), r"meta/episodes: cannot be read"),
        (
            "data",
            lambda rows: rows.pop("observation.images.top") and rows,
            r"file-000.parquet cannot be read \(No match",
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

    def camera_of(shape):
        name = next(n for n, f in info["features"].items() if f["dtype"] == "video")
        return {"features": {**info["features"], name: {**info["features"][name], "shape": shape}}}

    for change, message in (
        ({"codebase_version": "v1.6"}, "codebase_version '1.6'; expected v2.0, v2.1 or v3.0"),
        ({"fps": 0}, "fps 0; expected a positive number"),
        ({"features": []}, "has no features"),
        ({"features": {"action": {"dtype": "float32", "shape": 2}}}, "shape of action is 2; expected a list"),
        ({"features": {"action": {"dtype": "float32", "shape": ["x"]}}}, r"shape of action is \['x'\]"),
        ({"features": {"action": {"dtype": "float32", "names": 3}}}, "names of action is 3"),
        ({"features": {"c": {"dtype": "video", "info": []}}}, r"info of c is \[\]; expected a mapping"),
        (camera_of([10**30, 24, 3]), r"has the shape \[1000.*expected \[height"),
        ({"data_path": "../../{chunk_index}{file_index}"}, "leads out of the folder"),
        ({"data_path": "{chunk_index.__class__}/{nope}"}, "has an unknown part|leads|is missing"),
    ):
        (v3 / "meta/info.json").write_text(json.dumps({**info, **change}))
        refused(v3, message)
    (v3 / "meta/info.json").write_text("[" * 100_000)
    refused(v3, "meta/info.json cannot be read")
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
        (lambda d: d["demo_1"].attrs.update(num_samples="x"), "data cannot be read, the file is damaged"),
        (lambda d: replace(d, "demo_1/actions", 3.0), "data cannot be read, the file is damaged"),
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


@pytest.mark.parametrize(("times", "place"), [(2, "0.50"), (5, "0.20")])
def test_frames_beside_or_on_top_of_each_other_are_refused(v3, episodes, times, place):
    """A file of another rate than the data set's: half way between two frames, or several at one place."""
    for n, file in enumerate(sorted((v3 / "videos").rglob("*.mp4"))):
        images = np.concatenate([e["wrist"] for e in episodes[2 * n : 2 * n + 2]])
        write_video(file, np.repeat(images, times, 0), fps=times * FPS)
    refused(v3, rf"has a frame at {place} frames of {FPS} a second \(after 0\)")
