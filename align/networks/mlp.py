"""A residual MLP denoiser: the cheapest one that works for short action sequences."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from align.errors import SIZE, check_numbers
from align.networks.base import Denoiser
from align.networks.embedding import fourier_features, step_embedding


class _ModulatedBlock(nn.Module):
    """A residual two-layer MLP whose normalised input the condition scales and shifts (FiLM)."""

    def __init__(self, width: int):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.film = nn.Linear(width, 2 * width)
        self.widen, self.narrow = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)

    def forward(self, h: Tensor, condition: Tensor) -> Tensor:
        scale, shift = self.film(condition).chunk(2, dim=-1)
        return h + self.narrow(F.silu(self.widen(self.norm(h) * (1 + scale) + shift)))


class ConditionalMLP(Denoiser):
    """Denoises a sequence of actions, flattened, given a condition.

    Args:
        action_dim: Size of one action.
        condition_dim: Size of the conditioning vector.
        horizon: Length of the sequence.
        width: Hidden units.
        blocks: Number of residual blocks.
        step_features: Size of the diffusion step's embedding.
        frequencies: Number K of Fourier features sin and cos(2ᵏ π c / 2), k < K, of each number c of the
            condition (Tancik et al. 2020, arXiv 2006.10739), for a policy that must know sharply where it is.
    """

    def __init__(
        self,
        action_dim: int,
        condition_dim: int,
        horizon: int = 16,
        width: int = 256,
        blocks: int = 2,
        step_features: int = 64,
        frequencies: int = 0,
    ):
        super().__init__()
        sizes = {"action_dim": action_dim, "condition_dim": condition_dim, "horizon": horizon, "width": width}
        check_numbers(SIZE, whole=True, **sizes)
        check_numbers("[0, 1000]", whole=True, blocks=blocks)
        check_numbers("[4, 65536]", whole=True, step_features=step_features)
        check_numbers("[0, 60]", whole=True, frequencies=frequencies)
        self.action_dim, self.condition_dim, self.horizon = action_dim, condition_dim, horizon
        self.width, self.step_features = width, step_features
        self.frequencies = frequencies
        self.inputs = nn.Linear(horizon * action_dim, width)
        self.condition = nn.Sequential(
            nn.Linear(condition_dim * (1 + 2 * frequencies) + step_features, width),
            nn.SiLU(),
            nn.Linear(width, width),
        )
        self.layers = nn.ModuleList(_ModulatedBlock(width) for _ in range(blocks))
        self.out = nn.Linear(width, horizon * action_dim)
        self.blocks = blocks

    def features(self, x: Tensor, steps: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        """The prediction (B, T, A) and the hidden layer before it (B, width); see `ConditionalUnet1D`."""
        embedded = step_embedding(steps, self.step_features)
        waves = fourier_features(condition, self.frequencies)
        e = self.condition(torch.cat([condition, waves, embedded], dim=-1))
        h, e = self.inputs(x.flatten(1)) + e, F.silu(e)
        for layer in self.layers:
            h = layer(h, e)
        return self.out(h).unflatten(-1, (self.horizon, self.action_dim)), h

    def forward(self, x: Tensor, steps: Tensor, condition: Tensor) -> Tensor:
        """The prediction (B, T, A)."""
        return self.features(x, steps, condition)[0]
