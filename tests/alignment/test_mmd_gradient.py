"""The closed form of MMD² and its gradient against autograd on the kernel matrices."""

import pytest
import torch

from align.alignment import MMD, JointMMD, Samples
from align.alignment.mmd import bandwidth_from_distances, mmd2_from_kernel, squared_distances
from align.alignment.mmd_gradient import pair_distances, rbf_mmd2

MULTIPLIERS = [(1.0,), (0.25, 0.5, 1.0, 2.0, 4.0), (0.3, 1.0, 8.0), (2.0, 2.0, 0.5)]


def _samples(n, m, shift, dtype=torch.float64):
    g = torch.Generator().manual_seed(0)
    x, y = (torch.randn(k, 6, generator=g, dtype=torch.float64) for k in (n, m))
    return x.to(dtype), (y + shift).to(dtype)


def _kernels(x, y, sigma2, multipliers):
    return [
        torch.stack([torch.exp(-squared_distances(a, b) / (c * sigma2)) for c in multipliers]).mean(0)
        for a, b in ((x, x), (y, y), (x, y))
    ]


def _by_autograd(x, y, sigma2, multipliers, unbiased, factors=(1.0, 1.0, 1.0)):
    x, y = x.clone().requires_grad_(), y.clone().requires_grad_()
    kernels = _kernels(x, y, sigma2, multipliers)
    value = mmd2_from_kernel(*(k * f for k, f in zip(kernels, factors, strict=True)), unbiased)
    return value.detach(), *torch.autograd.grad(value, (x, y))


def _closed(x, y, *arguments, factors=None):
    x, y = x.clone().requires_grad_(), y.clone().requires_grad_()
    value = rbf_mmd2(x, y, pair_distances(x, y)[0], *arguments, factors)
    return value.detach(), *torch.autograd.grad(value, (x, y))


@pytest.mark.parametrize("unbiased", [True, False])
@pytest.mark.parametrize("multipliers", MULTIPLIERS)
@pytest.mark.parametrize(("n", "m", "shift"), [(7, 7, 0.0), (5, 12, 0.8), (40, 33, 6.0)])
def test_closed_form_is_autograds(unbiased, multipliers, n, m, shift):
    x, y = _samples(n, m, shift)
    factors = _kernels(x[:, :2], y[:, :2], 1.0, (1.0,))
    for given in (None, factors):
        expected = _by_autograd(x, y, 9.0, multipliers, unbiased, given or (1.0, 1.0, 1.0))
        for ours, theirs in zip(
            _closed(x, y, 9.0, multipliers, unbiased, factors=given), expected, strict=True
        ):
            torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("bandwidth", ["median", "mean", "ema", 5.0])
@pytest.mark.parametrize("unbiased", [True, False])
@pytest.mark.parametrize("joint", [False, True])
def test_objective_is_autograds_to_float32_round_off(bandwidth, unbiased, joint):
    x, y = _samples(30, 20, 0.7, torch.float32)
    action = x[:, :2], y[:, :2]
    x, y = 100 + x, 100 + y  # far from the origin, as features of a ReLU are
    distances = (
        squared_distances(x.double(), x.double()),
        *(squared_distances(a.double(), y.double()) for a in (y, x)),
    )
    statistic = "mean" if bandwidth == "mean" else "median"
    sigma2 = 5.0 if bandwidth == 5.0 else bandwidth_from_distances(*distances, statistic)
    factors = _kernels(*(a.double() for a in action), 1.0, (1.0,)) if joint else (1.0, 1.0, 1.0)
    expected = _by_autograd(x.double(), y.double(), sigma2, MULTIPLIERS[1], unbiased, factors)
    x, y = x.requires_grad_(), y.requires_grad_()
    arguments = {"bandwidth": bandwidth, "unbiased": unbiased}
    objective = JointMMD(of_bandwidth=1.0, **arguments) if joint else MMD(**arguments)
    value = objective(Samples(x, action[0]), Samples(y, action[1]))
    gradient = torch.autograd.grad(3 * value, (x, y))
    assert abs(float(value.detach()) - float(expected[0])) < 1e-5
    for ours, theirs in zip(gradient, expected[1:], strict=True):
        torch.testing.assert_close(
            ours, 3 * theirs.float(), rtol=0, atol=2e-5 * float(theirs.abs().max()) * 3
        )


def test_one_domain_alone_may_need_a_gradient():
    x, y = _samples(8, 6, 0.5)
    x.requires_grad_()
    rbf_mmd2(x, y, pair_distances(x, y)[0], 3.0, (1.0, 2.0)).backward()
    torch.testing.assert_close(x.grad, _by_autograd(x.detach(), y, 3.0, (1.0, 2.0), True)[1])


def test_a_second_derivative_is_refused_not_wrong():
    x = _samples(5, 5, 0.0)[0].requires_grad_()
    loss = MMD()(x, x.detach() + 1) + x.square().sum()  # whose own second derivative would pass for both
    (gradient,) = torch.autograd.grad(loss, x, create_graph=True)
    with pytest.raises(RuntimeError, match="differentiable once"):
        gradient.square().sum().backward()
