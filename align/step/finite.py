"""Whether losses stay finite, watched on the device: a look at every step would wait for it."""

import torch
import torch.distributed as dist
from torch import Tensor, nn

from align.errors import InputError

NEVER = torch.iinfo(torch.int64).max


class FiniteWatch:
    """Remembers the first step at which each of some scalars was not finite, without reading them.

    ```python
    watch = FiniteWatch("loss")
    for step in range(steps):
        watch.see(step, loss)
        if step % 25 == 0:
            watch.check()  # waits for the device, and raises
    ```

    Args:
        *names: What is watched.
    """

    def __init__(self, *names: str):
        self.names = names
        self._first: Tensor | None = None  # (n,) int64, the first step of each
        self._value: Tensor  # (n,) what it was there

    @torch.no_grad()
    def see(self, step: int, *values: Tensor) -> None:
        """Look at the scalars of a step, in the order of their names."""
        found = torch.stack([value.detach().float() for value in values])
        if self._first is None:
            self._first, self._value = torch.full_like(found, NEVER, dtype=torch.int64), found
        new = ~found.isfinite() & (self._first == NEVER)
        self._first = torch.where(new, step, self._first)
        self._value = torch.where(new, found, self._value)

    def check(self, agree: bool = False) -> None:
        """Read what was seen.

        Args:
            agree: Whether all processes that train together look now: then all raise alike, or none, and no
                one is left waiting for another that stopped.

        Raises:
            InputError: A number was not finite; the first one is named, with its step.
        """
        if self._first is None:
            return
        seen = torch.stack([self._first.double(), self._value.double()])  # (2, n)
        if agree and dist.is_available() and dist.is_initialized():
            of_each = [torch.empty_like(seen) for _ in range(dist.get_world_size())]
            dist.all_gather(of_each, seen)
            seen = torch.cat(of_each, 1)  # (2, processes · n)
        steps, values = seen.tolist()
        names = self.names * (len(steps) // len(self.names))
        first, name, value = min(zip(steps, names, values, strict=True), key=lambda found: found[0])
        if first < NEVER:
            where = f"{name} is not finite at step {first:.0f}: {value}"
            raise InputError(f"{where}; lower the learning rate or check the data")


def check_weights(step: int, *modules: nn.Module) -> None:
    """Refuse to keep weights that were spoilt.

    Args:
        step: The step after which they are to be kept.
        *modules: Whose they are.

    Raises:
        InputError: One is not finite.
    """
    if not all(bool(torch.isfinite(p).all()) for module in modules for p in module.parameters()):
        raise InputError(
            f"weights are not finite at step {step}; lower the learning rate or check the data and the "
            "objective; the last checkpoint is kept"
        )
