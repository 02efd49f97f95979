"""Rotations and angles of keys, against formulas written out, and back."""

import numpy as np
import pytest

from align.data.columns import parse_columns
from align.data.episodes import read_store, write_store
from align.data.rotations import TRANSFORMS, from_6d, restore
from align.errors import InputError

RNG = np.random.default_rng(0)
XYZW = RNG.normal(size=(50, 4))
XYZW /= np.linalg.norm(XYZW, axis=1, keepdims=True)


def turned(quaternion, vector):
    """q v q*, written out (scalar last)."""
    u, w = quaternion[:3], quaternion[3]
    return vector + 2 * w * np.cross(u, vector) + 2 * np.cross(u, np.cross(u, vector))


MATRICES = np.stack([np.stack([turned(q, e) for e in np.eye(3)], 1) for q in XYZW])
ANGLES = 2 * np.arctan2(np.linalg.norm(XYZW[:, :3], axis=1), XYZW[:, 3])
AXES = XYZW[:, :3] / np.linalg.norm(XYZW[:, :3], axis=1, keepdims=True)
STORED = {
    "quat_xyzw": XYZW,
    "quat_wxyz": XYZW[:, [3, 0, 1, 2]],
    "axis_angle": AXES * ANGLES[:, None],
    "matrix": MATRICES.reshape(-1, 9),
}


@pytest.mark.parametrize("how", STORED)
def test_all_ways_to_write_a_rotation_become_the_first_two_columns_of_its_matrix(how):
    seen = TRANSFORMS[how].forward(STORED[how])
    np.testing.assert_allclose(seen[:, :3], MATRICES[:, :, 0], atol=1e-9)
    np.testing.assert_allclose(seen[:, 3:], MATRICES[:, :, 1], atol=1e-9)
    again = TRANSFORMS[how].forward(restore(how, seen))
    np.testing.assert_allclose(again, seen, atol=1e-9)
    noisy = from_6d(3 * seen + 0.05 * RNG.normal(size=seen.shape))  # what a policy puts out
    np.testing.assert_allclose(noisy @ noisy.transpose(0, 2, 1), np.tile(np.eye(3), (50, 1, 1)), atol=1e-9)
    assert np.linalg.det(noisy) == pytest.approx(1)
    assert np.abs(noisy - MATRICES).max() < 0.3


def test_what_jumps_does_not_any_more():
    np.testing.assert_allclose(*(TRANSFORMS["quat_xyzw"].forward(q) for q in (XYZW, -XYZW)), atol=1e-12)
    turns = np.linspace(-400, 400, 801)[:, None]
    wrapped = (turns + 180) % 360 - 180
    seen = TRANSFORMS["degrees"].forward(wrapped)
    assert np.abs(np.diff(seen, axis=0)).max() < 0.02
    np.testing.assert_allclose(np.cos(np.deg2rad(restore("degrees", seen) - turns)), 1)
    two = RNG.uniform(-3, 3, (9, 2))
    np.testing.assert_allclose(restore("radians", 2.5 * TRANSFORMS["radians"].forward(two)), two)


def test_keys_ask_for_them(tmp_path):
    pose = np.concatenate([RNG.normal(size=(50, 3)), XYZW, RNG.uniform(-3, 3, (50, 1))], axis=1)
    write_store(tmp_path / "arm.zarr", [{"agent_pos": pose, "action": pose}] * 2)
    key = "action[:3] + quat_xyzw(action[3:7]) + radians(action[7:])"
    assert " + ".join(map(str, parse_columns(key))) == key
    read = read_store(tmp_path / "arm.zarr", {"action": key}, images=False).action[:50]
    expected = [pose[:, :3], MATRICES[:, :, 0], MATRICES[:, :, 1], np.sin(pose[:, 7:]), np.cos(pose[:, 7:])]
    np.testing.assert_allclose(read, np.concatenate(expected, axis=1), atol=1e-6)
    for wrong, message in (
        ("quat_xyzw(action[2:6])", "row 0 is no rotation"),
        ("quat_wxyz(action[3:6])", "has 3 columns; expected 4"),
        ("turn(action)", "no key"),
    ):
        with pytest.raises(InputError, match=message):
            read_store(tmp_path / "arm.zarr", {"action": wrong}, images=False)


def test_actions_that_count_turns_are_told_of(tmp_path):
    """A policy gives angles within half a turn of 0, whatever the store has."""
    half, whole = RNG.uniform(-180, 180, (50, 1)), RNG.uniform(0, 360, (50, 1))
    action = np.concatenate([half, whole, np.deg2rad(half)], axis=1)
    write_store(tmp_path / "arm.zarr", [{"agent_pos": action, "action": action}])

    def told(key, of="action"):
        keys = {"action": "action", of: key}
        return [n for n in read_store(tmp_path / "arm.zarr", keys, images=False).notes if "half a turn" in n]

    assert told("degrees(action[:1]) + action[1:2] + radians(action[2:])") == []
    (note,) = told("degrees(action[:2]) + radians(action[2:])")
    low, high = action[:, :2].min(), action[:, :2].max()
    assert f"degrees(action[:2]) lies between {low:.4g} and {high:.4g}; a policy gives" in note
    assert told("radians(action[:2])") and told("degrees(agent_pos[1:2])", of="agent_pos") == []
