"""Stores that are read without a fault and are seldom meant: each a line that names store, key and column."""

from dataclasses import asdict
from functools import partial

import numpy as np
import pytest

from align.callbacks import Rollouts
from align.data.episodes import Episodes
from align.data.plausibility import check_world, doubts
from align.data.rotations import TRANSFORMS
from align.data.signals import delta_columns
from align.errors import InputError
from align.networks import ConditionalMLP
from align.policy import DiffusionPolicy
from align.worlds.planning.batch import MazeWorlds
from align.worlds.planning.maze import MazeSpec
from align.worlds.pushing.gaps import Gap
from align.worlds.pushing.scene import GOAL


def deltas(episodes):
    return delta_columns(episodes.action, episodes.agent_pos, episodes.ends)


def walk(path: str = "a.zarr", seed: int = 0, action: str = "target", noise: float = 0.0) -> Episodes:
    """A smooth walk of two coordinates about 256 px, 6 episodes of 40 frames, and what is commanded on it."""
    rng = np.random.default_rng(seed)
    ways = [256 + rng.normal(0, 3, (41, 2)).cumsum(0).cumsum(0) * 0.3 for _ in range(6)]
    position, following = (np.concatenate([w[s] for w in ways]) for s in (slice(0, -1), slice(1, None)))
    actions = {
        "target": following,
        "delta": following - position,
        "velocity": 10 * (following - position),
        "goal": np.concatenate([np.repeat(w[-1:], 40, 0) for w in ways]),
    }[action]
    actions = actions + noise * rng.normal(size=actions.shape)
    ends = np.arange(40, 241, 40)
    return Episodes(position.astype(np.float32), actions.astype(np.float32), ends, path=path)


@pytest.mark.parametrize(("action", "noise"), [("target", 0), ("target", 20.0), ("goal", 0)])
def test_targets_are_not_doubted(action, noise):
    for seed in range(5):
        assert deltas(walk(action=action, noise=noise, seed=seed)) == []


@pytest.mark.parametrize(("action", "noise"), [("delta", 0), ("velocity", 0), ("delta", 1.0)])
def test_differences_are_found(action, noise):
    for seed in range(5):
        assert deltas(walk(action=action, noise=noise, seed=seed)) == [0, 1]


def test_differences_are_told_where_they_would_be_mixed_or_taken_twice():
    target, delta = walk("target.zarr"), walk("delta.zarr", action="delta")
    also = walk("also.zarr", 1, action="delta")
    assert doubts([target, walk("other.zarr", 1)], True) == []
    assert doubts([delta, also], False) == [], "both are, and the policy takes them as they are"
    lines = doubts([delta, also], True)
    assert [line.split(": ")[1] for line in lines] == ["store delta.zarr", "store also.zarr"]
    assert all(line.startswith("warning: ") and "relative_actions=false" in line for line in lines)
    for relative in (True, False):
        (line,) = doubts([target, delta], relative)
        assert "store delta.zarr: action [0, 1]" in line and "one kind in all" in line


@pytest.mark.parametrize(("scale", "label"), [(1.0, "2π"), (180 / np.pi, "360")])
def test_angles_that_wrap_are_told(scale, label):
    turning = np.linspace(0, 30, 240).reshape(6, 40)  # about five turns, 0.13 rad a frame
    wrapped = (turning + np.pi) % (2 * np.pi) - np.pi

    def episodes(angle: np.ndarray) -> Episodes:
        rows = np.stack([np.arange(240) % 40, scale * angle.ravel()], 1).astype(np.float32)
        return Episodes(rows, rows, np.arange(40, 241, 40), path="a.zarr", state=rows)

    assert doubts([episodes(turning), episodes(turning)], False) == []
    lines = doubts([episodes(wrapped), episodes(turning)], False, ["state"])
    assert [line.split(" jumps")[0] for line in lines] == [
        f"warning: store a.zarr: {name} [1]" for name in ("agent_pos", "action", "state")
    ]
    assert all(label in line and "numpy.unwrap" in line for line in lines)


