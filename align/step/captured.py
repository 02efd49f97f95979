"""The encoder's and the denoiser's kernels of a training step, recorded once as CUDA graphs and replayed.

At this size a step is some 1,500 kernels, and a GPU waits for the host to launch them one by one; a graph is
one launch. Losses, objectives and the optimiser are launched as ever: any of them may be a user's own.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from align.errors import one_line
from align.policy import DiffusionPolicy
from align.step import graph


class Captured:
    """A function of a module's parameters, replayed in training where inputs are as at its first call there.

    Other calls (of another size, without gradient, in evaluation) run as ever, and so does every one where
    the recording fails, with a line that says why.

    Args:
        owner: The module whose parameters it has.
        function: Called with tensors; returns a tensor, or a tuple of them.
        name: What to call it in that line.
    """

    def __init__(self, owner: nn.Module, function: Callable, name: str):
        self._owner, self._function, self._name = owner, function, name
        self._replay: Callable | None = None
        self._recorded: tuple | None = None

    def __call__(self, *inputs: Tensor):
        if not (self._owner.training and torch.is_grad_enabled() and on_gpu(inputs)):
            return self._function(*inputs)
        kind = tuple((x.shape, x.dtype, x.stride(), x.requires_grad) for x in inputs)
        kind = (*kind, torch.is_autocast_enabled("cuda"))
        if self._recorded is None:
            self._recorded, self._replay = kind, self._record(inputs)
        if self._replay is None or kind != self._recorded:
            return self._function(*inputs)
        outputs = self._replay(
            *inputs
        )  # the next replay overwrites them, and memories of past batches keep them
        return outputs.clone() if isinstance(outputs, Tensor) else tuple(x.clone() for x in outputs)

    def _record(self, inputs: tuple[Tensor, ...]) -> Callable | None:
        samples = tuple(x.detach().clone().requires_grad_(x.requires_grad) for x in inputs)
        try:
            return graph.record_module(_Function(self._owner, self._function), samples)
        except Exception as error:  # of whatever the modules are made of
            print(f"{self._name}: no CUDA graph, its kernels are launched one by one ({one_line(error)})")
            return None


class _Function(nn.Module):
    """A function as the forward pass of a module that has the parameters it uses."""

    def __init__(self, owner: nn.Module, function: Callable):
        super().__init__()
        self.owner, self._function = owner, function

    def forward(self, *inputs: Tensor):
        return self._function(*inputs)


def on_gpu(inputs: tuple[Tensor, ...]) -> bool:
    """Whether all inputs are tensors, and where graphs are; of several cameras there is a mapping of them."""
    return all(isinstance(x, Tensor) and x.is_cuda for x in inputs)


def capture(policy: DiffusionPolicy) -> Callable[[], None]:
    """Record a policy's encoder and denoiser at their next training step; they are called as before.

    Args:
        policy: On its device, with parameters that training changes in place.

    Returns:
        What makes the policy as it was.
    """
    methods = [(policy.denoiser, "features", "denoiser")]
    if policy.encoder is not None:
        methods.append((policy.encoder, "forward", "encoder"))
    for module, method, name in methods:
        setattr(module, method, Captured(module, getattr(module, method), name))

    def release() -> None:
        for module, method, _ in methods:
            vars(module).pop(method, None)

    return release
