"""A policy whose keys wrote rotations and angles without jumps takes and gives them as the store has them."""

import json

import numpy as np
import pytest
import torch

from align.cli import main
from align.data.episodes import write_store
from align.data.rotations import restore
from align.domain import Domain
from align.errors import InputError
from align.policy import DiffusionPolicy
from align.robot import PolicyRunner
from align.seeding import numpy_rng, torch_generator

KEY = "pose[:3] + quat_xyzw(pose[3:7]) + radians(pose[7:8]) + pose[8:9]"


def _arm(rng, length=24):
    """Poses that turn and return: position, quaternion, an angle that wraps, a gripper; (T, 9)."""
    phase = np.linspace(0, 2 * np.pi, length + 1)[:, None] + rng.uniform(0, 6)
    axis = rng.normal(size=3)
    axis /= np.linalg.norm(axis)
    half = 0.4 * np.sin(phase)
    turn = np.concatenate([axis * np.sin(half), np.cos(half)], axis=1)
    angle = (3 * phase + np.pi) % (2 * np.pi) - np.pi
    pose = np.concatenate([np.sin(phase + np.arange(3)), turn, angle, np.sign(np.sin(phase))], axis=1)
    return {"pose": pose[:-1].astype(np.float32), "action": pose[1:].astype(np.float32)}


@pytest.fixture
def trained(tmp_path, write_config):
    """A run whose real actions are quaternions and whose sim ones were axes times angles."""
    for name, seed in (("sim", 0), ("real", 1)):
        episodes = [_arm(numpy_rng(seed, "arm", n)) for n in range(6)]
        if name == "sim":
            for episode in episodes:
                for key, x in list(episode.items()):
                    turns = restore("axis_angle", _six(x[:, 3:7]))
                    episode[key] = np.concatenate([x[:, :3], turns, x[:, 7:]], axis=1)
        write_store(tmp_path / f"arm-{name}.zarr", episodes, {"domain": name})
    keys = {"real": KEY, "sim": "pose[:3] + axis_angle(pose[3:6]) + radians(pose[6:7]) + pose[7:8]"}
    options = {f"data.{n}": str(tmp_path / f"arm-{n}.zarr") for n in keys}
    options |= {
        f"data.{n}_keys": {"agent_pos": k, "action": k.replace("pose", "action")} for n, k in keys.items()
    }
    options |= {"model.policy.n_image_steps": 0, "model.policy.encoder": None, "model.site": "denoiser"}
    options |= {"model.policy.action_dim": 12, "model.policy.agent_pos_dim": 12, "trainer.max_steps": 4}
    assert main(["fit", "--config", write_config(**options)]) == 0
    return tmp_path / "run"


def _six(q):
    from align.data.rotations import TRANSFORMS

    return TRANSFORMS["quat_xyzw"].forward(q.astype(np.float64))


def _seen(pose):
    """Written out: (..., 9) as stored to (..., 12) as the policy sees it."""
    flat = pose.reshape(-1, 9).astype(np.float64)
    parts = [flat[:, :3], _six(flat[:, 3:7]), np.sin(flat[:, 7:8]), np.cos(flat[:, 7:8]), flat[:, 8:]]
    return np.concatenate(parts, axis=1).reshape(*pose.shape[:-1], 12)


def _stored(seen):
    flat = seen.reshape(-1, 12)
    parts = [flat[:, :3], restore("quat_xyzw", flat[:, 3:9]), restore("radians", flat[:, 9:11]), flat[:, 11:]]
    return np.concatenate(parts, axis=1).reshape(*seen.shape[:-1], 9)


