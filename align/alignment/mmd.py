"""Maximum mean discrepancy between sim and real embeddings (Gretton et al. 2012, JMLR 13).

MMD²(P, Q) = E k(x, x') + E k(y, y') − 2 E k(x, y), with x, x' ~ P and y, y' ~ Q independent. It is zero
if and only if P = Q, for a characteristic kernel such as the RBF kernel k(x, y) = exp(−‖x − y‖² / σ²).
"""

import functools
from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor

from align.alignment.mmd_gradient import Blocks, pair_distances, rbf_mmd2
from align.alignment.objective import Objective, Samples
from align.errors import InputError, check_numbers


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


def mmd2_linear(x: Tensor, y: Tensor, kernel: Callable[[Tensor], Tensor]) -> Tensor:
    """Unbiased MMD² in linear time, from independent pairs (Gretton et al. 2012, section 6).

    The mean over i of k(x_i, x_i') + k(y_i, y_i') − k(x_i, y_i') − k(x_i', y_i), where the primed samples
    are the second halves. Its variance is that of half as many independent terms as there are samples.

    Args:
        x: (n, D) first sample; what exceeds twice half the smaller sample is left out.
        y: (m, D) second sample.
        kernel: Kernel of squared distances.

    Returns:
        Scalar.
    """
    half = min(len(x), len(y)) // 2
    x, y = (z[: 2 * half].unflatten(0, (2, half)) for z in (x, y))

    def pairs(a: Tensor, b: Tensor) -> Tensor:
        return kernel((a - b).square().sum(1))

    return (pairs(x[0], x[1]) + pairs(y[0], y[1]) - pairs(x[0], y[1]) - pairs(x[1], y[0])).mean()


def bandwidth_from_distances(
    d_xx: Tensor, d_yy: Tensor, d_xy: Tensor, statistic: Literal["median", "mean"]
) -> Tensor:
    """σ²: the median or mean squared distance within x, within y and between them, averaged; detached.

    The three kinds of pair count alike, however many samples there are of each. Over all pairs at once the
    median of two samples that lie apart would be the smallest distance between them where they are equally
    many, and the largest within one where they are not quite.
    """
    d_xx, d_yy, d_xy = (d.detach() for d in (d_xx, d_yy, d_xy))
    recording = d_xy.is_cuda and torch.cuda.is_current_stream_capturing()
    places = _above_diagonal.__wrapped__ if recording else _above_diagonal  # a graph keeps no cache alive
    within = [d.flatten().index_select(0, places(len(d), d.device)) for d in (d_xx, d_yy)]
    kinds = [d for d in (*within, d_xy.flatten()) if d.numel()]  # one sample has no pair
    sigma2 = torch.stack([d.median() if statistic == "median" else d.mean() for d in kinds]).mean()
    return sigma2.clamp_min(torch.finfo(sigma2.dtype).eps)


@functools.lru_cache(maxsize=4)
def _above_diagonal(n: int, device: torch.device) -> Tensor:
    """Places of the pairs i < j in an (n, n) matrix laid flat, (n (n − 1) / 2,) int64."""
    i, j = torch.triu_indices(n, n, 1, device=device)
    return i * n + j


