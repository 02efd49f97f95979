"""The denoising loss, one function of a target."""

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
