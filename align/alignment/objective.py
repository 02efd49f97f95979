"""What every way to align has in common: samples in, a scalar out, and the care around it."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from align.alignment.memory import EmbeddingMemory
from align.domain import Domain
from align.errors import InputError


class Samples(NamedTuple):
    """The samples of one domain.

    Attributes:
        embedding: (n, D) at the aligned site.
        action: (n, H · A) normalised action sequences, for objectives that compare actions.
        agent_pos: (n, P) normalised newest proprioception, for those that compare poses.
        privileged: (n, S) what a simulator knows of sim samples, for auxiliary losses; NaN of real ones.
    """

    embedding: Tensor
    action: Tensor | None = None
    agent_pos: Tensor | None = None
    privileged: Tensor | None = None

    def each(self, function) -> "Samples":
        """`function` of every tensor there is."""
        return Samples(*(None if x is None else function(x) for x in self))

    @property
    def n(self) -> int:
        """Number of samples."""
        return len(self.embedding)


class Objective(nn.Module):
    """A distance between sim and real samples that training makes small; the base of all in this folder.

    A subclass implements `distance`. The base joins a memory of past batches, computes in fp32 under
    autocast, refuses what is not finite, and returns a differentiable zero where a domain has fewer than
    `min_samples` samples.

    Args:
        memory: Number of past batches whose samples are kept per domain and join the newest without
            gradient. They enlarge the sample but are as old as `memory` steps.

    Attributes:
        min_samples: Samples of each domain that `distance` needs.
        of: What the objective joins embeddings with, a field of `Samples`; None compares embeddings alone.
        trusts: Whether the caller looks for what is not finite, as training does, on the device; otherwise
            every call does.
        measured: Whether the last call had enough samples of both, with those of its memory.
        logs: What the last call found beside its value, by name; scalars without gradient.
    """

    min_samples = 2
    of: str | None = None

    def __init__(self, memory: int = 0):
        super().__init__()
        if hasattr(type(self), "least"):  # it would pass unnoticed, and the default be taken
            raise InputError(f"{type(self).__name__}.least: is called min_samples; expected it by that name")
        self.memory = memory
        self.past = EmbeddingMemory(memory)
        self.logs: dict[str, Tensor] = {}
        self.measured = self.trusts = False

    def distance(self, sim: Samples, real: Samples) -> Tensor:
        """The distance, of at least `min_samples` fp32 samples of each domain.

        Args:
            sim: n samples.
            real: m samples.

        Returns:
            Scalar, differentiable in both embeddings.
        """
        raise NotImplementedError

    def forward(self, sim: Samples | Tensor, real: Samples | Tensor) -> Tensor:
        """The distance between the samples.

        Args:
            sim: n samples, or their embeddings (n, D) alone.
            real: m samples, or their embeddings (m, D) alone.

        Returns:
            Scalar fp32.

        Raises:
            InputError: A value is not finite, unless the caller is trusted with it.
        """
        sim, real = (Samples(x) if isinstance(x, Tensor) else x for x in (sim, real))
        if not self.trusts:
            check(sim, Domain.SIM)
            check(real, Domain.REAL)
        with torch.autocast(sim.embedding.device.type, enabled=False):
            sim, real = sim.each(Tensor.float), real.each(Tensor.float)
            if self.training:
                sim, real = self.past(sim, real)
            self.measured = min(sim.n, real.n) >= self.min_samples
            if not self.measured:
                return 0.0 * (sim.embedding.sum() + real.embedding.sum())
            return self.distance(sim, real)

    def build(self, dim: int) -> None:
        """Make what depends on the embedding's size D, `dim`; once, before training. Nothing by default."""

    def update(self, sim: Samples, real: Samples) -> None:
        """Learn what the objective learns by itself, before a step's loss; nothing by default.

        Args:
            sim: n detached samples of the global batch.
            real: m of them.
        """


def check(samples: Samples, domain: Domain) -> None:
    """Refuse samples that are not finite.

    Raises:
        InputError: One is not.
    """
    for name, x in zip(Samples._fields, samples, strict=True):
        if x is not None and not x.isfinite().all():
            bad = int((~x.isfinite()).flatten(1).any(1).sum())
            raise InputError(
                f"{name} of {domain.label}: NaN or infinity in {bad} of {len(x)} samples, "
                "expected finite numbers"
            )
