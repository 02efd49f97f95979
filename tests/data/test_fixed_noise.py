"""Noise fixed per data point: a function of (seed, domain, episode, timestep) and of nothing else."""

import numpy as np
import torch

from align.data.gating.fixed_noise import FixedNoise
from align.domain import Domain

LENGTHS = np.array([12, 5, 30, 18])


def _noise(ids=(0, 2, 3), lengths=LENGTHS, before=1, after=16, seed=0, domain=Domain.SIM) -> FixedNoise:
    return FixedNoise(lengths, ids, before, after, 2, seed, domain)


def _of(noise: FixedNoise, episode: int, start: int, horizon: int = 8) -> torch.Tensor:
    return noise.gather(torch.tensor([episode]), torch.tensor([start]), horizon)[0]


def test_overlapping_windows_agree():
    noise = _noise()
    for a, b in ((-1, 3), (0, 7), (20, 25)):
        assert torch.equal(_of(noise, 2, a)[b - a :], _of(noise, 2, b)[: 8 - (b - a)])


def test_it_depends_on_nothing_else():
    expected = _of(_noise(), 2, 5)
    torch.manual_seed(123)
    np.random.seed(7)  # noqa: NPY002
    others = [
        _noise(ids=(2,)),
        _noise(ids=(3, 2, 0, 1)),
        _noise(before=4, after=30),
        _noise(lengths=LENGTHS + 10),
    ]
    for other in others:
        assert torch.equal(_of(other, 2, 5), expected)
        assert torch.equal(_of(other, 2, -1), _of(_noise(), 2, -1))
    torch.testing.assert_close(_of(_noise(), 2, 3, horizon=16)[2:10], expected)


def test_seeds_domains_episodes_and_timesteps_differ():
    base = _of(_noise(), 2, 0)
    for other in (_of(_noise(seed=1), 2, 0), _of(_noise(domain=Domain.REAL), 2, 0), _of(_noise(), 3, 0)):
        assert not (base == other).any()
    assert base.unique().numel() == base.numel()


def test_padding_has_noise_of_its_own():
    """Steps outside an episode repeat a frame; with its noise too, x_t would not be that of `add_noise`."""
    noise = _noise(before=3)
    row = _of(noise, 0, 9, horizon=16)  # the episode ends at 12
    assert row.unique().numel() == row.numel()
    assert _of(noise, 0, -3, horizon=4).unique().numel() == 8


def test_it_is_standard_normal():
    noise = FixedNoise([20_000], [0], 0, 0, 2, 0, Domain.SIM).gather(
        torch.tensor([0]), torch.tensor([0]), 20_000
    )
    assert abs(float(noise.mean())) < 0.02 and abs(float(noise.std()) - 1) < 0.02
    assert abs(float((noise[0, 1:] * noise[0, :-1]).mean())) < 0.02
