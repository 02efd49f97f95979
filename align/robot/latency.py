"""How long it takes to plan a chunk of actions, as it was measured."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Latency:
    """Times in seconds, all NaN before the first chunk.

    Attributes:
        chunks: How many chunks they are of.
        p50: Median time from an observation to its chunk of actions, copied to the CPU.
        p99: The time that one chunk in a hundred exceeds, interpolated; of few chunks nearly the longest.
        longest: The longest one; the first of all takes longer than the others.
        waited: The longest time that `select_action` waited for a chunk, after the first of an episode: for
            how long an arm stands still. NaN where there was no such chunk.
    """

    chunks: int
    p50: float
    p99: float
    longest: float
    waited: float

    @classmethod
    def of(cls, planned: Sequence[float], waits: Sequence[float]) -> "Latency":
        """Of the times of planning, and of waiting for that."""
        if not planned:
            return cls(0, *[float("nan")] * 4)
        p50, p99 = np.percentile(planned, [50, 99])
        return cls(
            len(planned), float(p50), float(p99), float(max(planned)), float(max(waits, default=np.nan))
        )

    def __str__(self) -> str:
        names = ("p50", "p99", "longest", "waited")
        times = ", ".join(f"{name} {1000 * getattr(self, name):.1f} ms" for name in names)
        return f"{times} ({self.chunks} chunks)"