class MMD(Objective):
    """MMD² with a kernel of the distance, or the mean of several of them.

    k(x, y) = mean over multipliers c of κ(‖x − y‖² / (c · σ²)), where κ(r) is exp(−r) for the RBF kernel,
    exp(−√r) for the Laplacian and −√r for the energy kernel. With σ² = 1 and one multiplier of 1, the last
    makes MMD² the energy distance 2 E‖x − y‖ − E‖x − x'‖ − E‖y − y'‖ (Székely & Rizzo 2013; Sejdinovic
    et al. 2013, arXiv 1207.6076), otherwise that distance in units of σ.

    Args:
        kernel: "rbf", "laplacian" or "energy".
        bandwidth: σ² in squared units of the embedding: a number keeps it fixed; "median" and "mean"
            take that statistic of the squared distances of each batch, the average of those within sim,
            within real and between them; "ema" is an exponential moving average of the median. It never
            carries gradient.
        multipliers: The c above; `(1.0,)` is a single kernel.
        estimator: "quadratic" compares all pairs; "linear" only disjoint ones, for large memories.
        unbiased: U-statistic (default) or V-statistic; see `mmd2_from_kernel`. The linear estimator is
            always unbiased.
        memory: Number of past batches whose embeddings are kept per domain and join the statistic
            without gradient. They enlarge the sample but are as old as `memory` steps.
        ema_decay: Decay of the moving average for `bandwidth="ema"`.
    """

    def __init__(
        self,
        kernel: Literal["rbf", "laplacian", "energy"] = "rbf",
        bandwidth: Literal["median", "mean", "ema"] | float = "median",
        multipliers: Sequence[float] = (0.25, 0.5, 1.0, 2.0, 4.0),
        estimator: Literal["quadratic", "linear"] = "quadratic",
        unbiased: bool = True,
        memory: int = 0,
        ema_decay: float = 0.99,
    ):
        super().__init__(memory)
        fixed = isinstance(bandwidth, (int, float))
        if kernel not in KERNELS:
            raise InputError(f"kernel={kernel!r}: expected one of {', '.join(KERNELS)}")
        if estimator not in ("quadratic", "linear"):
            raise InputError(f"estimator={estimator!r}: expected 'quadratic' or 'linear'")
        if fixed:
            check_numbers("(0, 1e12]", bandwidth=bandwidth)
        elif bandwidth not in ("median", "mean", "ema"):
            raise InputError(f"bandwidth={bandwidth!r}: expected a number > 0, 'median', 'mean' or 'ema'")
        check_numbers("(0, 1e6]", multipliers=multipliers)
        if not multipliers:
            raise InputError("multipliers=(): expected one or more numbers")
        check_numbers("[0, 1)", ema_decay=ema_decay)
        self.kernel, self.estimator = kernel, estimator
        self.bandwidth, self.multipliers, self.unbiased = bandwidth, tuple(multipliers), unbiased
        self.ema_decay = ema_decay
        self.register_buffer("sigma2", torch.tensor(float(bandwidth) if fixed else float("nan")))

    def distance(self, sim: Samples, real: Samples) -> Tensor:
        """MMD² between embeddings (n, D) and (m, D); scalar."""
        x, y = centred(sim.embedding, real.embedding)
        if self.estimator == "linear":
            half = min(len(x), len(y)) // 2
            distances = [squared_distances(a[:half], b[:half]) for a, b in ((x, x), (y, y), (x, y))]
            sigma2 = self._sigma2(*distances)
            return mmd2_linear(x, y, lambda d: self._kernel(d, sigma2))
        return self._mmd2(x, y)

    def _mmd2(self, x: Tensor, y: Tensor, factors: Blocks | None = None) -> Tensor:
        """MMD² over all pairs; the kernel is multiplied with `factors`, another one of the same pairs."""
        if self.kernel == "rbf":  # its gradient has a closed form
            flat, distances = pair_distances(x, y)
            sigma2 = self._sigma2(*distances)
            return rbf_mmd2(x, y, flat, sigma2, self.multipliers, self.unbiased, factors)
        distances = squared_distances(x, x), squared_distances(y, y), squared_distances(x, y)
        sigma2 = self._sigma2(*distances)
        kernels = [self._kernel(d, sigma2) for d in distances]
        if factors is not None:
            kernels = [k * other for k, other in zip(kernels, factors, strict=True)]
        return mmd2_from_kernel(*kernels, self.unbiased)

    def _kernel(self, squared: Tensor, sigma2: Tensor) -> Tensor:
        kappa = KERNELS[self.kernel]
        return torch.stack([kappa(squared / (c * sigma2)) for c in self.multipliers]).mean(0)

    def _sigma2(self, d_xx: Tensor, d_yy: Tensor, d_xy: Tensor) -> Tensor:
        """The bandwidth of this batch; `self.sigma2` keeps the last one of training, for "ema"."""
        sigma2 = self.sigma2
        if self.bandwidth in ("median", "mean"):
            sigma2 = bandwidth_from_distances(d_xx, d_yy, d_xy, self.bandwidth)
        elif self.bandwidth == "ema":
            median = bandwidth_from_distances(d_xx, d_yy, d_xy, "median")
            moved = sigma2.lerp(median, 1 - self.ema_decay) if self.training else sigma2
            sigma2 = torch.where(sigma2.isfinite(), moved, median)  # the first has nothing to move from
        if self.training:
            self.sigma2.copy_(sigma2)
        self.logs = {"bandwidth": sigma2.sqrt()}
        return sigma2


def _root(r: Tensor) -> Tensor:
    """√r with gradient 0 where r = 0, as between a sample and itself."""
    return r.clamp_min(torch.finfo(r.dtype).tiny).sqrt()


KERNELS = {
    "rbf": lambda r: torch.exp(-r),
    "laplacian": lambda r: torch.exp(-_root(r)),
    "energy": lambda r: -_root(r),
}
"""κ of r = ‖x − y‖² / σ²."""


def centred(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Both samples moved by their mean, which leaves distances as they are, but not their round-off."""
    centre = torch.cat([x, y]).detach().mean(0)
    return x - centre, y - centre