def test_a_robot_sees_and_does_as_the_demonstrations(trained):
    policy = DiffusionPolicy.from_checkpoint(trained)
    pose = _arm(numpy_rng(5, "arm"))["pose"]
    agent_pos = torch.from_numpy(pose[None, :2])
    noise = torch.randn(1, policy.horizon, 12, generator=torch_generator(0, "noise"))
    seen = torch.from_numpy(_seen(pose[None, :2])).float()
    by_hand = policy.act({"agent_pos": seen}, noise, as_stored=False).double().numpy()
    actions = policy.act({"agent_pos": agent_pos}, noise).numpy()
    assert actions.shape == (1, policy.n_action_steps, 9)
    np.testing.assert_allclose(actions, _stored(by_hand), atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(actions[..., 3:7], axis=-1), 1, atol=1e-5)
    assert np.abs(by_hand[..., 3:6]).max() > 1e-3 and not np.allclose(by_hand, _seen(_stored(by_hand)))
    assert policy.written("action", Domain.SIM).size == 8, "sim's own are axes times angles"

    runner = PolicyRunner(policy)
    runner.reset(3)
    first = runner.select_action({"agent_pos": pose[0]})
    noise = torch.randn(policy.horizon, 12, generator=torch_generator(3, "rollout", 0))[None]
    twice = torch.from_numpy(np.stack([pose[0], pose[0]])[None])
    np.testing.assert_allclose(first, policy.act({"agent_pos": twice}, noise)[0, 0].numpy(), atol=1e-6)
    for wrong, message in (
        (pose[0, :8], r"agent_pos has shape \(1, 8\).*expected numbers of shape \(1, 9\)"),
        (pose[0] * 1.2, r"agent_pos \[3:7\] is no rotation, of quat_xyzw"),
    ):
        runner.reset(3)
        with pytest.raises(InputError, match=message):
            runner.select_action({"agent_pos": wrong})


def test_what_is_exported_does_so_too(trained, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    assert main(["export", str(trained), str(tmp_path / "out")]) == 0
    manifest = json.loads((tmp_path / "out/manifest.json").read_text())
    assert manifest["inputs"]["agent_pos"]["shape"] == [1, 2, 9]
    assert manifest["action_dim"] == manifest["outputs"]["actions"]["shape"][2] == 9
    assert manifest["representation"]["action"] == [
        {"form": "as stored", "columns": [0, 3]},
        {"form": "quat_xyzw", "columns": [3, 7]},
        {"form": "radians", "columns": [7, 8]},
        {"form": "as stored", "columns": [8, 9]},
    ]
    assert main(["export", str(trained), str(tmp_path / "lerobot"), "--format", "lerobot"]) == 0
    config = json.loads((tmp_path / "lerobot/config.json").read_text())
    assert config["input_features"]["observation.state"]["shape"] == [9]
    assert config["output_features"]["action"]["shape"] == [9]
    policy = DiffusionPolicy.from_checkpoint(trained)
    pose = _arm(numpy_rng(5, "arm"))["pose"][None, 3:5]
    noise = torch.randn(1, policy.horizon, 12, generator=torch_generator(0, "noise"))
    session = onnxruntime.InferenceSession(tmp_path / "out/policy.onnx", providers=["CPUExecutionProvider"])
    (found,) = session.run(["actions"], {"agent_pos": pose, "noise": noise.numpy()})
    np.testing.assert_allclose(found, policy.act({"agent_pos": torch.from_numpy(pose)}, noise), atol=1e-4)


def test_a_policy_from_before_it_knew_acts_as_it_did(trained, tmp_path):
    path = trained / "checkpoints/last.ckpt"
    checkpoint = torch.load(path, weights_only=True)
    for key in [k for k in checkpoint["state_dict"] if k.endswith("_forms")]:
        del checkpoint["state_dict"][key]
    torch.save(checkpoint, tmp_path / "old.ckpt")
    old, new = (DiffusionPolicy.from_checkpoint(p) for p in (tmp_path / "old.ckpt", path))
    seen = torch.from_numpy(_seen(_arm(numpy_rng(5, "arm"))["pose"][None, :2])).float()
    noise = torch.zeros(1, old.horizon, 12)
    expected = new.act({"agent_pos": seen}, noise, as_stored=False)
    assert torch.equal(old.act({"agent_pos": seen}, noise), expected)
