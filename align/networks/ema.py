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
        self._known: tuple[nn.Module, _Tensors, _Tensors] | None = None

    def __getstate__(self) -> dict:
        return self.__dict__ | {"_known": None}  # a copy of it is none of the model that it follows

    def forget(self) -> None:
        """Look for weights anew at the next update, as where training begins."""
        self._known = None

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
        ours, theirs = self._tensors(model)
        if isinstance(share, Tensor):  # all at once take numbers only
            for our, their in zip(ours.parameters, theirs.parameters, strict=True):
                our.lerp_(their, share)
        else:
            torch._foreach_lerp_(ours.parameters, theirs.parameters, share)
        if buffers := theirs.buffers():
            torch._foreach_copy_(ours.buffers(), buffers)

    def _tensors(self, model: nn.Module) -> tuple["_Tensors", "_Tensors"]:
        """The average's and the model's, looked for once: at each step that took longer than to move them."""
        if self._known is None or self._known[0] is not model or not all(x.hold() for x in self._known[1:]):
            self._known = model, _Tensors(self.model), _Tensors(model)
        return self._known[1:]


class _Tensors:
    """Parameters and buffers of a model, in its order."""

    def __init__(self, model: nn.Module):
        self.model, self.parameters = model, list(model.parameters())
        self._owners = [module for module in model.modules() if module._buffers]

    def hold(self) -> bool:
        """Whether the first parameter is the model's still: on some devices moving it makes new ones."""
        return not self.parameters or next(self.model.parameters()) is self.parameters[0]

    def buffers(self) -> list[Tensor]:
        """Those that are there now: moving a model to a device makes new ones."""
        return [x for module in self._owners for x in module._buffers.values() if x is not None]
