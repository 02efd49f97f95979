"""The two domains of a co-training problem, and the one place that numbers them."""

from enum import IntEnum


class Domain(IntEnum):
    """Where a demonstration comes from. Labels in batches, probes and figures are these numbers."""

    SIM = 0
    REAL = 1

    @property
    def label(self) -> str:
        """The lower-case name, as used in files, logs and figures."""
        return self.name.lower()
