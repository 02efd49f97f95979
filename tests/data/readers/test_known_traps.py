"""What is known to go wrong with data sets in the wild: handled, or refused in a line that says where."""

import json
from decimal import Decimal
from functools import partial

import damaging
import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from writing import FPS, as_jpeg, demonstrations, write_lerobot_v3, write_robomimic

from align.data.episodes import read_store
from align.data.readers import RobomimicTrain, check_reader, open_store
from align.data.readers.encoding import Encoding
from align.inspection.store import inspect_store

BEGINS = "videos/observation.images.wrist/from_timestamp"
refused = partial(damaging.refused, images=("image.wrist",), keep="memory")


@pytest.fixture
def episodes():
    return list(demonstrations())


@pytest.fixture
def v3(tmp_path, episodes):
    return write_lerobot_v3(tmp_path / "v3", episodes, per_file=4)


def change_meta(root, change):
    (file,) = (root / "meta/episodes").rglob("*.parquet")
    rows = change(pq.read_table(file, partitioning=None).to_pylist())
    pq.write_table(pa.table({name: [row[name] for row in rows] for name in rows[0]}), file)


def wrist(store):
    return read_store(store, images=("image.wrist",), keep="memory").images["image.wrist"]


@pytest.mark.parametrize("by", [-0.2, -1e-4, 1e-4, 0.2])
def test_times_that_drift_are_those_of_their_frames(v3, by):
    """By parts of a frame, and more from episode to episode."""
    whole = wrist(v3)

    def drifted(rows):
        for n, row in enumerate(rows):
            row[BEGINS] = float(row[BEGINS]) + by * (n / 3) / FPS
        return rows

    change_meta(v3, drifted)
    np.testing.assert_array_equal(wrist(v3), whole)


def test_times_between_two_frames_are_refused(v3):
    change_meta(
        v3, lambda rows: [row | {BEGINS: row[BEGINS] + (n == 2) * 0.4 / FPS} for n, row in enumerate(rows)]
    )
    refused(
        v3, r"row of episode 2: from_timestamp of observation\.images\.wrist is .*frame 19\.40 at 30 a sec"
    )


@pytest.mark.parametrize("since", [None, float("nan"), "x", [0.5], 1e30])
def test_times_of_videos_that_are_no_seconds_are_refused(v3, since):
    change_meta(v3, lambda rows: [row | {BEGINS: since} for row in rows])
    refused(v3, r"row of episode 0: from_timestamp of observation\.images\.wrist is .*; expected seconds")


@pytest.mark.parametrize("name", ["timestamp", "frame_index"])
@pytest.mark.parametrize("value", [[0.0, 1.0], "x"])
def test_indices_that_are_no_numbers_are_refused(v3, name, value):
    damaging.change_tables(v3, lambda rows: rows | {name: [value] * len(rows[name])})
    refused(v3, rf"data/chunk-000/file-000\.parquet: {name} .*; expected")


@pytest.mark.parametrize(
    ("name", "form"), [("timestamp", lambda x: [x]), ("frame_index", lambda x: [x]), ("frame_index", Decimal)]
)
def test_indices_in_lists_of_one_and_as_decimals_are_read(v3, name, form):
    before = read_store(v3, images=False)
    damaging.change_tables(v3, lambda rows: rows | {name: [form(x) for x in rows[name]]})
    after = read_store(v3, images=False)
    np.testing.assert_array_equal(after.action, before.action)


def test_times_that_drifted_into_another_episode_are_refused(v3):
    """As where the frames of an episode were fewer than its rows: all after them would be another's."""
    change_meta(
        v3, lambda rows: [row | {BEGINS: row[BEGINS] - (n >= 2) * 2 / FPS} for n, row in enumerate(rows)]
    )
    refused(
        v3, r"episode 2: .* is frame 17 of videos/.*file-000\.mp4, which episode 1 has up to frame 18 .*again"
    )
    assert any("which episode 1 has" in fault for fault in inspect_store(v3).faults)


@pytest.mark.parametrize("kept", [[1, 3], [2], [0, 1, 3]])
def test_a_part_of_the_episodes_is_read_to_that_part(v3, episodes, kept):
    """Their rows and frames are not the first ones of their files."""
    whole, ends = wrist(v3), np.cumsum([len(e["action"]) for e in episodes])
    change_meta(v3, lambda rows: [row for row in rows if row["episode_index"] in kept])
    read = read_store(v3, images=("image.wrist",), keep="memory")
    np.testing.assert_array_equal(read.action, np.concatenate([episodes[k]["action"] for k in kept]))
    expected = [whole[ends[k] - len(episodes[k]["action"]) : ends[k]] for k in kept]
    np.testing.assert_array_equal(read.images["image.wrist"], np.concatenate(expected))


