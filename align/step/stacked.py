"""Several policies of equal shapes, computed as one: a weight of all is one tensor, their steps one step."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.overrides import TorchFunctionMode

Named = Mapping[str, Tensor]
Function = Callable[..., Named]
Draw = tuple[Callable, tuple, dict[str, Any]]
"""A function that draws, and what it is called with beside its generator."""


class Stacked:
    """Modules whose `policy`s are of one shape, computed with as one.

    The k-th slices of the stacked tensors are the k-th policy's own parameters and buffers, so that
    optimisers, averages and checkpoints of each go on as if it were alone. What belongs to a module but not
    to its policy, as an objective, stays apart.

    Args:
        modules: They differ in numbers only.

    Raises:
        RuntimeError: Their shapes differ.
    """

    def __init__(self, modules: Sequence[nn.Module]):
        self.modules = list(modules)
        policies = [module.policy for module in self.modules]
        self._own = {
            name: [dict(policy.named_parameters())[name] for policy in policies]
            for name, _ in policies[0].named_parameters()
        }
        self._parameters = {name: _stack(own) for name, own in self._own.items()}
        buffers = zip(*(policy.named_buffers() for policy in policies), strict=True)
        self._buffers = {named[0][0]: _stack([x for _, x in named]) for named in buffers}
        self._draws: dict[Function, list[Draw]] = {}

    def __call__(
        self,
        function: Function,
        arguments: Sequence[tuple[Named, ...]],
        generators: Sequence[torch.Generator],
    ) -> list[Named]:
        """What a function makes of each module and its arguments, computed as one.

        Args:
            function: Called with a module, mappings of tensors and a generator; returns a mapping of tensors,
                and changes nothing but buffers.
            arguments: Of each module.
            generators: Of each; what is drawn of one is what the function would have drawn of it alone.

        Returns:
            Of each module.

        Raises:
            RuntimeError: Something in it cannot be batched.
        """
        whole = _Called(self.modules[0], function)
        if function not in self._draws:
            self._draws[function] = self._recorded(whole, arguments[0], generators[0].device)
        draws = self._draws[function]
        drawn = [
            torch.stack([draw(*given, generator=g, **named) for g in generators])
            for draw, given, named in draws
        ]
        stacked = [
            {key: torch.stack([given[i][key] for given in arguments]) for key in named}
            for i, named in enumerate(arguments[0])
        ]

        def one(weights: Named, given: list[Named], drawn: list[Tensor]) -> Named:
            with _Replayed(draws, drawn, generators[0].device) as replayed:
                return functional_call(whole, weights, (*given, replayed.generator))

        found = vmap(one)(_owned({**self._parameters, **self._buffers}), stacked, drawn)
        parts = {key: x.unbind() for key, x in found.items()}
        return [{key: part[k] for key, part in parts.items()} for k in range(len(self.modules))]

    def backward(self, losses: Sequence[Tensor]) -> None:
        """The gradients of some of the modules' losses, each for its own parameters."""
        torch.autograd.backward(list(losses))
        for name, stack in self._parameters.items():
            if stack.grad is not None:
                for parameter, gradient in zip(self._own[name], stack.grad.unbind(), strict=True):
                    parameter.grad = gradient
                stack.grad = None

    @torch.no_grad()
    def _recorded(self, whole: nn.Module, arguments: tuple[Named, ...], device: torch.device) -> list[Draw]:
        """What the function draws, found by a call that leaves no trace."""
        weights = {name: x[0].clone() for name, x in {**self._parameters, **self._buffers}.items()}
        with _Recorded(device) as recorded:
            functional_call(whole, _owned(weights), (*arguments, recorded.generator))
        return recorded.draws


class _Called(nn.Module):
    """A function of a module as the forward pass of another."""

    def __init__(self, owner: nn.Module, function: Function):
        super().__init__()
        self.owner, self._function = owner, function

    def forward(self, *inputs: Any) -> Named:
        return self._function(self.owner, *inputs)


def _owned(weights: Named) -> Named:
    """Weights by their names in `_Called`."""
    return {f"owner.policy.{name}": x for name, x in weights.items()}


def _stack(tensors: Sequence[Tensor]) -> Tensor:
    """A tensor (K, ...) of which the K given ones are views from now on."""
    with torch.no_grad():
        stack = torch.stack([x.detach() for x in tensors])
        for x, part in zip(tensors, stack, strict=True):
            x.data = part
    return stack.requires_grad_(tensors[0].requires_grad)


class _Recorded(TorchFunctionMode):
    """Keeps what is drawn from its `generator`."""

    def __init__(self, device: torch.device):
        super().__init__()
        self.generator = torch.Generator(device)
        self.draws: list[Draw] = []

    def __torch_function__(self, function, types, args=(), kwargs=None):
        options = dict(kwargs or {})
        if options.get("generator") is self.generator:
            self.draws.append((function, args, {k: v for k, v in options.items() if k != "generator"}))
        return function(*args, **options)


class _Replayed(TorchFunctionMode):
    """Gives what was drawn before to whoever draws from its `generator`; layouts of memory are no matter."""

    def __init__(self, draws: Sequence[Draw], drawn: Sequence[Tensor], device: torch.device):
        super().__init__()
        self.generator = torch.Generator(device)
        self._left = list(zip(draws, drawn, strict=True))

    def __torch_function__(self, function, types, args=(), kwargs=None):
        options = dict(kwargs or {})
        if options.get("generator") is self.generator:
            (expected, given, _), value = self._left.pop(0)
            if (function, args) != (expected, given):
                raise RuntimeError("it draws other numbers at every step")
            return value
        if function is torch.Tensor.contiguous:  # only one layout is known under vmap
            return function(args[0])
        return function(*args, **options)
