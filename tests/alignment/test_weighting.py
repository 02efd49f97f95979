"""What sets λ, on two Gaussians whose trade-off between the two terms is known.

x is N(1, 1) in sim and N(−1, 1) in real, y = x + noise of variance S. A feature z = a · x predicts y with
loss L(a) = 2 (1 − a)² + S and has the squared distance D(a) = 4 a² between the means of its domains.
"""

import math
import re
from itertools import pairwise

import pytest
import torch

from align.alignment import Constrained, GradientRatio, Weighting
from align.alignment.weighting import Fixed
from align.errors import InputError
from align.step.pulls import watch_pulls

S = 1.0


def _draw(g: torch.Generator, n: int) -> tuple[torch.Tensor, torch.Tensor]:
    mean = torch.tensor([1.0, -1.0]).repeat_interleave(n)
    x = mean + torch.randn(2 * n, generator=g)
    return x, x + math.sqrt(S) * torch.randn(2 * n, generator=g)


def _terms(z: torch.Tensor, y: torch.Tensor, aligned: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    sim, real = aligned.chunk(2)
    return (y - z).square().mean(), (sim.mean() - real.mean()).square()


def _train(weighting: Weighting, steps: int, every: int = 20, seed: int = 0):
    """Train a from 1 on batches of 2 · 64; yields a, λ and both pulls at each step."""
    g, a = torch.Generator().manual_seed(seed), torch.tensor(1.0, requires_grad=True)
    held_out = _draw(torch.Generator().manual_seed(99), 20_000)
    weighting.refer({steps: float((held_out[1] - held_out[0]).square().mean())})  # the best that a can do
    trace = []
    for step in range(steps):
        x, y = _draw(g, 64)
        z = a * x
        aligned, lambda_ = z.view_as(z), weighting.weight(step)
        seen: list[torch.Tensor] = []
        watch_pulls(z, {"D": aligned}, lambda pulls, rest, seen=seen: seen.extend([pulls["D"], rest]))
        denoise, distance = _terms(z, y, aligned)
        (gradient,) = torch.autograd.grad(denoise + lambda_ * distance, a)
        with torch.no_grad():
            a -= 0.02 * gradient
        weighting.see_pulls(seen[0] / lambda_, seen[1])
        if (step + 1) % every == 0:
            z = (a * held_out[0]).detach()
            weighting.see_held_out(step + 1, _terms(z, held_out[1], z)[0])
        trace.append([float(v) for v in (a.detach(), lambda_, *seen)])
    return torch.tensor(trace)


@pytest.mark.parametrize("budget", [0.02, 0.2])
def test_a_budget_is_kept_and_spent(budget):
    """A loss of (1 + ε/2) · S is steered for: 2 (1 − a)² = ε/2 · S, where λ = (1 − a) / (2 a)."""
    weighting = Constrained("none", budget=budget, initial=1e-3)
    trace = _train(weighting, 3000)
    a = trace[-1000:, 0]
    excess = 2 * (1 - a).square() / S
    assert excess.mean() == pytest.approx(budget / 2, rel=0.35) and float(excess.quantile(0.95)) <= budget
    best = 1 - math.sqrt(budget * S / 4)
    assert trace[-1000:, 1].log().mean().exp() == pytest.approx((1 - best) / (2 * best), rel=0.3)


def test_a_loss_that_is_too_high_brings_the_weight_down_faster_than_it_rose():
    weighting = Constrained("none", budget=0.02, initial=1.0, smoothing=0.0)
    weighting.refer({100: 1.0, 200: 0.5})
    weights = [float(weighting.weight(0))]
    for step, loss in ((150, 0.75), (150, 0.75 * 1.5), (300, 0.5 * 1.01), (200, float("nan"))):
        weighting.see_held_out(step, torch.tensor(loss))
        weights.append(float(weighting.weight(0)))
    moves = [math.log(b / a) for a, b in pairwise(weights)]
    assert moves == pytest.approx([0.3, -1.2, 0.0, 0.0], abs=1e-5)
    logs = weighting.logs()
    assert float(logs["multiplier"]) == pytest.approx(1 / weights[-1])
    assert float(logs["slack"]) == pytest.approx(0.01, abs=1e-6)


def test_whether_a_budget_was_kept_is_told():
    weighting = Constrained("runs/without", budget=0.02, smoothing=0.0)
    weighting.refer({100: 2.0})
    assert weighting.verdict() is None
    found = {2.06: "exceeded; .* 3.0% above", 2.02: "kept; .* 1.0% above", 1.9: "kept; .* 5.0% below"}
    for loss, words in found.items():
        weighting.see_held_out(100, torch.tensor(loss))
        assert re.match(f"budget=0.02: {words} that of runs/without,", weighting.verdict())
        assert ("λ was still rising" in weighting.verdict()) == (loss == 1.9)
    for _ in range(60):
        weighting.see_held_out(100, torch.tensor(1.9))
    assert float(weighting.weight(0)) == pytest.approx(100) and "rising" not in weighting.verdict()
    weighting.see_held_out(100, torch.tensor(2.5))
    assert "exceeded" in weighting.verdict() and "λ is at its least" not in weighting.verdict()
    for _ in range(60):
        weighting.see_held_out(100, torch.tensor(2.5))
    assert float(weighting.weight(0)) == pytest.approx(1e-6) and "λ is at its least" in weighting.verdict()


def test_the_weight_has_bounds():
    weighting = Constrained("none", initial=1.0, rate=10.0, smallest=0.1, largest=3.0)
    weighting.refer({1: 1.0})
    for loss, bound in ((0.5, 3.0), (9.0, 0.1)):
        for _ in range(8):
            weighting.see_held_out(5, torch.tensor(loss))
        assert float(weighting.weight(0)) == pytest.approx(bound)
    assert float(Constrained(budget=0.1).logs()["slack"]) == pytest.approx(0.1)  # nothing is spent at first


@pytest.mark.parametrize("losses", [{}, {5: 0.0}, {5: float("nan")}])
def test_a_reference_has_losses(losses):
    with pytest.raises(InputError, match="reference='there'"):
        Constrained("there").refer(losses)


@pytest.mark.parametrize("ratio", [0.1, 1.0])
def test_the_share_is_reached(ratio):
    trace = _train(GradientRatio(ratio), 1500)[500:]
    alignment, denoising = trace[:, 2:].square().mean(0).sqrt()
    assert alignment / denoising == pytest.approx(ratio, rel=0.05)
    assert float(trace[:, 0].mean()) < 1 - 0.04 * ratio  # and it aligns


def test_the_first_step_is_measured_with_a_weight_that_does_nothing():
    weighting = GradientRatio(0.5)
    assert float(weighting.weight(0)) == pytest.approx(1e-6)
    weighting.see_pulls(torch.tensor(2.0), torch.tensor(8.0))
    assert float(weighting.weight(1)) == pytest.approx(0.5 * 8 / 2)  # not of an average that began at 0
    assert float(weighting.logs()["grad_ratio_smoothed"]) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("alignment", "denoising", "weight"),
    [(0.0, 1.0, 100.0), (1e-30, 1.0, 100.0), (1.0, 0.0, 1e-6), (0.0, 0.0, 1e-6), (float("nan"), 1.0, 3.0)],
)
def test_gradients_that_vanish_or_are_not_finite_leave_a_finite_weight(alignment, denoising, weight):
    weighting = GradientRatio(1.0, decay=0.0)
    weighting.see_pulls(torch.tensor(1.0), torch.tensor(3.0))
    weighting.see_pulls(torch.tensor(alignment), torch.tensor(denoising))
    assert float(weighting.weight(0)) == pytest.approx(weight)
    assert float(weighting.logs()["grad_ratio_smoothed"]) >= 0


def test_equal_domains_leave_training_finite():
    """Distance and its gradient are 0 throughout: λ is bounded, and nothing is pulled."""
    weighting, z = GradientRatio(), torch.ones(8, 2, requires_grad=True)
    for step in range(3):
        aligned, lambda_ = z.view_as(z), weighting.weight(step)
        seen = []
        watch_pulls(z, {"D": aligned}, lambda pulls, rest, seen=seen: seen.extend([pulls["D"], rest]))
        loss = z.square().mean() + lambda_ * (aligned[:4].mean(0) - aligned[4:].mean(0)).square().sum()
        loss.backward()
        weighting.see_pulls(seen[0] / lambda_, seen[1])
    assert z.grad.isfinite().all() and float(weighting.weight(3)) == 100.0


def test_fixed_is_a_number():
    assert Fixed(0.3).weight(7) == 0.3 and not Fixed(0.3).state_dict()
    assert Fixed(0.3).aligns and not Fixed(0.0).aligns