def turning(flips: bool, scalar_first: bool = False) -> np.ndarray:
    """(240, 8): a position, a quaternion of one turn about any axis, a gripper; six episodes."""
    axes = np.random.default_rng(0).normal(size=(6, 1, 3))
    axes /= np.linalg.norm(axes, axis=2, keepdims=True)
    half = np.linspace(0, 2 * np.pi, 40)[:, None] / 2 * np.ones((6, 1, 1))
    real, imaginary = np.cos(half), np.sin(half) * axes
    quat = np.concatenate([real, imaginary] if scalar_first else [imaginary, real], 2)
    if flips:  # as of a robot that keeps w positive
        quat = np.where(real < 0, -quat, quat)
    rest = np.random.default_rng(1).normal(size=(240, 4)).cumsum(0)
    return np.concatenate([rest[:, :3], quat.reshape(240, 4), rest[:, 3:]], 1).astype(np.float32)


@pytest.mark.parametrize("scalar_first", [False, True])
def test_quaternions_whose_sign_flips_are_told(scalar_first):
    def episodes(rows: np.ndarray) -> Episodes:
        return Episodes(rows, rows[:, :3], np.arange(40, 241, 40), path="a.zarr")

    whole, broken = (episodes(turning(flips, scalar_first)) for flips in (False, True))
    assert doubts([whole, whole], False) == []
    (line,) = doubts([whole, broken], False)
    assert line.startswith(
        "warning: store a.zarr: agent_pos [3, 4, 5, 6] flips its sign 6×, first at frame 20"
    )
    assert "quat_xyzw(NAME)" in line
    how = f"quat_{'wxyz' if scalar_first else 'xyzw'}"  # what is suggested mends it
    smooth = TRANSFORMS[how].forward(broken.agent_pos[:, 3:7].astype(np.float64))
    assert np.abs(np.delete(np.diff(smooth, axis=0), np.arange(39, 239, 40), 0)).max() < 0.2
    units = np.eye(4, dtype=np.float32)[np.random.default_rng(0).integers(0, 4, 240)]
    assert doubts([episodes(units), whole], False) == [], "unit norm, and no sign"


def test_another_scene_than_every_stores_is_told():
    world = MazeWorlds(MazeSpec(seed=1))
    rollouts = Rollouts({"maze": world}, trials=1)
    policy, shown = (
        DiffusionPolicy(None, partial(ConditionalMLP, width=8, blocks=1), agent_pos_dim=n, n_image_steps=0)
        for n in (4, 2)
    )
    same, other = ({"maze": asdict(MazeSpec(seed=seed))} for seed in (1, 2))
    for stores in ({}, {"a.zarr": same, "b.zarr": other}, {"a.zarr": {"rate_hz": 10}}):
        assert rollouts.try_worlds(policy, None, stores) == []
    (line,) = rollouts.try_worlds(policy, None, {"a.zarr": other, "b.zarr": {}})
    assert line.startswith("warning: world 'maze': maze is {'seed': 1}, but {'seed': 2} in store a.zarr")
    pushing = Rollouts({"real": Gap(physics=1.0)}, size=16)
    assert pushing.try_worlds(shown, None, {"a.zarr": {"goal": GOAL.tolist()}}) == []
    assert "goal is [256.0" in pushing.try_worlds(shown, None, {"a.zarr": {"goal": [0, 0, 0]}})[0]


def test_a_jump_of_a_period_that_is_no_angle_is_not_told():
    rng = np.random.default_rng(0)
    rows = rng.uniform(0, 512, (240, 2)).astype(np.float32)
    rows[100:, 0] += 360
    episodes = Episodes(rows, rows, np.array([240]), path="a.zarr")
    assert doubts([episodes, episodes], False) == []


@pytest.mark.parametrize(("knob", "value"), [("noise", float("nan")), ("zoom", 99), ("table", "red")])
def test_a_world_that_cannot_be_drawn_is_refused_with_the_store(knob, value):
    """It would be met after training, where states are rendered in both worlds."""
    store = walk("there.zarr")
    store.attrs["world"] = asdict(Gap().world())
    check_world(store)
    store.attrs["world"]["look"][knob] = value
    with pytest.raises(InputError, match=rf"store there.zarr: attribute world: Look.{knob}="):
        check_world(store)
