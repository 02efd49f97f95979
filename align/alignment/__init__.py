"""Objectives that align sim and real embeddings, one a file.

An objective is an `Objective`: called with the sim and the real samples of the batch, it returns a scalar
in fp32, a differentiable zero where a domain has too few samples. How much it counts is for a `Weighting`.
"""

from align.alignment.adversarial import ADDA, DANN
from align.alignment.constrained import Constrained
from align.alignment.gradient_ratio import GradientRatio
from align.alignment.joint_mmd import JointMMD
from align.alignment.mmd import MMD
from align.alignment.moments import CORAL, MomentMatching
from align.alignment.objective import Objective, Samples
from align.alignment.transport import SinkhornDivergence, UnbalancedOT
from align.alignment.weighting import Weighting

__all__ = [
    "ADDA",
    "CORAL",
    "DANN",
    "MMD",
    "Constrained",
    "GradientRatio",
    "JointMMD",
    "MomentMatching",
    "Objective",
    "Samples",
    "SinkhornDivergence",
    "UnbalancedOT",
    "Weighting",
]
