"""The denoising loss, one function of a target, and the diffusion steps it is taken at."""

import torch
from torch import Tensor


def denoising_loss(prediction: Tensor, target: Tensor) -> Tensor:
    """Mean squared error of each sample, ‖prediction − target‖² / dimensions, in fp32.

    Args:
        prediction: (B, T, A) output of the denoiser.
        target: (B, T, A) what it should be; see `NoiseSchedule.target`.

    Returns:
        (B,) losses.
    """
    return (prediction.float() - target.float()).square().flatten(1).mean(dim=1)


def stratified_steps(n: int, draws: int, train_steps: int, generator: torch.Generator) -> Tensor:
    """Diffusion steps of `draws` noise draws a sample: each uniform, those of one sample in distinct strata.

    Stratifying lowers the variance of the gradient without changing its mean (Kingma et al. 2021,
    arXiv 2107.00630, appendix I.1).

    Args:
        n: Number of samples.
        draws: Noise draws a sample.
        train_steps: Number of diffusion steps T.
        generator: Draws them, on its device.

    Returns:
        (draws · n,) int64 in [0, T), all samples of the first draw first.
    """
    where = generator.device
    strata = torch.arange(draws, device=where)[:, None]
    strata = strata + torch.rand(draws, n, generator=generator, device=where)
    return (strata * (train_steps / draws)).long().clamp_max(train_steps - 1).flatten()
