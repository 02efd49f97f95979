"""Maximum mean discrepancy between sim and real embeddings (Gretton et al. 2012, JMLR 13).

MMD²(P, Q) = E k(x, x') + E k(y, y') − 2 E k(x, y), with x, x' ~ P and y, y' ~ Q independent. It is zero
if and only if P = Q, for a characteristic kernel such as the RBF kernel k(x, y) = exp(−‖x − y‖² / σ²).
"""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from align.alignment.objective import Objective, Samples
from align.errors import InputError


def squared_distances(x: Tensor, y: Tensor) -> Tensor:
    """‖x_i − y_j‖² for x (n, D) and y (m, D) → (n, m), never negative."""
    return (x.square().sum(1)[:, None] + y.square().sum(1) - 2 * x @ y.T).clamp_min(0)


def mmd2_from_kernel(k_xx: Tensor, k_yy: Tensor, k_xy: Tensor, unbiased: bool = True) -> Tensor:
    """MMD² from kernel matrices.

    Args:
        k_xx: (n, n) kernel within the first sample.
        k_yy: (m, m) kernel within the second sample.
        k_xy: (n, m) kernel between them.
        unbiased: The U-statistic, which leaves out the diagonals, has the true MMD² as its mean and may
            be negative; needs n, m ≥ 2. Otherwise the biased V-statistic, which is never negative.

    Returns:
        Scalar.
    """
    if not unbiased:
        return k_xx.mean() + k_yy.mean() - 2 * k_xy.mean()
    n, m = k_xy.shape
    within_x = (k_xx.sum() - k_xx.diagonal().sum()) / (n * (n - 1))
    within_y = (k_yy.sum() - k_yy.diagonal().sum()) / (m * (m - 1))
    return within_x + within_y - 2 * k_xy.mean()


def bandwidth_from_distances(
    d_xx: Tensor, d_yy: Tensor, d_xy: Tensor, statistic: Literal["median", "mean"]
) -> Tensor:
    """σ² as the median or mean squared distance over all pairs of distinct pooled samples, detached."""
    n, m = d_xy.shape
    i, j = torch.triu_indices(n, n, 1, device=d_xx.device), torch.triu_indices(m, m, 1, device=d_xx.device)
    pairs = torch.cat([d_xx.detach()[i[0], i[1]], d_yy.detach()[j[0], j[1]], d_xy.detach().flatten()])
    sigma2 = pairs.median() if statistic == "median" else pairs.mean()
    return sigma2.clamp_min(torch.finfo(sigma2.dtype).eps)


class MMD(Objective):
    """MMD² with an RBF kernel, or the mean of several RBF kernels.

    k(x, y) = mean over multipliers c of exp(−‖x − y‖² / (c · σ²)).

    Args:
        bandwidth: σ² in squared units of the embedding: a number keeps it fixed; "median" and "mean"
            take that statistic of the pooled pairwise squared distances of each batch; "ema" is an
            exponential moving average of the median. It never carries gradient.
        multipliers: The c above; `(1.0,)` is a single kernel.
        unbiased: U-statistic (default) or V-statistic; see `mmd2_from_kernel`.
        memory: Number of past batches whose embeddings are kept per domain and join the statistic
            without gradient. They enlarge the sample but are as old as `memory` steps.
        ema_decay: Decay of the moving average for `bandwidth="ema"`.
    """

    def __init__(
        self,
        bandwidth: Literal["median", "mean", "ema"] | float = "median",
        multipliers: Sequence[float] = (0.25, 0.5, 1.0, 2.0, 4.0),
        unbiased: bool = True,
        memory: int = 0,
        ema_decay: float = 0.99,
    ):
        super().__init__(memory)
        fixed = isinstance(bandwidth, (int, float))
        if (fixed and not bandwidth > 0) or (not fixed and bandwidth not in ("median", "mean", "ema")):
            raise InputError(f"bandwidth={bandwidth!r}: expected a number > 0, 'median', 'mean' or 'ema'")
        if not multipliers or min(multipliers) <= 0:
            raise InputError(f"multipliers={tuple(multipliers)}: expected one or more numbers > 0")
        if not 0 <= ema_decay < 1:
            raise InputError(f"ema_decay={ema_decay}: expected 0 ≤ ema_decay < 1")
        self.bandwidth, self.multipliers, self.unbiased = bandwidth, tuple(multipliers), unbiased
        self.ema_decay = ema_decay
        self.register_buffer("sigma2", torch.tensor(float(bandwidth) if fixed else float("nan")))

    def distance(self, sim: Samples, real: Samples) -> Tensor:
        """MMD² between embeddings (n, D) and (m, D); scalar."""
        sim, real = sim.embedding, real.embedding
        center = torch.cat([sim, real]).detach().mean(0)  # leaves distances as they are, but not round-off
        sim, real = sim - center, real - center
        d_xx, d_yy = squared_distances(sim, sim), squared_distances(real, real)
        d_xy = squared_distances(sim, real)
        sigma2 = self._sigma2(d_xx, d_yy, d_xy)
        self.logs = {"bandwidth": sigma2.sqrt()}
        k_xx, k_yy, k_xy = (self._kernel(d, sigma2) for d in (d_xx, d_yy, d_xy))
        return mmd2_from_kernel(k_xx, k_yy, k_xy, self.unbiased)

    def _kernel(self, squared: Tensor, sigma2: Tensor) -> Tensor:
        return torch.stack([torch.exp(-squared / (c * sigma2)) for c in self.multipliers]).mean(0)

    def _sigma2(self, d_xx: Tensor, d_yy: Tensor, d_xy: Tensor) -> Tensor:
        """The bandwidth of this batch; `self.sigma2` keeps the last one of training, for logs and "ema"."""
        if isinstance(self.bandwidth, (int, float)):
            return self.sigma2
        if self.bandwidth == "ema" and not self.training and self.sigma2.isfinite():
            return self.sigma2
        sigma2 = bandwidth_from_distances(
            d_xx, d_yy, d_xy, "median" if self.bandwidth == "ema" else self.bandwidth
        )
        if self.bandwidth == "ema" and self.sigma2.isfinite():
            sigma2 = self.sigma2 + (1 - self.ema_decay) * (sigma2 - self.sigma2)
        if self.training:
            self.sigma2.copy_(sigma2)
        return sigma2
