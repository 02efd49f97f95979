"""A mixture of Gaussians whose answers are known: the annotated level, and what gating by it is good for.

Clean samples are of four narrow modes; corrupt ones of the same modes, blurred until they nearly touch. Few
clean samples know how the modes look and not how often each occurs; many corrupt ones know the reverse.
"""

import functools
import itertools
import math

import pytest
import torch
from scipy.stats import t as student
from torch import Tensor, nn

from align.data.gating.levels import bands, everywhere
from align.data.gating.sampler import GatedSampler
from align.diffusion.ambient import Ambient
from align.diffusion.annotate import ClassifierOptions, Sequences, judge
from align.diffusion.schedule import NoiseSchedule
from align.diffusion.thresholds import crossing, dataset_threshold
from align.domain import Domain
from align.networks.embedding import step_embedding
from align.seeding import torch_generator

MODES, SHARES = torch.tensor([-1.5, -0.5, 0.5, 1.5]), torch.tensor([0.1, 0.4, 0.3, 0.2])
SHARP, BLUR, TAU = 0.06, 0.3, 0.45
BLURRED = math.hypot(SHARP, BLUR)
N_CLEAN, N_CORRUPT, SEEDS = 20, 2000, 6
BATCH, AHEAD = 128, 20  # samples a training step, and steps that are drawn at a time
OPTIONS = ClassifierOptions(width=32, frequencies=4, max_steps=500, folds=2, levels=16)


def _draw(n: int, spread: float, purpose: str, seed: int = 0) -> Tensor:
    g = torch_generator(seed, purpose)
    return MODES[torch.multinomial(SHARES, n, True, generator=g)] + spread * torch.randn(n, generator=g)


def _density(x: Tensor, sigma: Tensor, spread: float) -> Tensor:
    """Of x_t, (L, X)."""
    signal = (1 - sigma**2).sqrt()[:, None, None]
    variance = (signal * spread) ** 2 + sigma[:, None, None] ** 2
    return (SHARES * torch.exp(-((x[:, None] - signal * MODES) ** 2) / (2 * variance)) / variance.sqrt()).sum(
        -1
    )


def _analytic(sigmas: Tensor) -> float:
    """The level at which the best classifier's mean probability, of corrupt samples, exceeds τ."""
    x = torch.linspace(-6, 6, 1501, dtype=torch.float64)
    p, q = (_density(x, sigmas.double(), s) for s in (SHARP, BLURRED))
    c = (q * p / (p + q).clamp_min(1e-300)).sum(1) / q.sum(1)
    return float(crossing(sigmas.double(), c, TAU))


def _annotated(clean: Tensor, corrupt: Tensor, seed: int = 0) -> float:
    """σ_min by classifiers of some samples, each its own episode."""
    sequences = [
        Sequences(x.view(-1, 1, 1), torch.arange(len(x)), torch.empty(len(x), 0)) for x in (clean, corrupt)
    ]
    return dataset_threshold(judge(*sequences, NoiseSchedule().sigmas, OPTIONS, seed), TAU)


@pytest.mark.slow
def test_the_annotated_level_is_that_of_the_best_classifier():
    """Within one step of the grid of noise levels at which classifiers with many clean samples are asked."""
    annotated = _annotated(
        _draw(N_CORRUPT, SHARP, "annotation/clean"), _draw(N_CORRUPT, BLURRED, "annotation/corrupt")
    )
    sigmas = NoiseSchedule().sigmas
    exact = _analytic(torch.linspace(0.01, 0.999, 250))
    grid = sigmas[OPTIONS.steps(len(sigmas))]
    step = int(torch.searchsorted(grid, exact))
    print(f"annotated {annotated:.3f}, exact {exact:.3f}")
    assert 0.15 < exact < 0.5
    assert abs(annotated - exact) <= float(grid[step] - grid[step - 1])


class _Denoisers(nn.Module):
    """R independent little denoisers of scalars, trained side by side."""

    def __init__(self, runs: int, width: int = 64, features: int = 16, frequencies: int = 3):
        super().__init__()
        g, sizes = torch_generator(0, "denoisers"), (1 + 2 * frequencies + features, width, width, 1)
        self.features, self.frequencies = features, frequencies
        self.weights = nn.ParameterList(
            torch.randn(runs, i, o, generator=g) / i**0.5 for i, o in itertools.pairwise(sizes)
        )
        self.biases = nn.ParameterList(torch.zeros(runs, 1, o) for o in sizes[1:])

    def forward(self, x: Tensor, steps: Tensor) -> Tensor:  # (R, N) each
        embedded = step_embedding(steps.flatten(), self.features).view(*steps.shape, -1)
        x = x[..., None]
        waves = [f(2**k * torch.pi / 2 * x) for k in range(self.frequencies) for f in (torch.sin, torch.cos)]
        h = torch.cat([x, *waves, embedded], -1)
        for i, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            h = torch.baddbmm(bias, nn.functional.silu(h) if i else h, weight)
        return h[..., 0]


