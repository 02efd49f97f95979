"""Below which noise level a denoiser needs only a short stretch of a sequence.

Sequences that are wrong as a whole may be right in every short stretch. They can train a denoiser at low
noise, where it looks at no more than that (Ambient Diffusion Omni, arXiv 2506.10038). How far it looks is
measured here on the best linear denoiser of clean sequences, which is known in closed form.
"""

import torch
from torch import Tensor

from align.diffusion.annotate import Sequences


def crops(sequences: Sequences, length: int, generator: torch.Generator) -> Sequences:
    """One stretch of `length` steps from each sequence, at a random place."""
    n, horizon = sequences.x.shape[:2]
    first = torch.randint(horizon - length + 1, (n,), generator=generator)
    rows = first[:, None] + torch.arange(length)
    return Sequences(sequences.x[torch.arange(n)[:, None], rows], sequences.episode, sequences.condition)


def excess_error(x: Tensor, sigmas: Tensor, length: int) -> Tensor:
    """How much worse the linear denoiser gets that sees `length` steps around each instead of all.

    Args:
        x: (N, H, A) clean sequences.
        sigmas: (L,) noise levels.
        length: Steps it sees, those nearest to the one it denoises.

    Returns:
        (L,) mean squared error over that of the linear denoiser of whole sequences, minus 1.
    """
    horizon, dims = x.shape[1:]
    flat = x.double().flatten(1)
    covariance = torch.cov(flat.T).view(horizon, dims, horizon, dims)
    whole, short = (
        sum(_error(covariance, sigmas.double(), h, width) for h in range(horizon))
        for width in (horizon, length)
    )
    return short / whole - 1


TOLERANCE = 0.05  # of the error, in excess of that of a whole sequence


def largest_level(x: Tensor, sigmas: Tensor, length: int) -> float:
    """σ_max: the highest level up to which `length` steps suffice but for `TOLERANCE`; 0 where none."""
    enough = excess_error(x, sigmas, length) <= TOLERANCE
    count = int(enough.long().cumprod(0).sum())
    return float(sigmas[count - 1]) if count else 0.0


def _error(covariance: Tensor, sigmas: Tensor, step: int, length: int) -> Tensor:
    """(L,) error of step `step`, tr(C − α² C_sw (α² C_ww + σ² I)⁻¹ C_ws), seen through a window w."""
    horizon, dims = covariance.shape[:2]
    first = min(max(step - (length - 1) // 2, 0), horizon - length)
    window = covariance[first : first + length, :, first : first + length].reshape(length * dims, -1)
    across = covariance[step, :, first : first + length].reshape(dims, -1)  # (A, w · A)
    signal = (1 - sigmas.square()).view(-1, 1, 1)
    noisy = signal * window + sigmas.square().view(-1, 1, 1) * torch.eye(len(window), dtype=window.dtype)
    explained = signal * across @ torch.linalg.solve(noisy, across.T.expand(len(sigmas), -1, -1))
    return (covariance[step, :, step] - explained).diagonal(dim1=1, dim2=2).sum(1)
