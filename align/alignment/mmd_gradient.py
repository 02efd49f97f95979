"""MMD² with RBF kernels and its gradient in closed form, in one pass: as `align.alignment.mmd`, faster.

With k = mean over c of exp(−d / (c σ²)) of squared distances d, and σ² held fixed, a pair (i, j) pulls z_i by
2 (z_i − z_j) · dk/dd, dk/dd = −mean over c of exp(−d / (c σ²)) / (c σ²). Summed over j these are products of
matrices, with no graph of operations to keep. Multipliers that lie a power of two apart share an exponential:
exp(−2r) is exp(−r) squared. All pairs lie in one piece of memory, so that an operation on them is one call.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

Blocks = tuple[Tensor, Tensor, Tensor]
"""(n, n) within the first sample, (m, m) within the second and (n, m) between them."""


@torch.no_grad()
def pair_distances(x: Tensor, y: Tensor) -> tuple[Tensor, Blocks]:
    """Squared distances of all pairs of x (n, D) and y (m, D): laid flat, and as views of its blocks.

    They carry no gradient, and a sample is infinitely far from itself, so that kernels leave it out.
    """
    n, m = len(x), len(y)
    flat = x.new_empty(n * n + m * m + n * m)
    d_xx, d_yy, d_xy = _blocks(flat, n, m)
    norms_x, norms_y = x.square().sum(1), y.square().sum(1)
    for a, b, norms_a, norms_b, d in (
        (x, x, norms_x, norms_x, d_xx),
        (y, y, norms_y, norms_y, d_yy),
        (x, y, norms_x, norms_y, d_xy),
    ):
        torch.addmm(norms_b, a, b.T, alpha=-2, out=d).add_(norms_a[:, None])
    flat.clamp_min_(0)
    d_xx.fill_diagonal_(math.inf)
    d_yy.fill_diagonal_(math.inf)
    return flat, (d_xx, d_yy, d_xy)


def rbf_mmd2(
    x: Tensor,
    y: Tensor,
    distances: Tensor,
    sigma2: Tensor | float,
    multipliers: Sequence[float],
    unbiased: bool = True,
    factors: Blocks | None = None,
) -> Tensor:
    """What `mmd2_from_kernel` makes of the mean RBF kernel, with the gradient of x and y in closed form.

    Args:
        x: (n, D) first sample; x and y best centred, for round-off.
        y: (m, D) second sample.
        distances: The first of `pair_distances(x, y)`.
        sigma2: σ², without gradient.
        multipliers: The c above.
        unbiased: U-statistic or V-statistic.
        factors: Another kernel of the same pairs, without gradient, that this one is multiplied with; 1
            between a sample and itself.

    Returns:
        Scalar, differentiable once; a second derivative raises a RuntimeError.
    """
    return _ClosedForm.apply(x, y, distances, sigma2, tuple(multipliers), unbiased, factors)


class _ClosedForm(torch.autograd.Function):
    """Both gradients are made in the forward pass, while the kernels are at hand."""

    @staticmethod
    def forward(ctx, x, y, distances, sigma2, multipliers, unbiased, factors):
        n, m = len(x), len(y)
        kernel, slope = _sums_over_multipliers(distances, sigma2, multipliers)
        (k_xx, k_yy, k_xy), (s_xx, s_yy, s_xy) = _blocks(kernel, n, m), _blocks(slope, n, m)
        if factors is not None:
            for block in ((k_xx, k_yy, k_xy), (s_xx, s_yy, s_xy)):
                for one, other in zip(block, factors, strict=True):
                    one.mul_(other)
        share = 1 / len(multipliers)
        a = share / (n * (n - 1) if unbiased else n * n)
        b = share / (m * (m - 1) if unbiased else m * m)
        w = -2 * share / (n * m)
        value = (a * k_xx.sum()).add_(k_yy.sum(), alpha=b).add_(k_xy.sum(), alpha=w)
        if not unbiased:
            value = value + (1 / n + 1 / m)  # k(x, x) = 1
        if ctx.needs_input_grad[0] or ctx.needs_input_grad[1]:
            x1, y1 = (torch.cat([z, z.new_ones(len(z), 1)], 1) for z in (x, y))  # products, and sums beside
            to_x = torch.addmm((2 * w) * (s_xy @ y1), s_xx, x1, alpha=4 * a)
            to_y = torch.addmm((2 * w) * (s_xy.T @ x1), s_yy, y1, alpha=4 * b)
            pulls = (g[:, -1:] * z - g[:, :-1] for g, z in ((to_x, x), (to_y, y)))
            ctx.save_for_backward(x, y, *pulls)
            ctx.scale = -1 / sigma2
        return value

    @staticmethod
    def backward(ctx, upstream):
        x, y, to_x, to_y = ctx.saved_tensors
        gradients = (upstream * ctx.scale * to for to in (to_x, to_y))
        if torch.is_grad_enabled():  # for a second derivative, of which nothing is known here
            gradients = (_Once.apply(g, z) for g, z in zip(gradients, (x, y), strict=True))
        return *gradients, *[None] * 5


class _Once(torch.autograd.Function):
    """A gradient that depends on z in a way that cannot be differentiated again."""

    @staticmethod
    def forward(ctx, gradient, z):
        return gradient.clone()

    @staticmethod
    def backward(ctx, upstream):
        raise RuntimeError("the closed form of MMD² is differentiable once; expected no second derivative")


def _sums_over_multipliers(
    squared: Tensor, sigma2: Tensor | float, multipliers: Sequence[float]
) -> tuple[Tensor, Tensor]:
    """Σ exp(−d / (c σ²)) and Σ exp(−d / (c σ²)) / c of squared distances d; both new, of the same shape."""
    widest, *others = sorted(multipliers, reverse=True)
    term = torch.exp(squared * (-1 / (widest * sigma2)))
    kernel, slope, previous = term.clone(), term / widest, widest
    for c in others:
        doublings = math.log2(previous / c)
        if doublings.is_integer():
            for _ in range(int(doublings)):
                term.mul_(term)
        else:
            term = torch.exp(squared * (-1 / (c * sigma2)))
        kernel.add_(term)
        slope.add_(term, alpha=1 / c)
        previous = c
    return kernel, slope


def _blocks(flat: Tensor, n: int, m: int) -> Blocks:
    """Pairs within the first sample, within the second and between them: views of `flat`."""
    xx, yy, xy = flat.split([n * n, m * m, n * m])
    return xx.view(n, n), yy.view(m, m), xy.view(n, m)
