"""A first-in-first-out memory of past embeddings."""

import torch
from torch import Tensor, nn

from align.errors import InputError


class EmbeddingMemory(nn.Module):
    """Joins the embeddings of the last few batches, without gradient, to those of the newest.

    Its content is part of the state, so a resumed run continues as an uninterrupted one.

    Args:
        batches: Number of past batches to keep; 0 keeps none.
    """

    def __init__(self, batches: int):
        super().__init__()
        if batches < 0:
            raise InputError(f"memory={batches}: expected 0 or more past batches")
        self.batches = batches
        self.queues: tuple[list[Tensor], list[Tensor]] = ([], [])

    def forward(self, sim: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
        """(n, D), (m, D) → newest first, then past embeddings; the newest is then remembered."""
        joined = tuple(
            torch.cat([new, *(past.to(new) for past in queue)])
            for new, queue in zip((sim, real), self.queues, strict=True)
        )
        for new, queue in zip((sim, real), self.queues, strict=True):
            queue.insert(0, new.detach())
            del queue[self.batches :]
        return joined

    def get_extra_state(self) -> dict[str, list[Tensor]]:
        return {"sim": self.queues[0], "real": self.queues[1]}

    def set_extra_state(self, state: dict[str, list[Tensor]]) -> None:
        self.queues = (list(state["sim"]), list(state["real"]))
