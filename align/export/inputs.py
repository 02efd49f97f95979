"""What an exported policy is tried with."""

import torch
from torch import Tensor

from align.domain import Domain
from align.errors import InputError
from align.policy import DiffusionPolicy

_TRIES = 3


def sample_inputs(policy: DiffusionPolicy, domain: Domain = Domain.REAL) -> list[dict[str, Tensor]]:
    """Some observations that a policy may see in a domain, each a batch of one, with noise.

    Raises:
        InputError: It does not know the size of its images.
    """
    shapes = policy.expected_images()
    if missing := [camera for camera in policy.cameras if camera not in shapes]:
        raise InputError(
            f"{missing[0]}: the policy was saved before it knew the size of its images; train it anew"
        )
    return [_inputs(policy, seed, domain) for seed in range(_TRIES)]


def _inputs(policy: DiffusionPolicy, seed: int, domain: Domain) -> dict[str, Tensor]:
    """Inputs of a batch of one: any images, positions of the size of the training's, noise."""
    shapes = policy.expected_images()
    generator = torch.Generator().manual_seed(seed)
    found = {
        camera: torch.randint(
            0, 256, (1, policy.n_image_steps, *shapes[camera]), generator=generator, dtype=torch.uint8
        )
        for camera in policy.cameras
    }
    normalizer, shape = policy.normalizer, (1, policy.n_obs_steps, policy.agent_pos_dim)
    within = 2 * torch.rand(shape, generator=generator) - 1
    seen = normalizer.agent_pos_centre + within * normalizer.agent_pos_half
    found["agent_pos"] = policy.written("agent_pos", domain).restore(seen)
    found["noise"] = torch.randn(1, policy.horizon, policy.action_dim, generator=generator)
    return found
