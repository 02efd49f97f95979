"""The losses and samples of a batch, written out by hand."""

from functools import partial

import pytest
import torch

from align.batch_loss import aligned_samples, denoising_losses
from align.diffusion.denoising import stratified_steps
from align.diffusion.schedule import NoiseSchedule
from align.domain import Domain
from align.networks import ConditionalMLP
from align.policy import DiffusionPolicy, Features

DRAWS = 3


@pytest.fixture(params=["epsilon", "sample"])
def policy(request) -> DiffusionPolicy:
    """A policy without images, whose denoiser and normaliser do something."""
    torch.manual_seed(0)
    policy = DiffusionPolicy(
        denoiser=partial(ConditionalMLP, horizon=8, width=16, blocks=1),
        schedule=NoiseSchedule(prediction=request.param),
        n_image_steps=0,
        horizon=8,
        n_action_steps=4,
    )
    torch.nn.init.normal_(policy.denoiser.out.weight)
    policy.normalizer.action_mean += 0.5
    return policy


@pytest.fixture
def batch() -> dict[str, torch.Tensor]:
    g = torch.Generator().manual_seed(1)
    action, agent_pos = torch.randn(5, 8, 2, generator=g), torch.randn(5, 2, 2, generator=g)
    return {"action": action, "agent_pos": agent_pos, "domain": torch.tensor([0, 1, 0, 0, 1])}


def _encoded(policy: DiffusionPolicy, batch: dict[str, torch.Tensor]) -> Features:
    return policy.encode(None, batch["agent_pos"])


def _drawn() -> tuple[torch.Tensor, torch.Tensor]:
    """The noise (draws, 5, 8, 2) and the steps (draws, 5) of the generator of seed 2."""
    g = torch.Generator().manual_seed(2)
    noise = torch.randn(DRAWS * 5, 8, 2, generator=g)
    return noise.view(DRAWS, 5, 8, 2), stratified_steps(5, DRAWS, 100, g).view(DRAWS, 5)


def test_ordinary_losses_are_means_over_draws_of_each_samples_own(policy, batch):
    features = _encoded(policy, batch)
    losses, hidden = denoising_losses(policy, features, batch, torch.Generator().manual_seed(2), DRAWS)
    (noise, steps), schedule = _drawn(), policy.schedule
    for b in range(5):
        x0 = (batch["action"][b] - policy.normalizer.action_mean) / policy.normalizer.action_std
        errors = []
        for k in range(DRAWS):
            signal = schedule.alphas_cumprod[steps[k, b]]
            x = signal.sqrt() * x0 + (1 - signal).sqrt() * noise[k, b]
            target = noise[k, b] if schedule.prediction == "epsilon" else x0
            condition = features.condition[b : b + 1]
            prediction, layer = policy.denoiser.features(x[None], steps[k, b : b + 1], condition)
            errors.append(float((prediction[0] - target).square().mean().detach()))
            torch.testing.assert_close(hidden[5 * k + b], layer[0])
        assert float(losses[b].detach()) == pytest.approx(sum(errors) / DRAWS, rel=1e-5)


def test_a_gated_batch_of_the_same_steps_and_even_weights_has_the_ordinary_losses(policy, batch):
    """Where every window is trusted at all levels, gating is nothing but the choice of steps."""
    features = _encoded(policy, batch)
    gating = {
        "diffusion_steps": _drawn()[1].T,
        "draw_weight": torch.ones(5, DRAWS),
        "fixed_noise": torch.full((5, 8, 2), float("nan")),  # restricted denoising has no use for it
        "sigma_min": torch.zeros(5),
    }
    ordinary, gated, heavier = (
        denoising_losses(policy, features, {**batch, **more}, torch.Generator().manual_seed(2), DRAWS)[0]
        for more in (
            {},
            gating,
            gating | {"draw_weight": torch.tensor([[3.0], [1], [1], [1], [1]]).expand(5, 3)},
        )
    )
    assert torch.equal(ordinary, gated)
    torch.testing.assert_close(heavier, ordinary * torch.tensor([3.0, 1, 1, 1, 1]))


def test_samples_are_told_apart_and_embedded_as_means_over_draws(policy, batch):
    layer = torch.randn(DRAWS * 5, 4, generator=torch.Generator().manual_seed(3))
    found = dict(zip(Domain, aligned_samples(policy, layer, batch), strict=True))
    for domain, rows in ((Domain.SIM, (0, 2, 3)), (Domain.REAL, (1, 4))):
        assert found[domain].n == len(rows)
        for i, b in enumerate(rows):
            torch.testing.assert_close(found[domain].embedding[i], layer[b::5].mean(0))
            x0 = (batch["action"][b] - policy.normalizer.action_mean) / policy.normalizer.action_std
            torch.testing.assert_close(found[domain].action[i], x0.flatten())
            agent_pos = policy.normalizer.normalize_agent_pos(batch["agent_pos"][b : b + 1])
            torch.testing.assert_close(found[domain].agent_pos[i], agent_pos[0, -1])
