"""Which keys are taken where none are named: Push-T's of its own stores only, and said in a line."""

import contextlib
import dataclasses

import numpy as np
import pytest

from align.cli import main
from align.data.episodes import read_store, write_store
from align.data.keys import find_keys
from align.data.readers import open_store
from align.datamodule import CotrainingData
from align.domain import Domain
from align.policy import DiffusionPolicy
from align.worlds.pushing.gaps import Gap
from align.worlds.pushing.mujoco import MujocoWorld


def arm(n=20, **more):
    """Five joints and a planar action: the widths of Push-T, and nothing else of it."""
    rng = np.random.default_rng(0)
    return {"state": rng.normal(size=(n, 5)), "action": rng.normal(size=(n, 2)), **more}


def keys_of(path):
    with contextlib.closing(open_store(path)) as store:
        return find_keys(store, None, ())


@pytest.mark.parametrize("sign", ["n_contacts", "keypoint"])
def test_push_t_is_told_by_its_own_arrays(tmp_path, sign):
    shape = (20, 9, 2) if sign == "keypoint" else (20, 1)
    write_store(tmp_path / "pusht.zarr", [arm(**{sign: np.zeros(shape)})])
    assert read_store(tmp_path / "pusht.zarr", images=False).agent_pos.shape == (20, 2)
    assert f"agent_pos is state[:2], state is state (as in Push-T, since it has {sign})" in str(
        keys_of(tmp_path / "pusht.zarr")
    )


@pytest.mark.parametrize("world", ["pushing", "mujoco"])
def test_what_align_demos_writes_is_push_t(tmp_path, world):
    recorded = dataclasses.asdict(Gap().world() if world == "pushing" else MujocoWorld())
    write_store(tmp_path / "own.zarr", [arm()], {"world": recorded})
    assert keys_of(tmp_path / "own.zarr").vectors["agent_pos"][0].stop == 2


@pytest.mark.parametrize("attrs", [{}, {"world": "kitchen"}, {"world": {"drag": 0.4}}])
def test_any_other_store_of_these_widths_is_read_whole(tmp_path, attrs):
    write_store(tmp_path / "arm.zarr", [arm()], attrs)
    read = read_store(tmp_path / "arm.zarr", images=False)
    np.testing.assert_array_equal(read.agent_pos, arm()["state"].astype(np.float32))
    assert "agent_pos is state" in read.keys and "state[:2]" in read.keys.partition("(")[2]
    given = read_store(tmp_path / "arm.zarr", {"agent_pos": "state[1:3]"}, images=False)
    assert given.agent_pos.shape == (20, 2) and "agent_pos is state[1:3] (given)" in given.keys


def test_fit_and_inspect_say_what_they_take(tmp_path, write_config, stores, capsys):
    data = CotrainingData(**stores, batch_size=8, validation=2)
    data.load(DiffusionPolicy(), 0)
    for domain, note in zip(Domain, data.notes, strict=True):
        assert note.startswith(f"note: {stores[domain.label]}: action is action, agent_pos is state[:2]")
        assert "since it has n_contacts" in note and note.endswith(f"with data.{domain.label}_keys")
    assert main(["inspect", stores["sim"]]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "agent_pos" in line]
    assert "state[:2]" in line and "as in Push-T, since it has n_contacts" in line
    assert main(["inspect", stores["sim"], stores["real"]]) == 0
    said = " ".join(capsys.readouterr().out.split())
    for label in stores:
        assert f"{label}: action is action, agent_pos is state[:2]" in said
        assert f"choose otherwise with data.{label}_keys" in said
    other = tmp_path / "other.zarr"
    write_store(other, [arm(img=np.zeros((20, 16, 16, 3), np.uint8))] * 6)
    assert main(["fit", "--config", write_config(**{"data.sim": str(other)})]) == 2
    error = capsys.readouterr().err
    assert "agent_pos: shape (5,)" in error and "data.sim_keys and data.real_keys say what" in error
