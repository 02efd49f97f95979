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


@pytest.mark.parametrize(("prediction", "spacing"), [("sample", "trailing"), ("epsilon", "leading")])
@pytest.mark.parametrize(
    ("clip", "equal"), [(1.0, torch.allclose), (100.0, torch.allclose), (None, torch.equal)]
)
def test_sampling_is_diffusers_loop(prediction, spacing, clip, equal):
    schedule = NoiseSchedule(prediction=prediction, inference_steps=5, clip=clip)
    reference = DDIMScheduler(
        100,
        beta_schedule="squaredcos_cap_v2",
        prediction_type=prediction,
        clip_sample=clip is not None,
        clip_sample_range=clip or 1.0,
        timestep_spacing=spacing,
    )
    reference.set_timesteps(5)
    x = noise = torch.randn(3, 4, 2, generator=torch.Generator().manual_seed(0))
    for t in reference.timesteps:
        x = reference.step(torch.tanh(x), t, x, use_clipped_model_output=clip is not None).prev_sample
    ours = schedule.sample(lambda z, _: torch.tanh(z), noise)
    assert equal(ours, x) if prediction == "sample" else torch.allclose(ours, x, atol=1e-5)


class _Mixture:
    """Two narrow Gaussians on a line, denoised in closed form but for an error such as networks make."""

    MEANS, STD, WEIGHTS = torch.tensor([-1.0, 1.5]), 0.1, torch.tensor([0.6, 0.4])

    def __init__(self, schedule: NoiseSchedule, error: float):
        self.schedule, self.error = schedule, error

    def __call__(self, x, steps):
        signal = self.schedule.alphas_cumprod[steps].double()[:, None]  # (B, 1)
        var = signal * self.STD**2 + 1 - signal
        off = x - signal.sqrt() * self.MEANS  # (B, 2)
        share = (self.WEIGHTS.log() - off.square() / (2 * var)).softmax(1)
        x0 = (share * (self.MEANS + signal.sqrt() * self.STD**2 / var * off)).sum(1, keepdim=True)
        epsilon = (x - signal.sqrt() * x0) / (1 - signal).sqrt()
        exact = x0 if self.schedule.prediction == "sample" else epsilon
        return (exact + self.error * torch.sin(3 * x + steps[:, None])).float()

    def draw(self, n: int, g: torch.Generator) -> torch.Tensor:
        which = torch.multinomial(self.WEIGHTS, n, True, generator=g)
        return (self.MEANS[which] + self.STD * torch.randn(n, generator=g))[:, None]


def _energy_distance(x: torch.Tensor, y: torch.Tensor) -> float:
    """2 E|x − y| − E|x − x'| − E|y − y'|."""
    n, m = len(x), len(y)
    within = torch.cdist(x, x).sum() / (n * (n - 1)) + torch.cdist(y, y).sum() / (m * (m - 1))
    return float(2 * torch.cdist(x, y).mean() - within)


def _distance_to_data(error: float = 0.03, clip=4.0, bounds=None, **arguments) -> float:
    schedule, g = NoiseSchedule(clip=clip, **arguments), torch.Generator().manual_seed(0)
    mixture = _Mixture(schedule, error)
    samples = schedule.sample(mixture, torch.randn(3000, 1, generator=g), g, bounds)
    return _energy_distance(samples, mixture.draw(3000, g))


@pytest.mark.parametrize("steps", [10, 20, 50, 100])
def test_predicted_noise_samples_the_data_though_the_network_errs(steps):
    assert _distance_to_data(inference_steps=steps) < 0.006


@pytest.mark.parametrize("spacing", ["leading", "trailing"])
def test_noise_that_is_predicted_at_the_last_step_is_of_no_use(spacing, monkeypatch):
    """There the clean sample is the network's error, magnified 2,000 times."""
    arguments = {"inference_steps": {"leading": 100, "trailing": 10}[spacing], "spacing": spacing}
    without = _distance_to_data(0.1, **arguments)
    monkeypatch.setattr("align.diffusion.schedule.FAINT", 0.0)
    assert _distance_to_data(0.1, **arguments) > 2 * max(without, 0.001)


def test_clean_samples_are_predicted_with_trailing_steps():
    arguments = {"error": 0.05, "prediction": "sample"}
    trailing, leading = (_distance_to_data(spacing=s, **arguments) for s in ("trailing", "leading"))
    assert trailing < leading and _distance_to_data(**arguments) == trailing


def test_levels_at_which_noise_tells_nothing_are_left_out():
    levels = NoiseSchedule(inference_steps=100).inference_levels()
    assert len(levels) == 99 and levels[0] < (1 - 0.01**2) ** 0.5
    assert len(NoiseSchedule(inference_steps=100, prediction="sample").inference_levels()) == 100
    assert len(NoiseSchedule(inference_steps=1, spacing="trailing").inference_levels()) == 1
    assert (
        len(NoiseSchedule(100, "linear", inference_steps=100).inference_levels()) == 100
    )  # none is so noisy


def test_samples_stay_where_the_data_are():
    bounds = torch.tensor([[-1.0, 0.0], [-0.5, 0.2]]), torch.tensor([[9.0, 0.5], [0.5, 1.0]])  # (2 steps, A)
    noise = torch.randn(500, 2, 2, generator=torch.Generator().manual_seed(0))
    for prediction in ("sample", "epsilon"):
        schedule = NoiseSchedule(prediction=prediction)
        x = schedule.sample(lambda z, _: 20 * torch.sin(9 * z), noise, bounds=bounds)
        assert torch.equal(x.amin(0), bounds[0]) and torch.equal(x.amax(0), bounds[1])
        assert (schedule.sample(lambda z, _: 20 * torch.sin(9 * z), noise).abs() > 10).any()


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
        {"clip": "range"},
        {"spacing": "linspace"},
    ],
)
def test_bad_arguments(arguments):
    with pytest.raises(InputError, match=f"{next(iter(arguments))}="):
        NoiseSchedule(**arguments)
