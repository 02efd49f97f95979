"""A classifier of noisy sequences of actions."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from align.networks.embedding import fourier_features, step_embedding


class NoisyClassifier(nn.Module):
    """The logit of a noisy sequence of actions being clean: a residual MLP on it, its step and a condition.

    Args:
        horizon: Steps of a sequence H.
        action_dim: Action dimension A.
        condition_dim: Size of the condition.
        width: Hidden units.
        blocks: Number of residual blocks.
        frequencies: Number K of Fourier features sin and cos(2ᵏ π x / 2), k < K, of each number of a
            sequence (Tancik et al. 2020, arXiv 2006.10739): an MLP is blind to what varies fast in it.
        step_features: Size of the diffusion step's embedding.
    """

    def __init__(
        self,
        horizon: int,
        action_dim: int,
        condition_dim: int = 0,
        width: int = 128,
        blocks: int = 2,
        frequencies: int = 0,
        step_features: int = 32,
    ):
        super().__init__()
        self.step_features, self.frequencies = step_features, frequencies
        inputs = horizon * action_dim * (1 + 2 * frequencies) + condition_dim + step_features
        self.inputs = nn.Linear(inputs, width)
        self.layers = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))
            for _ in range(blocks)
        )
        self.out = nn.Linear(width, 1)
        nn.init.zeros_(self.out.weight)  # it begins by saying 1/2 of everything
        nn.init.zeros_(self.out.bias)

    def forward(self, x: Tensor, steps: Tensor, condition: Tensor) -> Tensor:
        """Logits (B,) of x (B, H, A) at diffusion steps (B,), given (B, C)."""
        x = x.flatten(1)
        waves = fourier_features(x, self.frequencies)
        h = self.inputs(torch.cat([x, waves, condition, step_embedding(steps, self.step_features)], 1))
        for layer in self.layers:
            h = h + layer(F.silu(h))
        return self.out(F.silu(h)).squeeze(1)
