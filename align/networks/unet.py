"""The 1-D conditional U-Net of Diffusion Policy (arXiv 2303.04137; Janner et al. 2022), with FiLM."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from align.errors import SIZE, InputError, check_numbers
from align.networks.base import Denoiser
from align.networks.embedding import step_embedding


class _ConvBlock(nn.Sequential):
    def __init__(self, inputs: int, outputs: int, kernel: int, groups: int):
        super().__init__(
            nn.Conv1d(inputs, outputs, kernel, padding=kernel // 2), nn.GroupNorm(groups, outputs), nn.Mish()
        )


class _FiLMResidualBlock(nn.Module):
    """Two convolutions; the condition scales and shifts the channels between them (FiLM)."""

    def __init__(self, inputs: int, outputs: int, condition_dim: int, kernel: int, groups: int):
        super().__init__()
        self.first = _ConvBlock(inputs, outputs, kernel, groups)
        self.second = _ConvBlock(outputs, outputs, kernel, groups)
        self.film = nn.Sequential(nn.Mish(), nn.Linear(condition_dim, 2 * outputs))
        self.skip = nn.Conv1d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        scale, shift = self.film(condition)[..., None].chunk(2, dim=1)
        return self.second(self.first(x) * scale + shift) + self.skip(x)


class ConditionalUnet1D(Denoiser):
    """Denoises a sequence of actions given a condition.

    Args:
        action_dim: Size of one action.
        condition_dim: Size of the conditioning vector.
        channels: Channels at each resolution; the time axis is halved between two of them. Diffusion
            Policy uses [256, 512, 1024]; (48, 96) trains on one CPU core.
        kernel: Kernel size in time steps, odd.
        groups: Groups of the normalisation.
        step_features: Size of the diffusion step's embedding.
    """

    def __init__(
        self,
        action_dim: int,
        condition_dim: int,
        channels: Sequence[int] = (256, 512, 1024),
        kernel: int = 5,
        groups: int = 8,
        step_features: int = 128,
    ):
        super().__init__()
        sizes = {"action_dim": action_dim, "condition_dim": condition_dim, "kernel": kernel, "groups": groups}
        check_numbers(SIZE, whole=True, **sizes, channels=channels)
        check_numbers("[4, 65536]", whole=True, step_features=step_features)
        self.action_dim, self.condition_dim = action_dim, condition_dim
        self.channels, self.kernel, self.groups = tuple(channels), kernel, groups
        self.step_features = step_features
        if any(c % groups for c in channels):
            raise InputError(f"channels={tuple(channels)}: each must be a multiple of groups={groups}")
        self.embed = nn.Sequential(
            nn.Linear(step_features, 4 * step_features),
            nn.Mish(),
            nn.Linear(4 * step_features, step_features),
        )

        def block(inputs: int, outputs: int) -> _FiLMResidualBlock:
            return _FiLMResidualBlock(inputs, outputs, condition_dim + step_features, kernel, groups)

        pairs = list(zip((action_dim, *channels[:-1]), channels, strict=True))
        self.down = nn.ModuleList(nn.ModuleList([block(i, o), block(o, o)]) for i, o in pairs)
        self.downsample = nn.ModuleList(nn.Conv1d(c, c, 3, stride=2, padding=1) for c in channels[:-1])
        self.middle = nn.ModuleList([block(channels[-1], channels[-1]), block(channels[-1], channels[-1])])
        ups = list(zip(channels[:0:-1], channels[-2::-1], strict=True))
        self.up = nn.ModuleList(nn.ModuleList([block(2 * i, o), block(o, o)]) for i, o in ups)
        self.upsample = nn.ModuleList(nn.ConvTranspose1d(o, o, 4, stride=2, padding=1) for _, o in ups)
        self.last = _ConvBlock(channels[0], channels[0], kernel, groups)
        self.out = nn.Conv1d(channels[0], action_dim, 1)

    def features(self, x: Tensor, steps: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        """The prediction and the hidden layer before it.

        Args:
            x: (B, T, A) noisy actions; T divisible by 2 ** (len(channels) - 1).
            steps: (B,) diffusion steps.
            condition: (B, C).

        Returns:
            Prediction (B, T, A), and hidden layer (B, T · channels[0]).
        """
        halvings = len(self.channels) - 1
        if x.shape[1] % 2**halvings:
            raise InputError(
                f"horizon={x.shape[1]}: {len(self.channels)} channels need a multiple of {2**halvings}"
            )
        condition = torch.cat([condition, self.embed(step_embedding(steps, self.step_features))], dim=-1)
        h, skips = x.transpose(1, 2), []  # (B, A, T)
        for level, blocks in enumerate(self.down):
            for block in blocks:
                h = block(h, condition)
            if level < halvings:
                skips.append(h)
                h = self.downsample[level](h)
        skips.append(h)
        for block in self.middle:
            h = block(h, condition)
        for blocks, upsample in zip(self.up, self.upsample, strict=True):
            h = torch.cat([h, skips.pop()], dim=1)
            for block in blocks:
                h = block(h, condition)
            h = upsample(h)
        h = self.last(h)
        return self.out(h).transpose(1, 2), h.flatten(1)

    def forward(self, x: Tensor, steps: Tensor, condition: Tensor) -> Tensor:
        """The prediction (B, T, A); see `features`."""
        return self.features(x, steps, condition)[0]
