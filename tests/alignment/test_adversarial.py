"""DANN and ADDA against games written by hand, their gradients, and what they do to a toy."""

import pytest
import torch
from objectives import make_samples
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy

from align.alignment import ADDA, DANN, Samples
from align.alignment.adversarial import reverse_gradient


def _built(kind, **arguments):
    torch.manual_seed(0)
    objective = kind(widths=(8,), **arguments)
    objective.build(5)
    return objective


def _loss(discriminator: nn.Module, sim: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
    """Balanced cross-entropy as one would write it."""
    logits = [discriminator(z).squeeze(-1) for z in (sim, real)]
    return 0.5 * sum(cross_entropy(x, torch.full_like(x, y)) for x, y in zip(logits, (0.0, 1.0), strict=True))


def test_reversed_gradient():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    (reverse_gradient(x, 0.3) * torch.tensor([2.0, 5.0])).sum().backward()
    assert torch.allclose(x.grad, torch.tensor([-0.6, -1.5]))


def test_dann_lowers_the_classifiers_loss_and_raises_it_for_the_embedding():
    dann = _built(DANN, ramp=0)
    sim, real = make_samples(6, 0), make_samples(4, 1, shift=0.5)
    z = sim.embedding.clone().requires_grad_()
    value = dann(Samples(z), real)
    weight = dann.discriminator[0].weight
    reversed_z, own = torch.autograd.grad(value, (z, weight))
    plain = sim.embedding.clone().requires_grad_()
    expected = _loss(dann.discriminator, plain, real.embedding)
    expected_z, expected_own = torch.autograd.grad(expected, (plain, weight))
    assert float(value.detach()) == pytest.approx(float(expected.detach()), abs=1e-6)
    assert torch.allclose(reversed_z, -expected_z, atol=1e-7) and torch.allclose(own, expected_own, atol=1e-7)


def test_reversal_ramps_up_with_the_steps_of_training_alone():
    dann = _built(DANN, ramp=10)
    sim, real = make_samples(4, 0), make_samples(4, 1)
    seen = []
    for _ in range(12):
        seen.append(dann.strength)
        dann(sim, real)
    assert seen[0] == 0 and seen == sorted(seen) and seen[-1] == pytest.approx(2 / (1 + 2.718281828**-10) - 1)
    dann.eval()
    dann(sim, real)
    assert int(dann.calls) == 12


def test_adda_takes_turns():
    """Steps of the classifier's Adam on detached embeddings, then the encoder's loss with labels swapped."""
    adda = _built(ADDA, learning_rate=0.01, discriminator_steps=2, gradient_penalty=0.3)
    by_hand = _built(ADDA).discriminator
    by_hand.requires_grad_(True)
    optimizer = torch.optim.Adam(by_hand.parameters(), 0.01, betas=(0.5, 0.999))
    sim, real = make_samples(6, 0), make_samples(4, 1, shift=0.5)
    adda.update(sim, real)
    for _ in range(2):
        z = [x.embedding.clone().requires_grad_() for x in (sim, real)]
        slopes = torch.autograd.grad(sum(by_hand(x).sum() for x in z), z, create_graph=True)
        penalty = sum(0.5 * s.square().sum(1).mean() for s in slopes) / 2
        optimizer.zero_grad()
        (_loss(by_hand, *z) + 0.3 * penalty).backward()
        optimizer.step()
    for ours, theirs in zip(adda.discriminator.parameters(), by_hand.parameters(), strict=True):
        assert torch.allclose(ours, theirs, atol=1e-6) and not ours.requires_grad and ours.grad is None
    z = sim.embedding.clone().requires_grad_()
    value = adda(Samples(z), real)
    swapped = _loss(by_hand, real.embedding, z)  # each with the other's label
    assert float(value.detach()) == pytest.approx(float(swapped.detach()), abs=1e-5)
    ours, theirs = torch.autograd.grad(value, z)[0], torch.autograd.grad(swapped, z)[0]
    assert torch.allclose(ours, theirs, atol=1e-6) and ours.abs().max() > 1e-4


@pytest.mark.parametrize("moved", ["sim", "real"])
def test_adda_moves_one_domain_if_asked(moved):
    z = {name: make_samples(5, i).embedding.requires_grad_() for i, name in enumerate(("sim", "real"))}
    _built(ADDA, moved=moved)(Samples(z["sim"]), Samples(z["real"])).backward()
    (other,) = {"sim", "real"} - {moved}
    assert z[moved].grad.abs().max() > 1e-4 and z[other].grad is None


def test_adda_is_out_of_sight_of_the_main_optimiser():
    assert not [p for p in _built(ADDA).parameters() if p.requires_grad]
    assert [p for p in _built(DANN).parameters() if p.requires_grad]


def test_spectral_norm_bounds_every_layer():
    torch.manual_seed(0)
    dann = DANN(spectral_norm=True)
    dann.build(5)
    for _ in range(50):
        dann(make_samples(4, 0), make_samples(4, 1))
    for layer in dann.discriminator:
        if hasattr(layer, "weight"):
            assert torch.linalg.matrix_norm(layer.weight.detach(), 2) == pytest.approx(1.0, rel=1e-2)


def test_signs_of_collapse():
    """A classifier that is always right is called saturated after its average has filled; embeddings in a
    point are called collapsed."""
    adda = _built(ADDA, learning_rate=0.05)
    far = make_samples(20, 0), make_samples(20, 1, shift=8.0)
    flags = []
    for _ in range(600):
        adda.update(*far)
        adda(*far)
        flags.append(float(adda.logs["discriminator_saturated"]))
    assert flags[0] == 0 and flags[-1] == 1 and float(adda.logs["discriminator_accuracy"]) == 1
    assert float(adda.logs["embedding_collapsed"]) == 0
    adda(*(Samples(0.01 * x.embedding) for x in far))
    assert float(adda.logs["embedding_collapsed"]) == 1


@pytest.mark.parametrize("kind", [DANN, ADDA])
def test_an_encoder_forgets_a_shift_that_it_need_not_keep(kind):
    """Two features, the domain in the second: the encoder drops it and keeps the first."""
    torch.manual_seed(0)
    arguments = {"ramp": 200} if kind is DANN else {"learning_rate": 1e-2}
    objective = kind(widths=(16,), **arguments)
    objective.build(2)
    encoder, head = nn.Linear(2, 2), nn.Linear(2, 1)
    groups = [{"params": [*encoder.parameters(), *head.parameters()]}]
    groups += [{"params": [p for p in objective.parameters() if p.requires_grad]}]
    optimizer = torch.optim.Adam(groups, 3e-3, betas=(0.5, 0.999))
    g = torch.Generator().manual_seed(1)

    def batch(n):
        sim, real = torch.randn(n, 2, generator=g), torch.randn(n, 2, generator=g)
        return sim, real + torch.tensor([0.0, 3.0])

    gaps, errors = [], []
    for _ in range(800):
        sim, real = batch(64)
        z = [Samples(encoder(x)) for x in (sim, real)]
        objective.update(*(x.each(torch.Tensor.detach) for x in z))
        task = sum(
            (head(x.embedding).squeeze(-1) - y[:, 0]).square().mean()
            for x, y in zip(z, (sim, real), strict=True)
        )
        errors.append(float(task.detach()))
        optimizer.zero_grad()
        (task + objective(*z)).backward()
        optimizer.step()
        shift = z[0].embedding.mean(0) - z[1].embedding.mean(0)
        gaps.append(float((shift.norm() / torch.cat([x.embedding for x in z]).std(0).norm()).detach()))
    assert gaps[0] > 0.8 and sum(gaps[-200:]) / 200 < 0.4  # the game circles: judged on average
    assert sum(errors[-200:]) / 200 < 0.3
