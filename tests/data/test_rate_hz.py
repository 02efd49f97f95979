"""Two domains at one rate: which frames are left out, and which targets go with those that are kept."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from align.data.compatibility import check_actions, check_rates
from align.data.episodes import read_store, write_store
from align.data.rates import kept_rows, last_commands
from align.errors import InputError

sys.path.insert(0, str(Path(__file__).parent / "readers"))
from writing import FPS, demonstrations, write_lerobot_v3, write_robomimic


@pytest.mark.parametrize("rate, wanted", [(30, 10), (30, 20), (50, 30), (30, 30), (10, 3)])
def test_frames_are_those_nearest_in_time(rate, wanted):
    lengths = [1, 2, 31, 60, 7]
    ends = np.cumsum(lengths)
    rows, kept = kept_rows(ends, rate, wanted)
    assert len(kept) == len(ends) and kept[-1] == len(rows)
    for n, (end, length) in enumerate(zip(ends, lengths, strict=True)):
        mine = rows[(kept[n - 1] if n else 0) : kept[n]] - (end - length)
        times = np.arange(length) / rate
        asked = np.arange(len(mine)) / wanted
        assert mine[0] == 0 and asked[-1] <= times[-1] + 1e-9 < asked[-1] + 1 / wanted
        np.testing.assert_allclose(
            np.abs(times[mine] - asked), np.abs(times - asked[:, None]).min(1), atol=1e-9
        )


def test_a_target_is_where_to_be_at_the_next_frame(tmp_path):
    """Actions that are the next position stay that at the lower rate."""
    rng = np.random.default_rng(0)
    walks = [rng.normal(0, 1, (n + 1, 2)).cumsum(0) for n in (30, 31, 47)]
    write_store(tmp_path / "a.zarr", ({"agent_pos": w[:-1], "action": w[1:]} for w in walks), {"rate_hz": 30})
    slow = read_store(tmp_path / "a.zarr", images=False, rate_hz=10)
    assert slow.attrs["rate_hz"] == 10 and "one frame in 3" in slow.notes[0]
    inside = np.setdiff1d(np.arange(len(slow.action)), slow.ends - 1)
    np.testing.assert_array_equal(slow.action[inside], slow.agent_pos[inside + 1])
    np.testing.assert_allclose(slow.action[slow.ends[0] - 1], walks[0][30])  # the end of its three frames
    same = read_store(tmp_path / "a.zarr", images=False, rate_hz=30)
    assert same.notes == [] and len(same.action) == 108
    rows, ends = kept_rows(np.array([4]), 30, 10)
    assert last_commands(rows, ends, np.array([4])).tolist() == [2, 3]


@pytest.mark.parametrize("keep", ["memory", "cache"])
def test_images_are_those_of_the_frames_that_are_kept(tmp_path, keep):
    store = write_lerobot_v3(tmp_path / "v3", demonstrations())
    arguments = {"images": ("image.top", "image.wrist"), "keep": keep, "image_size": [12, 16]}
    whole = read_store(store, **arguments)
    half = read_store(store, **arguments, rate_hz=FPS / 2)
    rows, ends = kept_rows(whole.ends, FPS, FPS / 2)
    np.testing.assert_array_equal(half.ends, ends)
    for name, images in whole.images.items():
        np.testing.assert_array_equal(half.images[name], images[rows])
    again = read_store(store, **arguments)
    np.testing.assert_array_equal(again.images["image.top"], whole.images["image.top"])


def test_timestamps_tell_the_rate_of_a_store_that_does_not(tmp_path):
    rng = np.random.default_rng(0)
    walks = [rng.normal(0, 1, (41, 2)).cumsum(0) for _ in range(4)]

    def written(name, hz, **attrs):
        def timed(n):
            return {"timestamp": 5 + n + np.arange(40) / hz + 0.1 / hz * rng.uniform(-1, 1, 40)}

        episodes = [
            {"agent_pos": w[:-1], "action": w[1:]} | ({} if attrs else timed(n)) for n, w in enumerate(walks)
        ]
        write_store(tmp_path / name, episodes, attrs)
        return read_store(tmp_path / name, images=False)

    told, near, far = written("told", 10, rate_hz=10), written("near", 10.1), written("far", 30)
    check_rates(told, near)
    with pytest.raises(InputError, match=r"told at 10 Hz, .*far at (29|30).* Hz by its timestamps"):
        check_rates(told, far)
    slow = read_store(tmp_path / "far", images=False, rate_hz=10)
    assert 0.3 < len(slow.action) / len(far.action) < 0.4 and slow.attrs["rate_hz"] == 10
    assert "measured_hz" not in told.attrs


def test_what_cannot_be_resampled_is_refused(tmp_path):
    rng = np.random.default_rng(0)
    walks = [256 + rng.normal(0, 3, (41, 2)).cumsum(0).cumsum(0) * 0.3 for _ in range(6)]
    moves = [{"agent_pos": walk[:-1], "action": np.diff(walk, axis=0)} for walk in walks]
    write_store(tmp_path / "moves.zarr", moves, {"rate_hz": 30})
    write_store(tmp_path / "untold.zarr", moves)
    for name, rate, message in (
        ("moves", 10, r"action \[0, 1\] looks like differences"),
        ("moves", 40, "has 30 Hz; expected at most that"),
        ("untold", 10, "does not say what rate it has"),
    ):
        with pytest.raises(InputError, match=message):
            read_store(tmp_path / f"{name}.zarr", images=False, rate_hz=rate)


@pytest.mark.parametrize(
    ("controllers", "kind"),
    [
        ({"type": "OSC_POSE", "control_delta": True}, "deltas"),
        ({"type": "OSC_POSE", "control_delta": False}, "targets"),
        ({"type": "BASIC", "body_parts": {"right": {"input_type": "delta", "gripper": {}}}}, "deltas"),
        (
            {"type": "BASIC", "body_parts": {"a": {"input_type": "delta"}, "b": {"input_type": "absolute"}}},
            None,
        ),
        ({"type": "JOINT_POSITION"}, None),
    ],
)
def test_controllers_say_whether_actions_are_deltas_and_these_are_not_resampled(tmp_path, controllers, kind):
    import h5py

    path = write_robomimic(tmp_path / "sim.hdf5", demonstrations())
    with h5py.File(path, "r+") as file:
        arguments = {"env_kwargs": {"control_freq": 20, "controller_configs": controllers}}
        file["data"].attrs["env_args"] = json.dumps(arguments)
    whole = read_store(path, images=False)
    assert whole.attrs.get("actions") == kind
    if kind == "deltas":
        with pytest.raises(InputError, match=r"sim\.hdf5: its actions are deltas"):
            read_store(path, images=False, rate_hz=10)
    else:
        (note,) = read_store(path, images=False, rate_hz=10).notes
        assert note.startswith("note: " if kind else "warning: ")
    (note,) = read_store(path, images=False, rate_hz=10, actions="targets").notes
    assert note.startswith("note: "), "the user knows"
    with pytest.raises(InputError, match="its actions are deltas"):
        read_store(path, images=False, rate_hz=10, actions="deltas")
    other = read_store(path, images=False, actions="targets")
    if kind == "deltas":
        with pytest.raises(InputError, match=r"deltas in data\.sim=.*, targets in data\.real="):
            check_actions(whole, other)
    else:
        check_actions(whole, other)
