"""Whether losses stay finite, watched on the device: a look at every step would wait for it."""

import torch
from torch import Tensor

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

    def check(self) -> None:
        """Read what was seen.

        Raises:
            InputError: A number was not finite; the first one is named, with its step.
        """
        if self._first is None:
            return
        first, name, value = min(zip(self._first.tolist(), self.names, self._value.tolist(), strict=True))
        if first < NEVER:
            raise InputError(
                f"{name} is not finite at step {first}: {value}; lower the learning rate or check the data"
            )
