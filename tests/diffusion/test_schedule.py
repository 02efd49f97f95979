"""The schedule against its closed form and against diffusers' own loop."""

import math

import pytest
import torch
from diffusers import DDIMScheduler

from align.diffusion.denoising import denoising_loss
from align.diffusion.schedule import NoiseSchedule
from align.errors import InputError


def test_noise_levels_are_those_of_the_squared_cosine():
    sigma = (1 - NoiseSchedule(train_steps=100).alphas_cumprod).sqrt()
    for step, value in ((0, 0.0251), (3, 0.0737), (10, 0.182), (18, 0.303), (30, 0.475)):
        assert float(sigma[step]) == pytest.approx(value, abs=6e-4)


def test_add_noise_has_the_variance_preserving_moments():
    schedule, g = NoiseSchedule(), torch.Generator().manual_seed(0)
    x0, steps = torch.full((50_000, 1), 2.0), torch.full((50_000,), 40)
    x = schedule.add_noise(x0, torch.randn(x0.shape, generator=g), steps)
    signal = float(schedule.alphas_cumprod[40])
    assert float(x.mean()) == pytest.approx(2 * math.sqrt(signal), abs=0.02)
    assert float(x.var()) == pytest.approx(1 - signal, rel=0.03)


@pytest.mark.parametrize("prediction", ["epsilon", "sample"])
@pytest.mark.parametrize(("sampler", "steps"), [("ddim", 100), ("ddim", 50), ("ddpm", 100)])
def test_a_perfect_denoiser_of_a_gaussian_samples_that_gaussian(prediction, sampler, steps):
    mean, std = 0.5, 0.3
    schedule = NoiseSchedule(prediction=prediction, sampler=sampler, inference_steps=steps, clip=None)

    def denoise(x, steps):
        """E[x0 | x_t], or the noise that goes with it, in closed form."""
        signal = schedule.alphas_cumprod[steps][:, None]
        gain = signal.sqrt() * std**2 / (signal * std**2 + 1 - signal)
        x0 = mean + gain * (x - signal.sqrt() * mean)
        return x0 if prediction == "sample" else (x - signal.sqrt() * x0) / (1 - signal).sqrt()

    g = torch.Generator().manual_seed(0)
    samples = schedule.sample(denoise, torch.randn(20_000, 1, generator=g), generator=g)
    assert float(samples.mean()) == pytest.approx(mean, abs=0.02)
    assert float(samples.std()) == pytest.approx(std, rel=0.06)


def test_sampling_is_diffusers_loop():
    schedule = NoiseSchedule(inference_steps=5, clip=1.0)
    reference = DDIMScheduler(
        100, beta_schedule="squaredcos_cap_v2", clip_sample=True, timestep_spacing="trailing"
    )
    reference.set_timesteps(5)
    x = noise = torch.randn(3, 4, 2, generator=torch.Generator().manual_seed(0))
    for t in reference.timesteps:
        x = reference.step(torch.tanh(x), t, x).prev_sample
    assert torch.equal(schedule.sample(lambda z, _: torch.tanh(z), noise), x)


def test_target_and_loss():
    schedule, x0, noise = NoiseSchedule(prediction="epsilon"), torch.zeros(2, 3, 2), torch.ones(2, 3, 2)
    assert schedule.target(x0, noise) is noise
    assert NoiseSchedule(prediction="sample").target(x0, noise) is x0
    prediction = torch.stack([torch.zeros(3, 2), torch.full((3, 2), 3.0)])
    assert denoising_loss(prediction.bfloat16(), noise).tolist() == [1.0, 4.0]


@pytest.mark.parametrize(
    "arguments",
    [
        {"prediction": "noise"},
        {"sampler": "euler"},
        {"inference_steps": 0},
        {"inference_steps": 101},
        {"inference_steps": 30},  # DDIM's steps would not meet its levels
        {"beta_schedule": "squaredcos"},
        {"clip": -1.0},
        {"clip": float("nan")},
    ],
)
def test_bad_arguments(arguments):
    with pytest.raises(InputError, match=f"{next(iter(arguments))}="):
        NoiseSchedule(**arguments)
