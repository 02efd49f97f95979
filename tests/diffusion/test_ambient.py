"""The ambient loss against its closed forms: marginals, targets, gradients, weights."""

import math

import pytest
import torch

from align.diffusion import ambient
from align.diffusion.ambient import Ambient
from align.diffusion.denoising import denoising_loss
from align.diffusion.schedule import NoiseSchedule
from align.errors import InputError

PREDICTIONS = ("sample", "epsilon")
MEANS, STDS, WEIGHTS = torch.tensor([-1.2, 0.9]), torch.tensor([0.3, 0.15]), torch.tensor([0.35, 0.65])


def _mixture(n: int, generator) -> torch.Tensor:
    component = (torch.rand(n, generator=generator) > WEIGHTS[0]).long()
    return MEANS[component] + STDS[component] * torch.randn(n, generator=generator)


def _posterior_mean(x: torch.Tensor, sigma: float) -> torch.Tensor:
    """E[x0 | x_t] of the mixture, in closed form."""
    a = math.sqrt(1 - sigma**2)
    variance = (a * STDS) ** 2 + sigma**2
    density = WEIGHTS * torch.exp(-((x[:, None] - a * MEANS) ** 2) / (2 * variance)) / variance.sqrt()
    mean = MEANS + a * STDS**2 / variance * (x[:, None] - a * MEANS)
    return (density * mean).sum(1) / density.sum(1)


def _draws(n: int, seed: int = 0):
    g = torch.Generator().manual_seed(seed)
    return _mixture(n, g), torch.randn(n, generator=g), torch.randn(n, generator=g)


@pytest.mark.parametrize("prediction", PREDICTIONS)
@pytest.mark.parametrize("weighting", ["rescaled", "unscaled"])
def test_without_corruption_it_is_the_ordinary_loss(prediction, weighting):
    schedule, g = NoiseSchedule(prediction=prediction), torch.Generator().manual_seed(0)
    x0, fresh, fixed = torch.randn(3, 100, 16, 2, generator=g)
    steps = torch.arange(100)
    ordinary = schedule.add_noise(x0, fresh, steps), schedule.target(x0, fresh)
    for sigma_m in (0.0, 1e-4):
        noised = Ambient(weighting=weighting).noised(
            schedule, x0, fresh, fixed, torch.full((100,), sigma_m), steps
        )
        near = {"atol": 1e-5 + 5 * sigma_m, "rtol": 1e-5}  # float32, as σ nears 1
        torch.testing.assert_close(noised.x, ordinary[0], **near)
        torch.testing.assert_close(noised.target, ordinary[1], **near)
        torch.testing.assert_close(noised.weight, torch.ones(100), atol=1e-4, rtol=0)


def test_targets_are_those_of_the_paper():
    """The forms in x_m and x_t, evaluated in float64, against those in z_fresh."""
    g = torch.Generator().manual_seed(0)
    x0, fixed, fresh = torch.randn(3, 50, 8, 2, generator=g, dtype=torch.float64)
    m, t = torch.tensor(0.182, dtype=torch.float64), torch.tensor(0.475, dtype=torch.float64)
    a_m, a_t, delta = (1 - m**2).sqrt(), (1 - t**2).sqrt(), t**2 - m**2
    x_m = ambient.corrupted(x0, fixed, m)
    x_t = ambient.noised_further(x_m, fresh, m, t)
    target = ambient.sample_target(x_m, fresh, m, t)
    torch.testing.assert_close(target, (t**2 * a_m * x_m - m**2 * a_t * x_t) / delta)
    epsilon = ambient.epsilon_target(fresh, m, t)
    torch.testing.assert_close(epsilon, t * a_m * (a_m * x_t - a_t * x_m) / delta)
    # a ‖h − T‖ is the error on x_m of the posterior mean that h implies, in the variance-exploding scale.
    h = torch.randn(50, 8, 2, generator=g, dtype=torch.float64)
    a = ambient.unscaled_weight(m, t).sqrt()
    torch.testing.assert_close(a * (h - target), a * h + (1 - a) * x_t / a_t - x_m / a_m)