def test_no_video_stays_open(tmp_path, episodes, monkeypatch):
    """Decoders that are kept would hold memory with every file."""
    import av

    store = write_lerobot_v3(tmp_path / "many", episodes, per_file=1)
    still, most, opened = set(), [], av.open

    def watched(*arguments, **options):
        container = opened(*arguments, **options)

        class Watched:
            def __enter__(self):
                still.add(id(self))
                most.append(len(still))
                return container.__enter__()

            def __exit__(self, *error):
                still.discard(id(self))
                return container.__exit__(*error)

        return Watched()

    monkeypatch.setattr(av, "open", watched)
    frames = open_store(store).frames("observation.images.wrist")
    next(frames)
    frames.close()  # left in the middle
    assert not still
    wrist(store)
    assert not still and max(most) == 1 and len(most) > len(episodes)


@pytest.fixture
def masked(tmp_path, episodes):
    path = write_robomimic(tmp_path / "demos.hdf5", episodes)
    with h5py.File(path, "r+") as file:
        file["mask/train"] = np.array([b"demo_3", b"demo_1"])
        file["mask/valid"] = np.array([b"demo_0"])
    return path


def test_filters_are_told_and_can_be_used(masked, episodes):
    read = read_store(masked, images=False)
    assert read.n_episodes == 4
    (note,) = read.notes
    assert "train (of 2), valid (of 1) are not used, all 4" in note
    assert "RobomimicTrain" in note and any("not used" in told for told in inspect_store(masked).notes)
    read = read_store(masked, images=False, reader=RobomimicTrain)
    np.testing.assert_array_equal(read.action, np.concatenate([episodes[k]["action"] for k in (1, 3)]))
    assert "train is used" in read.notes[0]
    check_reader(RobomimicTrain, masked)


def test_filters_that_name_nothing_are_refused(masked, tmp_path, episodes):
    with h5py.File(masked, "r+") as file:
        del file["mask/train"]
        file["mask/train"] = np.array([b"demo_1", b"demo_9"])
    refused(
        masked,
        r"mask/train lists demo_9; expected some of data/, as demo_0",
        reader=RobomimicTrain,
        images=False,
    )
    assert read_store(masked, images=False).n_episodes == 4, "what is not used may be wrong"
    plain = write_robomimic(tmp_path / "plain.hdf5", episodes)
    assert read_store(plain, images=False).notes == []
    refused(plain, "mask has no filter 'train'; it has none", reader=RobomimicTrain, images=False)


def test_images_of_a_table_that_are_jpeg_are_told(v3, episodes):
    """LeRobot writes PNG; converters of other data sets kept what these had."""
    assert read_store(v3, images=("image.top",)).codecs == {"image.top": None}
    as_jpeg(v3, episodes)
    read = read_store(v3, images=("image.top",), keep="memory")
    assert read.codecs == {"image.top": Encoding("jpeg", "yuv420p", quality=95)}
    assert (
        np.abs(read.images["image.top"].astype(int) - np.concatenate([e["top"] for e in episodes])).max() < 9
    )


def test_tasks_are_told_by_row(v3, episodes):
    """By the index of each row; where the table of tasks is missing, by the list of episodes."""
    assert open_store(v3).tasks()[0] == ["push"]
    lengths = [len(e["action"]) for e in episodes]
    change_meta(v3, lambda rows: [row | {"tasks": [f"task {n % 2}"]} for n, row in enumerate(rows)])
    names, of = open_store(v3).tasks()
    assert [names[k] for k in of] == [
        f"task {n % 2}" for n, length in enumerate(lengths) for _ in range(length)
    ]
    (note,) = read_store(v3, images=False).notes
    assert "it holds 2 tasks ('task 0', 'task 1'); a policy is not told which" in note
    pq.write_table(pa.table({"task_index": [1, 0], "task": ["other", "pick"]}), v3 / "meta/tasks.parquet")
    names, of = open_store(v3).tasks()
    assert names == ["pick"] and not of.any()
    assert read_store(v3, images=False).notes == []
    info = json.loads((v3 / "meta/info.json").read_text())
    assert "total_tasks" not in info  # nothing else is asked


@pytest.mark.parametrize(("told", "task"), [(["pick", "it"], "pick it"), ([1, 2], "1 2"), (3, None)])
def test_an_instruction_of_all_may_be_anything(tmp_path, episodes, told, task):
    path = write_robomimic(tmp_path / "libero.hdf5", episodes)
    with h5py.File(path, "r+") as file:
        file["data"].attrs["problem_info"] = json.dumps({"language_instruction": told})
    found = open_store(path).tasks()
    assert (found and found[0]) == (task and [task])
