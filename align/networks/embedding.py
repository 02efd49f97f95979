"""Sinusoidal embedding of the diffusion step."""

import math

import torch
from torch import Tensor


def step_embedding(steps: Tensor, features: int) -> Tensor:
    """Sinusoidal embedding (Vaswani et al. 2017) of diffusion steps.

    Args:
        steps: (B,) diffusion steps.
        features: Even size of the embedding.

    Returns:
        (B, features) float32.
    """
    half = features // 2
    frequencies = torch.exp(-math.log(10000.0) / (half - 1) * torch.arange(half, device=steps.device))
    angles = steps.float()[:, None] * frequencies
    return torch.cat([angles.sin(), angles.cos()], dim=-1)
