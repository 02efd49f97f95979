"""Small policies to export, as different as they come."""

import numpy as np
import torch
import yaml

from align.diffusion.schedule import NoiseSchedule
from align.domain import Domain
from align.networks import CameraEncoders, ConditionalMLP, ConditionalUnet1D, ConvEncoder, ResNetEncoder
from align.policy import DiffusionPolicy

SMALL = {"width": 16, "blocks": 1}


def one_camera():
    return DiffusionPolicy(
        ConvEncoder(8, **SMALL),
        lambda a, c: ConditionalMLP(a, c, **SMALL),
        NoiseSchedule(20, inference_steps=5, prediction="sample"),
        crop=12,
        n_image_steps=1,
        relative_actions=True,
        agent_pos_dim=5,
    )


def two_cameras():
    """Of two arms: their joints relative, their grippers absolute."""
    cameras = {"top": ConvEncoder(6, **SMALL), "wrist": ConvEncoder(4, **SMALL)}
    return DiffusionPolicy(
        CameraEncoders(cameras, crops={"wrist": 12}),
        lambda a, c: ConditionalMLP(a, c, **SMALL, frequencies=2),
        NoiseSchedule(20, inference_steps=10, clip=3.0),
        action_dim=14,
        agent_pos_dim=14,
        n_obs_steps=3,
        n_action_steps=4,
        relative_actions=[*range(6), *range(7, 13)],
        domain_conditioning=True,
        guidance_weight=0.5,
    )


def blind():
    return DiffusionPolicy(
        denoiser=lambda a, c: ConditionalUnet1D(a, c, channels=(16, 32), step_features=8),
        schedule=NoiseSchedule(20, inference_steps=2, clip=None, prediction="sample", spacing="leading"),
        n_image_steps=0,
        agent_pos_dim=4,
        relative_history=True,
        relative_goal=True,
        step_scale=False,
    )


def as_published():
    """Diffusion Policy's own networks, small."""
    return DiffusionPolicy(
        ResNetEncoder(8, keypoints=4),
        lambda a, c: ConditionalUnet1D(a, c, channels=(16, 32), step_features=8),
        NoiseSchedule(20, inference_steps=4),
        action_dim=7,
        agent_pos_dim=7,
        relative_actions=[0, 1, 2],
        normalization="min_max",
    )


FORMS = {
    Domain.SIM: {
        "agent_pos": [(None, 3), ("axis_angle", 6), ("degrees", 2), (None, 1)],
        "action": [(None, 3), ("matrix", 6), ("radians", 2), (None, 1)],
    },
    Domain.REAL: {
        "agent_pos": [(None, 3), ("quat_wxyz", 6), (None, 1), ("radians", 2)],
        "action": [(None, 3), ("quat_xyzw", 6), (None, 1), ("degrees", 2)],
    },
}


def turning():
    """One whose stores write rotations and angles in ways of their own."""
    policy = DiffusionPolicy(
        denoiser=lambda a, c: ConditionalMLP(a, c, **SMALL),
        schedule=NoiseSchedule(20, inference_steps=4),
        n_image_steps=0,
        action_dim=12,
        agent_pos_dim=12,
        relative_actions=[0, 1, 2],
    )
    policy.expect_forms(FORMS)
    return policy


def positions(policy, rng, n, domain=Domain.REAL):
    """Any that a robot of the domain may tell, (n, P) float32, as its store has them."""
    seen = rng.normal(size=(n, policy.agent_pos_dim))
    return policy.written("agent_pos", domain).restore(torch.tensor(seen, dtype=torch.float32)).numpy()


def made(make):
    """A policy with the normaliser of some data, and no weight at rest."""
    torch.manual_seed(0)
    policy = make()
    for parameter in policy.denoiser.parameters():
        parameter.data += 0.05 * torch.randn_like(parameter)
    for name, buffer in policy.normalizer.named_buffers():
        if name == "relative_mask":
            continue
        buffer += 2 * torch.rand_like(buffer) if "std" in name or "half" in name else torch.rand_like(buffer)
    policy.normalizer.action_low.fill_(-1.5), policy.normalizer.action_high.fill_(1.2)
    policy.expect_images({camera: (3, 16, 20 + 4 * i) for i, camera in enumerate(policy.cameras)})
    return policy.eval().requires_grad_(False)


def saved(policy, folder, **data):
    state = {f"ema.model.{name}": value for name, value in policy.state_dict().items()}
    (folder / "checkpoints").mkdir(parents=True)
    torch.save({"policy": policy.description(), "state_dict": state}, folder / "checkpoints/last.ckpt")
    (folder / "config.yaml").write_text(yaml.safe_dump({"data": data}))
    return str(folder)


def observation(policy, seed):
    rng = np.random.default_rng(seed)
    images = {
        camera: torch.tensor(rng.integers(0, 256, (1, policy.n_image_steps, *shape), np.uint8))
        for camera, shape in policy.expected_images().items()
    }
    shape = 1, policy.n_obs_steps, policy.agent_pos_dim
    return images | {"agent_pos": torch.tensor(rng.normal(size=shape, scale=3), dtype=torch.float32)}
