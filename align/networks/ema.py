"""Exponential moving average of weights, with Diffusion Policy's warm-up."""

import copy

import torch
from torch import Tensor, nn

from align.errors import check_numbers


class ExponentialMovingAverage(nn.Module):
    """A shadow copy of a model whose floating-point weights are averaged over training.

    The decay is `min(max_decay, 1 − (1 + step)^−power)`, as in Diffusion Policy. Buffers are copied.

    Args:
        model: The model to average.
        power: Exponent of the warm-up.
        max_decay: Largest decay.
    """

    def __init__(self, model: nn.Module, power: float = 0.75, max_decay: float = 0.9999):
        super().__init__()
        check_numbers("(0, 10]", power=power)
        check_numbers("[0, 1]", max_decay=max_decay)
        self.power, self.max_decay = power, max_decay
        self.model = copy.deepcopy(model).eval().requires_grad_(False)

    def decay(self, step: int) -> float:
        """Weight of the old average at optimiser step `step` ≥ 0."""
        return min(self.max_decay, 1 - (1 + step) ** -self.power)

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Move the average towards `model` after optimiser step `step`."""
        self.move(model, 1 - self.decay(step))

    @torch.no_grad()
    def move(self, model: nn.Module, share: float | Tensor) -> None:
        """Move the average by a share of the way, which a scalar on the device may hold."""
        if isinstance(share, Tensor):  # all at once take numbers only
            for ours, theirs in zip(self.model.parameters(), model.parameters(), strict=True):
                ours.lerp_(theirs, share)
        else:
            torch._foreach_lerp_(list(self.model.parameters()), list(model.parameters()), share)
        if buffers := list(model.buffers()):
            torch._foreach_copy_(list(self.model.buffers()), buffers)