@pytest.mark.parametrize(("sigma_m", "step"), [(0.1, 9), (0.3, 30), (0.3, 80), (0.0, 20)])
def test_two_steps_of_noise_are_one(sigma_m, step):
    """The marginal of x_t, and its covariance with x_0, are those of `add_noise`."""
    schedule = NoiseSchedule()
    x0, fixed, fresh = _draws(200_000)
    m, t = torch.tensor(sigma_m), schedule.sigmas[step]
    x_t = ambient.noised_further(ambient.corrupted(x0, fixed, m), fresh, m, t)
    g = torch.Generator().manual_seed(7)
    once = schedule.add_noise(x0[:, None], torch.randn(200_000, 1, generator=g), torch.full((200_000,), step))
    once = once[:, 0]
    noise = x_t - (1 - t**2).sqrt() * x0
    assert float(noise.var()) == pytest.approx(float(t) ** 2, rel=0.015)
    assert abs(float((noise * x0).mean())) < 0.01
    levels = torch.linspace(0.02, 0.98, 25)
    distance = (torch.quantile(x_t, levels) - torch.quantile(once, levels)).abs().max()
    assert float(distance) < 0.025


@pytest.mark.parametrize(("sigma_m", "step"), [(0.1, 12), (0.182, 18), (0.3, 60)])
def test_the_mean_target_is_the_posterior_mean(sigma_m, step):
    """E[T | x_t] = E[x0 | x_t] in every bin of x_t, and far from the mean of x_m in some."""
    n, bins = 400_000, 24
    x0, fixed, fresh = _draws(n)
    m, t = torch.tensor(sigma_m), NoiseSchedule().sigmas[step]
    x_m = ambient.corrupted(x0, fixed, m)
    x_t = ambient.noised_further(x_m, fresh, m, t)
    difference = ambient.sample_target(x_m, fresh, m, t) - _posterior_mean(x_t, float(t))
    edges = torch.quantile(x_t, torch.linspace(0, 1, bins + 1)[1:-1])
    which = torch.bucketize(x_t, edges)
    for b in range(bins):
        inside = difference[which == b].double()
        error = float(inside.mean()) / (float(inside.std()) / len(inside) ** 0.5)
        assert abs(error) < 4.5, b
    naive = (x_m / (1 - m**2).sqrt() - _posterior_mean(x_t, float(t))).double()
    z = [float(naive[which == b].mean() / (naive[which == b].std() / (n / bins) ** 0.5)) for b in range(bins)]
    assert max(map(abs, z)) > 10  # the test can tell: x_m itself, rescaled, is biased


def test_sample_and_epsilon_losses_differ_by_the_signal_to_noise_ratio():
    g = torch.Generator().manual_seed(0)
    x0, fresh, fixed, guess = torch.randn(4, 60, 16, 2, generator=g)
    steps, sigma_m = torch.arange(40, 100), torch.full((60,), 0.3)
    losses = {}
    for prediction in PREDICTIONS:
        schedule = NoiseSchedule(prediction=prediction)
        noised = Ambient(weighting="unscaled").noised(schedule, x0, fresh, fixed, sigma_m, steps)
        sigma = schedule.sigmas[steps][:, None, None]
        told = guess if prediction == "sample" else (noised.x - (1 - sigma**2).sqrt() * guess) / sigma
        losses[prediction] = denoising_loss(told, noised.target) * noised.weight
    sigma = schedule.sigmas[steps]
    ratio = (1 - sigma**2) / sigma**2
    torch.testing.assert_close(losses["epsilon"], losses["sample"] * ratio, rtol=2e-3, atol=1e-6)


def _gradients(loss: str, prediction: str, fixed, x0, fresh, steps) -> torch.Tensor:
    """Gradient (n, 3) of each sample's loss in h(x) = w1 x + w2 tanh(x) + b, at fixed parameters."""
    schedule = NoiseSchedule(prediction=prediction)
    shape = (len(x0), 1, 1)
    noised = Ambient(loss).noised(
        schedule, x0.view(shape), fresh.view(shape), fixed.view(shape), torch.full((len(x0),), 0.182), steps
    )
    x, target = noised.x.flatten(), noised.target.flatten()
    features = torch.stack([x, torch.tanh(2 * x), torch.ones_like(x)], dim=1)
    error = features @ torch.tensor([0.4, 0.3, -0.1]) - target
    return (2 * error[:, None] * features).double()


