"""Matching moments of sim and real embeddings: covariances (Deep CORAL), or means and variances."""

import torch
from torch import Tensor

from align.alignment.objective import Objective, Samples

SMALLEST = 1e-18
"""Variance below which embeddings count as constant; its square, by which gradients are divided, is not 0."""


def covariance(x: Tensor) -> Tensor:
    """The unbiased covariance (D, D) of x (n, D)."""
    x = x - x.mean(0)
    return x.T @ x / (len(x) - 1)


def coral(x: Tensor, y: Tensor, scale: Tensor | float = 1.0) -> Tensor:
    """‖C_x − C_y‖²_F / (4 D²) of x (n, D) and y (m, D) (Sun & Saenko 2016, arXiv 1607.01719, eq. 1).

    The covariances are in units of `scale`.
    """
    return ((covariance(x) - covariance(y)) / scale).square().sum() / (4 * x.shape[1] ** 2)


def moment_distance(x: Tensor, y: Tensor) -> Tensor:
    """(‖μ_x − μ_y‖² + ‖s_x − s_y‖²) / D, with means μ and standard deviations s of each feature.

    D times it is the squared 2-Wasserstein distance of Gaussians with these moments and no correlation.
    """
    deviations = [(z.var(0) + torch.finfo(z.dtype).tiny).sqrt() for z in (x, y)]
    return ((x.mean(0) - y.mean(0)).square() + (deviations[0] - deviations[1]).square()).mean()


def within_variance(x: Tensor, y: Tensor) -> Tensor:
    """The mean over features and over both samples of the variance within a sample; with gradient."""
    return 0.5 * (x.var(0).mean() + y.var(0).mean()).clamp_min(SMALLEST)


class CORAL(Objective):
    """Deep CORAL: the squared distance of covariances, ‖C_sim − C_real‖²_F / (4 D²).

    Means are left as they are. The covariances are unbiased, but their squared distance is not: for equal
    distributions it is positive on average, by about 1/n + 1/m of the squared covariance.

    Args:
        scaled: Divide by the squared `within_variance`. As published, the distance grows with the fourth
            power of the embedding's scale: a suitable λ depends on it, and shrinking everything lowers it.
        memory: As in `Objective`.
    """

    def __init__(self, scaled: bool = False, memory: int = 0):
        super().__init__(memory)
        self.scaled = scaled

    def distance(self, sim: Samples, real: Samples) -> Tensor:
        """Of embeddings (n, D) and (m, D); scalar."""
        x, y = sim.embedding, real.embedding
        return coral(x, y, within_variance(x, y) if self.scaled else 1.0)


class MomentMatching(Objective):
    """Match of each feature's mean and standard deviation; see `moment_distance`.

    Like CORAL's, its value for equal distributions is positive on average: about 1/n + 1/m of the variance.

    Args:
        scaled: Divide by `within_variance`, so that shrinking the embedding does not lower it.
        memory: As in `Objective`.
    """

    def __init__(self, scaled: bool = False, memory: int = 0):
        super().__init__(memory)
        self.scaled = scaled

    def distance(self, sim: Samples, real: Samples) -> Tensor:
        """Of embeddings (n, D) and (m, D); scalar."""
        x, y = sim.embedding, real.embedding
        return moment_distance(x, y) / within_variance(x, y) if self.scaled else moment_distance(x, y)
