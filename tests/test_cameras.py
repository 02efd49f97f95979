"""Policies of several cameras: what they see, where their features lie, and a run from two formats."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from align.checkpoints.description import build, describe, fresh
from align.cli import main
from align.errors import InputError
from align.networks import CameraEncoders, ConditionalMLP, ConvEncoder
from align.policy import DiffusionPolicy
from align.sites import embed, own_sites

sys.path.insert(0, str(Path(__file__).parent / "data" / "readers"))
from writing import demonstrations, write_lerobot_v3, write_robomimic

SHAPES = {"top": (3, 24, 32), "wrist": (3, 16, 16), "left": (3, 16, 16)}


def encoders(**arguments):
    small = {"width": 16, "blocks": 1}
    cameras = {"top": ConvEncoder(6, **small), "wrist": ConvEncoder(4, **small)}
    return CameraEncoders(cameras, share={"left": "wrist"}, **arguments)


def policy(**arguments):
    torch.manual_seed(0)
    return DiffusionPolicy(
        encoders(**arguments), lambda a, c: ConditionalMLP(a, c, width=16, blocks=1), n_image_steps=2
    )


def batch(n=3):
    generator = torch.Generator().manual_seed(1)
    images = {
        f"image.{name}": torch.randint(0, 255, (n, 2, *shape), generator=generator, dtype=torch.uint8)
        for name, shape in SHAPES.items()
    }
    actions = torch.randn(n, 16, 2, generator=generator)
    return images | {"agent_pos": torch.randn(n, 2, 2, generator=generator), "action": actions}


def test_features_stand_side_by_side_and_are_sites():
    own, seen = policy(), batch()
    assert own.cameras == ("image.top", "image.wrist", "image.left") and own.image_dim == 2 * (6 + 4 + 4)
    features = own.encode(seen, seen["agent_pos"])
    assert features.observation.shape[1] == own.observation_dim == own.image_dim + 4
    for camera, part in own.image_sites.items():
        encoder = own.encoder.of(camera.removeprefix("image."))
        alone = encoder(seen[camera].flatten(0, 1).float() / 127.5 - 1).unflatten(0, (3, 2)).flatten(1)
        torch.testing.assert_close(features.image[:, part], alone)
    assert own.encoder.of("left") is own.encoder.of("wrist")
    assert own_sites(own) == ("image", *own.cameras, "observation", "denoiser")
    found = embed(own, seen, None, torch.Generator().manual_seed(0))
    sizes = own.site_sizes()
    assert {name: z.shape[1] for name, z in found.items()} == sizes
    torch.testing.assert_close(found["image.wrist"], found["image"][:, own.image_sites["image.wrist"]])


def test_each_camera_has_its_crop_and_its_shape():
    own, seen = policy(crops={"top": 20, "wrist": 12}), batch()
    cropped = own.encode(seen, seen["agent_pos"]).image
    by_hand = {
        **seen,
        "image.top": seen["image.top"][..., 2:22, 6:26],
        "image.wrist": seen["image.wrist"][..., 2:14, 2:14],
    }
    own.encoder.crops.clear()
    torch.testing.assert_close(cropped, own.encode(by_hand, seen["agent_pos"]).image)
    own.expect_images({camera: seen[camera].shape[2:] for camera in own.cameras})
    own.check_observation(seen)
    for change, message in (
        (
            {"image.top": seen["image.top"][..., :24]},
            r"image.top is \(B, 2, 3, 24, 24\); expected \(B, 2, 3, 24, 32\)",
        ),
        ({"image.left": seen["image.left"].float()}, "image.left is torch.float32; expected uint8"),
    ):
        with pytest.raises(InputError, match=message):
            own.check_observation({**seen, **change})
    del seen["image.wrist"]
    with pytest.raises(InputError, match=r"expected 'image.wrist'"):
        own.check_observation(seen)


def test_a_checkpoint_describes_them():
    torch.manual_seed(0)
    own = encoders(crops={"top": 20})
    again = build(json.loads(json.dumps(describe(own))))
    again.load_state_dict(own.state_dict())
    images = {name: torch.rand(1, *shape) for name, shape in SHAPES.items()}
    assert all(torch.equal(a, again(images)[name]) for name, a in own(images).items())
    assert again.crops == {"top": 20} and again.of("left") is again.of("wrist")
    assert not torch.equal(fresh(own).of("top").head.weight, own.of("top").head.weight)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"cameras": {}}, "cameras: none"),
        ({"cameras": {"a.b": ConvEncoder()}}, "'a.b': expected a name without a dot"),
        ({"cameras": {"a": torch.nn.Linear(1, 1)}}, "cameras: a: needs an integer attribute 'features'"),
        ({"cameras": {"a": ConvEncoder()}, "share": {"b": "c"}}, "share: {b: c}; expected a camera without"),
        ({"cameras": {"a": ConvEncoder()}, "crops": {"b": 3}}, "crops: 'b'; expected one of a"),
    ],
)
def test_wrong_cameras(arguments, message):
    with pytest.raises(InputError, match=message):
        CameraEncoders(**arguments)


def test_a_run_on_two_cameras_of_two_formats(tmp_path, write_config, capsys):
    """A 7-DoF arm with a gripper: sim in robomimic HDF5, real in LeRobot v3 with video."""
    lengths = [20] * 9
    write_robomimic(tmp_path / "sim.hdf5", demonstrations(9, lengths), rate=30)
    write_lerobot_v3(tmp_path / "real", demonstrations(9, lengths))
    arguments = {"features": 8, "width": 16, "blocks": 1}
    small = {"class_path": "align.networks.ConvEncoder", "init_args": arguments}
    encoder = {
        "class_path": "align.networks.CameraEncoders",
        "init_args": {"cameras": {"top": small, "wrist": small}, "crops": {"wrist": 20}},
    }
    config = write_config(
        **{
            "data.sim": str(tmp_path / "sim.hdf5"),
            "data.real": str(tmp_path / "real"),
            "data.sim_keys": {"image.top": "agentview_image", "image.wrist": "robot0_eye_in_hand_image"},
            "data.image_size": [24, 24],
            "data.validation": 4,
            "data.image_fit": "crop",
            "model.policy.encoder": encoder,
            "model.policy.action_dim": 8,
            "model.policy.agent_pos_dim": 8,
            "model.site": "image.wrist",
            "model.alignment_weight": 1.0,
        }
    )
    status = main(["fit", "--config", config])
    assert status == 0, capsys.readouterr().err
    run = tmp_path / "run"
    assert main(["probe", str(run)]) == 0
    sites = json.loads((run / "probe.json").read_text())["sites"]
    assert {"image", "image.top", "image.wrist", "observation", "denoiser"} <= set(sites)
    codecs = json.loads((run / "probe.json").read_text())["codecs"]
    assert codecs == {"sim": [], "real": ["image.wrist: h264 (yuv420p, GOP 4, CRF 4)"]}
    assert f"{run}: warning: The images' codecs differ" in capsys.readouterr().out
    policy = DiffusionPolicy.from_checkpoint(run)
    assert policy.expected_images() == {"image.top": (3, 24, 24), "image.wrist": (3, 24, 24)}
    observation = {camera: torch.zeros(1, 2, 3, 24, 24, dtype=torch.uint8) for camera in policy.cameras}
    actions = policy.act({**observation, "agent_pos": torch.zeros(1, 2, 8)}, torch.zeros(1, 16, 8))
    assert actions.shape == (1, 8, 8) and np.isfinite(actions.numpy()).all()
    assert main(["rollout", str(run)]) == 2
    out = capsys.readouterr()
    assert "expected image.top for this policy" in out.err
