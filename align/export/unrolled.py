"""A policy as one function of tensors: encoder, crop, normaliser and all sampling steps, with no state."""

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn

from align.diffusion.schedule import NoiseSchedule
from align.domain import Domain
from align.errors import InputError
from align.policy import DiffusionPolicy


class _UnrolledDDIM(nn.Module):
    """DDIM (Song et al. 2021, arXiv 2010.02502, η = 0) with its levels as plain numbers; samples as
    `NoiseSchedule` does, which asks diffusers for them at every step."""

    def __init__(self, schedule: NoiseSchedule):
        super().__init__()
        self.clean, self.clip, self.steps = schedule.clean, schedule.clip, schedule.ddim_steps()

    def sample(
        self,
        denoise: Callable[[Tensor, Tensor], Tensor],
        noise: Tensor,
        generator: None = None,
        bounds: tuple[Tensor, Tensor] | None = None,
    ) -> Tensor:
        """See `NoiseSchedule.sample`."""
        x = noise
        for step, signal, following in self.steps:
            x0 = self.clean(denoise(x, torch.full((x.shape[0],), step, device=x.device)), x, step)
            if self.clip == "data" and bounds is not None:
                x0 = torch.minimum(torch.maximum(x0, bounds[0]), bounds[1])
            elif self.clip not in ("data", None):
                x0 = x0.clamp(-self.clip, self.clip)
            direction = (x - signal**0.5 * x0) / (1 - signal) ** 0.5
            x = following**0.5 * x0 + (1 - following) ** 0.5 * direction
        return x


def check_sampler(policy: DiffusionPolicy) -> None:
    """Refuse a policy that draws noise while it samples, which an exported one does not.

    Raises:
        InputError: It samples with DDPM.
    """
    if policy.schedule.sampler != "ddim":
        raise InputError(
            f"sampler={policy.schedule.sampler!r}: draws noise at every step; expected a policy that "
            "samples with 'ddim' (model.policy.schedule.init_args.sampler)"
        )


class UnrolledPolicy(nn.Module):
    """What `DiffusionPolicy.act` does, for one observation.

    It is called with an image of each camera (1, Ti, C, H, W) uint8, agent_pos (1, To, P) and noise
    (1, H, A), in the order of `inputs`, and returns actions (1, n_action_steps, A); positions and actions
    are as the domain's store writes them.

    Args:
        policy: The policy.
        domain: Where it acts, for a policy with domain conditioning.

    Raises:
        InputError: It samples with DDPM, which draws noise on the way.
    """

    def __init__(self, policy: DiffusionPolicy, domain: Domain = Domain.REAL):
        super().__init__()
        check_sampler(policy)
        self.policy = copy.deepcopy(policy).eval().requires_grad_(False)
        self.policy.schedule = _UnrolledDDIM(policy.schedule)
        self.agent_pos, self.action = (policy.written(name, domain) for name in ("agent_pos", "action"))
        self.inputs = (*policy.cameras, "agent_pos", "noise")
        self.domain = domain

    def forward(self, *inputs: Tensor) -> Tensor:
        observation = dict(zip(self.inputs, inputs, strict=True))
        agent_pos, noise = observation["agent_pos"], observation["noise"]
        told = torch.full((noise.shape[0],), int(self.domain))
        agent_pos = self.agent_pos.see(agent_pos)
        features = self.policy.encode(observation, agent_pos, domain=told)
        actions = self.policy.sample(features, agent_pos, noise)
        first = self.policy.n_obs_steps - 1
        return self.action.restore(actions[:, first : first + self.policy.n_action_steps])
