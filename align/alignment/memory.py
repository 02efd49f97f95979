"""A first-in-first-out memory of past embeddings."""

from typing import TypeVar

import torch
from torch import Tensor, nn

from align.errors import check_numbers

Fields = TypeVar("Fields", bound=tuple)  # a named tuple of tensors, `None` where one is absent


class EmbeddingMemory(nn.Module):
    """Joins the samples of the last few batches, without gradient, to those of the newest.

    Its content is part of the state, so a resumed run continues as an uninterrupted one.

    Args:
        batches: Number of past batches to keep; 0 keeps none.
    """

    def __init__(self, batches: int):
        super().__init__()
        check_numbers("[0, 65536]", whole=True, memory=batches)
        self.batches = batches
        self.queues: tuple[list[list[Tensor | None]], ...] = ([], [])

    def forward(self, sim: Fields, real: Fields) -> tuple[Fields, Fields]:
        """Samples of both domains → newest first, then past ones; the newest are then remembered."""
        if self.batches == 0:
            return sim, real
        joined = tuple(_join(new, queue) for new, queue in zip((sim, real), self.queues, strict=True))
        for new, queue in zip((sim, real), self.queues, strict=True):
            queue.insert(0, [None if x is None else x.detach() for x in new])
            del queue[self.batches :]
        return joined

    def get_extra_state(self) -> dict[str, list[list[Tensor | None]]]:
        return {"sim": self.queues[0], "real": self.queues[1]}

    def set_extra_state(self, state: dict[str, list[list[Tensor | None]]]) -> None:
        self.queues = (list(state["sim"]), list(state["real"]))


def _join(new: Fields, past: list[list[Tensor | None]]) -> Fields:
    fields = zip(new, *past, strict=True)
    return type(new)(*(None if x is None else torch.cat([x, *(p.to(x) for p in old)]) for x, *old in fields))