def _sampler(arm: str, level: float, schedule: NoiseSchedule, seed: int) -> GatedSampler:
    never, always = torch.full((N_CORRUPT,), level), torch.zeros(N_CORRUPT)
    admitted = {
        Domain.REAL: everywhere(N_CLEAN),
        Domain.SIM: bands(schedule.sigmas, always if arm == "mixed" else Ambient().admission(never)),
    }
    alpha = 1.0 if arm == "clean" else N_CLEAN / (N_CLEAN + N_CORRUPT)
    return GatedSampler(admitted, schedule.train_steps, BATCH * AHEAD, 1, alpha, seed)


def _energy_distance(x: Tensor, reference: Tensor) -> float:
    """2 E|X − Y| − E|X − X'| − E|Y − Y'| = 2 ∫ (F − G)², of the empirical distributions of scalars."""
    grid = torch.linspace(-4, 4, 4001)
    f, g = (torch.searchsorted(v.sort().values, grid, right=True) / len(v) for v in (x, reference))
    return float(2 * (f - g).square().sum() * (grid[1] - grid[0]))


@functools.cache
def _samples(seed: int) -> dict[Domain, Tensor]:
    """What the arms of a seed learn from."""
    kinds = {Domain.SIM: (N_CORRUPT, BLURRED), Domain.REAL: (N_CLEAN, SHARP)}
    return {d: _draw(n, spread, f"toy/{d}", seed) for d, (n, spread) in kinds.items()}


@functools.cache
def _level(seed: int) -> float:
    return _annotated(_samples(seed)[Domain.REAL], _samples(seed)[Domain.SIM], seed)


class _Run:
    """One arm with one seed: what it is shown. σ_min is annotated by the very samples it learns from."""

    def __init__(self, arm: str, seed: int, schedule: NoiseSchedule):
        self.data = _samples(seed)
        level = _level(seed)
        self.fixed = {
            d: torch.randn(len(x), generator=torch_generator(seed, f"fixed/{d}"))
            for d, x in self.data.items()
        }
        self.trusted = {Domain.SIM: level, Domain.REAL: 0.0}
        self.sampler, self.schedule, self.seed = _sampler(arm, level, schedule, seed), schedule, seed
        self.loss = Ambient("ambient" if arm == "ambient" else "restricted")

    def batches(self, step: int) -> Tensor:
        """Noisy samples, targets and diffusion steps (AHEAD, 3, BATCH), from training step `step` on."""
        drawn = self.sampler.batch(step)
        x0, fixed = (
            torch.cat([x[d][draw.index] for d, draw in drawn.items()]) for x in (self.data, self.fixed)
        )
        level = torch.cat([torch.full((len(draw.index),), self.trusted[d]) for d, draw in drawn.items()])
        t = torch.cat([draw.steps[:, 0] for draw in drawn.values()])
        g = torch_generator(self.seed, "toy/noise", step)
        fresh, order = torch.randn(len(x0), generator=g), torch.randperm(len(x0), generator=g)
        noised = self.loss.noised(self.schedule, *(v.view(-1, 1, 1) for v in (x0, fresh, fixed)), level, t)
        rows = torch.stack([noised.x.flatten(), noised.target.flatten(), t.float()])[:, order]
        return rows.view(3, AHEAD, BATCH).transpose(0, 1)


def _train(runs: list[_Run], steps: int = 1200) -> _Denoisers:
    net = _Denoisers(len(runs))
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    decay = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for first in range(0, steps, AHEAD):
        for batch in torch.stack([run.batches(first) for run in runs], 2):
            x, target, t = batch  # (R, B) each
            optimizer.zero_grad()
            (net(x, t) - target).square().mean(1).sum().backward()
            optimizer.step()
            decay.step()
    return net.requires_grad_(False)


@pytest.mark.slow
def test_gating_beats_clean_samples_alone_and_mixing_everything():
    """Energy distance to the clean distribution: paired 95 % intervals over seeds are above 0.

    Each seed annotates with its own few clean samples: no arm knows more than another.
    """
    schedule = NoiseSchedule(prediction="sample", inference_steps=50)
    arms = ("clean", "mixed", "restricted", "ambient")
    runs = [_Run(arm, seed, schedule) for arm in arms for seed in range(SEEDS)]
    net = _train(runs)
    noise = torch.randn(len(runs), 1000, generator=torch_generator(0, "toy/sampling"))
    for sampler in ("ddim", "ddpm"):
        schedule.sampler = sampler
        # The denoisers are the batch; every sample of one is an element of it.
        samples = schedule.sample(
            lambda x, steps: net(x, steps[:, None].expand_as(x)), noise, torch_generator(0, "toy/ddpm")
        )
        reference = _draw(200_000, SHARP, "toy/reference")
        distance = torch.tensor([_energy_distance(x, reference) for x in samples]).view(len(arms), SEEDS)
        found = dict(zip(arms, distance, strict=True))
        print(
            sampler, {arm: (round(float(d.mean()), 4), round(float(d.std()), 4)) for arm, d in found.items()}
        )
        for arm in ("restricted", "ambient"):
            for other in ("clean", "mixed"):
                gain = found[other] - found[arm]
                half = student.ppf(0.975, SEEDS - 1) * float(gain.std()) / SEEDS**0.5
                print("  ", arm, "over", other, round(float(gain.mean()), 4), "±", round(half, 4))
                assert float(gain.mean()) - half > 0, (sampler, arm, other)
