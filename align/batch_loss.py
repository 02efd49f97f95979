"""The terms of a batch's loss: denoising, ordinary or gated by noise level, and what is aligned or read."""

from collections.abc import Mapping

import torch
from torch import Tensor

from align.alignment.gather import gather_domains
from align.alignment.objective import Samples
from align.diffusion.ambient import Ambient, Noised
from align.diffusion.denoising import denoising_loss, stratified_steps
from align.diffusion.schedule import NoiseSchedule
from align.domain import Domain
from align.policy import DiffusionPolicy, Features


def denoising_losses(
    policy: DiffusionPolicy,
    features: Features,
    batch: Mapping[str, Tensor],
    generator: torch.Generator,
    draws: int = 1,
    ambient: Ambient | None = None,
) -> tuple[Tensor, Tensor]:
    """How well a policy denoises the actions of a batch, given what it made of the observations.

    Args:
        policy: The policy.
        features: Of the batch's B observations.
        batch: "action" (B, H, A) and "agent_pos" (B, To, P) in the data's units. A gated one brings its
            diffusion steps and how to weigh them; see `align.data.gating.batches`.
        generator: Draws the noise and, where the batch brings none, the diffusion steps.
        draws: Noise draws a sample, k; a gated batch brings so many steps a sample.
        ambient: How a gated batch is learnt from; `None` has the ordinary loss at the steps it brings.

    Returns:
        Losses (B,), means over noise draws, and the denoiser's last hidden layer (k · B, D).
    """
    x0 = policy.normalizer.normalize_action(batch["action"], batch["agent_pos"]).repeat(draws, 1, 1)
    noise = torch.randn(x0.shape, generator=generator, device=generator.device).to(x0)
    if "diffusion_steps" in batch:
        steps, noised, weight = _gated(policy.schedule, x0, noise, batch, draws, ambient)
    else:
        steps, noised, weight = _ordinary(policy.schedule, x0, noise, draws, generator)
    prediction, hidden = policy.denoiser.features(noised.x, steps, features.condition.repeat(draws, 1))
    loss = denoising_loss(prediction, noised.target) * noised.weight * weight
    return loss.unflatten(0, (draws, -1)).mean(0), hidden


def aligned_samples(
    policy: DiffusionPolicy, layer: Tensor, batch: Mapping[str, Tensor]
) -> tuple[Samples, Samples]:
    """Sim and real samples of the global batch, each embedded as the mean over its noise draws.

    Args:
        policy: Whose normaliser brings actions and positions to one scale.
        layer: (B, D) at the aligned site, or (k · B, D) where each of k noise draws has its own.
        batch: "action" (B, H, A), "agent_pos" (B, To, P) and "domain" (B,) of this process; "n_sim", where
            there is one, as in `gather_domains`.
    """
    embedding = layer.unflatten(0, (-1, len(batch["domain"]))).mean(0)
    action = policy.normalizer.normalize_action(batch["action"], batch["agent_pos"]).flatten(1)
    agent_pos = policy.normalizer.normalize_agent_pos(batch["agent_pos"])[:, -1]
    return gather_domains(Samples(embedding, action, agent_pos), batch["domain"], batch.get("n_sim"))


def told_samples(layer: Tensor, batch: Mapping[str, Tensor]) -> Samples:
    """Sim samples of the global batch with what the simulator knows of them.

    Args:
        layer: As in `aligned_samples`.
        batch: "privileged" (B, S), "domain" (B,) and, where there is one, "n_sim" of this process.
    """
    embedding = layer.unflatten(0, (-1, len(batch["domain"]))).mean(0)
    samples = Samples(embedding, privileged=batch["privileged"])
    return gather_domains(samples, batch["domain"], batch.get("n_sim"))[Domain.SIM]


def _ordinary(
    schedule: NoiseSchedule, x0: Tensor, noise: Tensor, draws: int, generator: torch.Generator
) -> tuple[Tensor, Noised, float]:
    """Steps (k · B,) from the whole schedule, what the denoiser is shown at them, and equal weights."""
    steps = stratified_steps(len(x0) // draws, draws, schedule.train_steps, generator).to(x0.device)
    x = schedule.add_noise(x0, noise, steps)
    return steps, Noised(x, schedule.target(x0, noise), x0.new_ones(len(x0))), 1.0


def _gated(
    schedule: NoiseSchedule,
    x0: Tensor,
    noise: Tensor,
    batch: Mapping[str, Tensor],
    draws: int,
    ambient: Ambient | None,
) -> tuple[Tensor, Noised, Tensor]:
    """Steps (k · B,) that the batch brings, what the denoiser is shown at them, and the draws' weights."""
    ambient = Ambient("restricted") if ambient is None else ambient
    steps, weight = (batch[key].T.flatten() for key in ("diffusion_steps", "draw_weight"))
    fixed, sigma_min = batch["fixed_noise"].repeat(draws, 1, 1), batch["sigma_min"].repeat(draws)
    return steps, ambient.noised(schedule, x0, noise, fixed, sigma_min, steps), weight
