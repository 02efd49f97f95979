"""Optimal transport against POT, and its gradients against finite differences."""

import numpy as np
import ot
import pytest
import torch

from align.alignment import Samples, SinkhornDivergence, UnbalancedOT
from align.alignment.transport import plan, sinkhorn, transport_cost


def _cost(n: int, m: int, dim: int = 5, shift: float = 0.5, seed: int = 0) -> torch.Tensor:
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(n, dim, generator=g, dtype=torch.float64)
    y = torch.randn(m, dim, generator=g, dtype=torch.float64) + shift
    return torch.cdist(x, y).square() / dim


@pytest.mark.parametrize("epsilon", [0.2, 1.0])
def test_balanced_plan_and_value_are_those_of_pot(epsilon):
    cost = _cost(9, 6)
    a, b = np.full(9, 1 / 9), np.full(6, 1 / 6)
    expected = ot.sinkhorn(a, b, cost.numpy(), epsilon, method="sinkhorn_log", numItermax=5000, stopThr=1e-12)
    f, g = sinkhorn(cost, epsilon, iterations=5000, tolerance=1e-12)
    found = plan(cost, f, g, epsilon)
    assert np.allclose(found, expected, atol=1e-8)
    value, error = transport_cost(cost, epsilon, 5000, 1e-12)
    entropy = float((found * (found * found.numel()).log()).sum())
    assert float(value) == pytest.approx(float((found * cost).sum()) + epsilon * entropy, abs=1e-8)
    assert float(error) < 1e-8


@pytest.mark.parametrize(("epsilon", "reg_m"), [(0.05, 0.5), (0.3, 5.0)])
def test_unbalanced_plan_is_that_of_pot(epsilon, reg_m):
    cost = _cost(7, 11, shift=1.0)
    a, b = np.full(7, 1 / 7), np.full(11, 1 / 11)
    expected = ot.unbalanced.sinkhorn_unbalanced(
        a,
        b,
        cost.numpy(),
        epsilon,
        reg_m,
        method="sinkhorn",
        reg_type="kl",
        numItermax=10000,
        stopThr=1e-13,
    )
    f, g = sinkhorn(cost, epsilon, reg_m, 10000, 1e-13)
    found = plan(cost, f, g, epsilon)
    assert np.allclose(found, expected, atol=1e-7)
    assert found.sum() < 1


def test_gradient_of_the_divergence_is_that_of_finite_differences():
    g = torch.Generator().manual_seed(0)
    x, y = (torch.randn(n, 3, generator=g, dtype=torch.float64) for n in (5, 4))

    def divergence(z: torch.Tensor) -> torch.Tensor:
        costs = [torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist").square() for a, b in
                 ((z, y), (z, z), (y, y))]  # fmt: skip
        values = [transport_cost(c, 1.0, 500, 1e-13)[0] for c in costs]
        return values[0] - 0.5 * (values[1] + values[2])

    z = x.clone().requires_grad_()
    squared = [(a[:, None] - b).square().sum(-1) for a, b in ((z, y), (z, z))]
    value = (
        transport_cost(squared[0], 1.0, 500, 1e-13)[0] - 0.5 * transport_cost(squared[1], 1.0, 500, 1e-13)[0]
    )
    (gradient,) = torch.autograd.grad(value, z)
    step = 1e-5
    for i, j in ((0, 0), (2, 1), (4, 2)):
        moved = torch.zeros_like(x)
        moved[i, j] = step
        slope = (divergence(x + moved) - divergence(x - moved)) / (2 * step)
        assert float(gradient[i, j]) == pytest.approx(float(slope), rel=1e-5, abs=1e-9)


def test_divergence_in_fp32_is_that_of_pot_at_a_few_hundred_dimensions():
    g = torch.Generator().manual_seed(0)
    x, y = 30 * torch.randn(40, 300, generator=g) + 100, 30 * torch.randn(30, 300, generator=g) + 110
    module = SinkhornDivergence(epsilon=0.05, iterations=2000, tolerance=1e-6)
    found = float(module(x, y))
    scale = float(module.logs["scale"])
    x, y = x.double().numpy(), y.double().numpy()

    def value(p: np.ndarray, q: np.ndarray) -> float:
        a, b = np.full(len(p), 1 / len(p)), np.full(len(q), 1 / len(q))
        cost = ot.dist(p, q) / scale
        pi = ot.sinkhorn(a, b, cost, 0.05, method="sinkhorn_log", numItermax=20000, stopThr=1e-12)
        return np.sum(pi * cost) + 0.05 * np.sum(pi * np.log(np.maximum(pi, 1e-300) / np.outer(a, b)))

    assert found == pytest.approx(value(x, y) - 0.5 * (value(x, x) + value(y, y)), abs=2e-4)


def test_loss_of_the_unbalanced_plan_is_pot_s_on_the_joint_cost_and_its_gradient_passes_through_the_cost():
    g = torch.Generator().manual_seed(1)
    sim = Samples(torch.randn(6, 4, generator=g), torch.randn(6, 3, generator=g))
    real = Samples(torch.randn(8, 4, generator=g) + 0.5, torch.randn(8, 3, generator=g))
    module = UnbalancedOT(
        embedding_weight=0.7, of_weight=1.3, epsilon=0.1, reg_m=0.8, iterations=5000, tolerance=1e-7
    )
    z = sim.embedding.clone().requires_grad_()
    loss = module(sim._replace(embedding=z), real)
    loss.backward()

    def scaled(x: torch.Tensor, y: torch.Tensor) -> tuple[np.ndarray, float]:
        pooled = torch.pdist(torch.cat([x, y]).double()).square().mean()
        return ot.dist(x.double().numpy(), y.double().numpy()) / float(pooled), float(pooled)

    (c_z, scale), (c_y, _) = scaled(sim.embedding, real.embedding), scaled(sim.action, real.action)
    cost = 0.7 * c_z + 1.3 * c_y
    a, b = np.full(6, 1 / 6), np.full(8, 1 / 8)
    pi = ot.unbalanced.sinkhorn_unbalanced(
        a, b, cost, 0.1, 0.8, reg_type="kl", numItermax=20000, stopThr=1e-13
    )
    assert float(loss.detach()) == pytest.approx(np.sum(pi * cost), abs=1e-4)
    x, y = sim.embedding.numpy(), real.embedding.numpy()
    pooled = np.concatenate([x, y])
    of_scale = 4 / (14 * 13) * (14 * x - pooled.sum(0))  # gradient of the mean pooled squared distance
    expected = 0.7 * (2 * (pi.sum(1)[:, None] * x - pi @ y) - np.sum(pi * c_z) * of_scale) / scale
    assert np.allclose(z.grad.numpy(), expected, atol=1e-4)


def test_similar_actions_are_matched_and_unlike_ones_stay_alone():
    """Two clusters of actions with swapped embeddings: the joint cost matches actions, not embeddings."""
    z, actions = torch.tensor([[0.0], [1.0]]), torch.tensor([[0.0], [5.0]])
    sim, real = Samples(z, actions), Samples(z.flip(0), actions)
    pull = []
    for weight in (0.0, 10.0):
        moving = z.clone().requires_grad_()
        UnbalancedOT(of_weight=weight, epsilon=0.02)(sim._replace(embedding=moving), real).backward()
        pull.append(moving.grad.squeeze())
    assert pull[0].abs().max() < 1e-3  # each has a partner of its own embedding
    assert pull[1][0] < 0 < pull[1][1] or pull[1][0] * pull[1][1] < 0  # towards the other's, in opposite ways
