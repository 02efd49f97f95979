"""Objectives that align sim and real embeddings, one a file.

An objective is an `Objective`: called with the sim and the real samples of the batch, it returns a scalar
in fp32, a differentiable zero where a domain has too few samples.
"""

from align.alignment.mmd import MMD
from align.alignment.objective import Objective, Samples

__all__ = ["MMD", "Objective", "Samples"]
