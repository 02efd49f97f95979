"""Objectives that align sim and real embeddings, one a file.

An objective is an `nn.Module` called with the embeddings of the batch's sim samples (n, D) and real
samples (m, D). It returns a scalar in fp32, a differentiable zero where a domain has too few samples.
"""

from align.alignment.mmd import MMD

__all__ = ["MMD"]