@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_with_fresh_noise_the_expected_gradient_is_that_of_restricted_denoising(prediction):
    n, g = 400_000, torch.Generator().manual_seed(3)
    steps = torch.randint(15, 100, (n,), generator=g)
    a = _gradients("ambient", prediction, *reversed(_draws(n)[:2]), _draws(n)[2], steps)
    b = _gradients("restricted", prediction, *reversed(_draws(n, 1)[:2]), _draws(n, 1)[2], steps)
    z = (a.mean(0) - b.mean(0)) / ((a.var(0) + b.var(0)) / n).sqrt()
    assert (z.abs() < 4).all(), z
    assert (a.mean(0).abs() / (a.var(0) / n).sqrt()).max() > 20  # there is a gradient to compare


def test_with_fixed_noise_it_is_another_estimator():
    """At one data point, averaged over all fresh noise: x_0 cannot be averaged out."""
    n, g = 100_000, torch.Generator().manual_seed(3)
    steps, fresh = torch.full((n,), 18), torch.randn(n, generator=g)
    x0, fixed = torch.full((n,), 0.9), torch.full((n,), 1.5)
    a, b = (_gradients(loss, "sample", fixed, x0, fresh, steps) for loss in ("ambient", "restricted"))
    z = (a.mean(0) - b.mean(0)) / ((a.var(0) + b.var(0)) / n).sqrt()
    assert z.abs().max() > 20


def test_the_buffer_bounds_the_amplification():
    for sigma_m in (0.0251, 0.182, 0.475, 0.9):
        for s in (1.5, 4.0, 20.0):
            edge = ambient.buffered(torch.tensor(sigma_m), s)
            a = ambient.unscaled_weight(torch.tensor(sigma_m), edge).sqrt()
            assert float(a) == pytest.approx(1 / s, rel=1e-4) and sigma_m < float(edge) < 1
    levels = torch.tensor([0.0, 0.3, 1.0])
    assert Ambient(buffer=None).admission(levels) is levels
    assert Ambient().admission(levels)[[0, 2]].tolist() == [0, 1]  # clean everywhere, never is never


def test_below_its_level_a_sample_has_the_ordinary_loss():
    """Low-frequency corruption: admitted there as it is."""
    schedule, g = NoiseSchedule(prediction="sample"), torch.Generator().manual_seed(0)
    x0, fresh, fixed = torch.randn(3, 4, 8, 2, generator=g)
    steps = torch.tensor([0, 3, 5, 7])
    noised = Ambient().noised(schedule, x0, fresh, fixed, torch.full((4,), 0.5), steps)
    torch.testing.assert_close(noised.x, schedule.add_noise(x0, fresh, steps))
    torch.testing.assert_close(noised.target, x0)


@pytest.mark.parametrize("buffer", [4.0, None])
def test_admitted_by_a_low_level_within_the_buffer_it_has_the_ordinary_loss(buffer):
    """σ_max admits levels just above σ_m, too, at which T's noise would not be bounded."""
    schedule, g, objective = (
        NoiseSchedule(prediction="sample"),
        torch.Generator().manual_seed(0),
        Ambient(buffer=buffer),
    )
    n = 4000
    sigma_m = 0.2 * torch.rand(n, generator=g)
    steps = torch.randint(len(schedule.sigmas), (n,), generator=g)
    x0, fresh, fixed = torch.zeros(3, n, 1, 1)
    fresh = torch.ones_like(fresh)  # of x0 = 0 without fixed noise, T is its own noise amplified
    noised = objective.noised(schedule, x0, fresh, fixed, sigma_m, steps)
    below = schedule.sigmas[steps] <= objective.admission(sigma_m)
    assert 50 < int(below.sum()) < n - 50 and (noised.target[below] == 0).all()
    a = ambient.unscaled_weight(sigma_m, schedule.sigmas[steps]).sqrt()[~below]
    assert buffer is None or float(1 / a.min()) <= buffer * 1.0001


@pytest.mark.parametrize(
    "arguments", [{"loss": "plain"}, {"weighting": "talk"}, {"buffer": 1.0}, {"buffer": float("nan")}]
)
def test_bad_arguments(arguments):
    with pytest.raises(InputError, match=f"{next(iter(arguments))}="):
        Ambient(**arguments)
