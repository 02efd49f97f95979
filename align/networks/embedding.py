"""Sinusoidal embedding of the diffusion step, and of numbers that an MLP must know precisely."""

import math

import torch
from torch import Tensor


def step_embedding(steps: Tensor, dim: int) -> Tensor:
    """Sinusoidal embedding (Vaswani et al. 2017) of diffusion steps.

    Args:
        steps: (B,) diffusion steps.
        dim: Even size of the embedding.

    Returns:
        (B, dim) float32.
    """
    half = dim // 2
    frequencies = torch.exp(-math.log(10000.0) / (half - 1) * torch.arange(half, device=steps.device))
    angles = steps.float()[:, None] * frequencies
    return torch.cat([angles.sin(), angles.cos()], dim=-1)


def fourier_features(x: Tensor, count: int) -> Tensor:
    """sin and cos(2ᵏ π x / 2), k < `count`, of each number (Tancik et al. 2020, arXiv 2006.10739).

    Args:
        x: (B, D).
        count: Number of frequencies K.

    Returns:
        (B, 2 · K · D); an MLP of x alone is blind to what varies fast in it.
    """
    waves = [wave(2**k * torch.pi / 2 * x) for k in range(count) for wave in (torch.sin, torch.cos)]
    return torch.cat(waves, dim=-1) if waves else x[:, :0]
