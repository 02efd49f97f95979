"""λ by the gradients of the two terms at the aligned layer."""

import torch
from torch import Tensor

from align.alignment.weighting import Weighting
from align.errors import check_numbers


class GradientRatio(Weighting):
    """λ such that the alignment pulls on the aligned layer z with a share ρ of the denoising loss's gradient.

    λ = ρ · √(E‖∂L/∂z‖² / E‖∂D/∂z‖²), of the denoising loss L and the distance D, with both means over the
    last steps: one exponential average for both, so that what it lacks at first cancels in their ratio, as
    the scale of the loss in fp16 does. A ratio of averages has no outliers where a single gradient is small.

    This is a unit for λ, the same for every objective, and no optimum; DANN's `ramp` is to be 0. Near a
    distance of 0 gradients of an unbiased distance are the noise of the batch, and λ · D keeps the share ρ of
    it: `largest` bounds λ where gradients vanish.

    Args:
        ratio: ρ, the share.
        decay: Decay of the averages: 0.99 is over about 100 steps.
        smallest: Least λ, and that of the first step; above 0, or there were nothing to measure.
        largest: Largest λ.
    """

    measures = True

    def __init__(
        self, ratio: float = 0.1, decay: float = 0.99, smallest: float = 1e-6, largest: float = 100.0
    ):
        super().__init__()
        check_numbers("(0, 1e6]", ratio=ratio, smallest=smallest, largest=largest)
        check_numbers("[0, 1)", decay=decay)
        check_numbers(f"[{smallest}, 1e6]", largest=largest)
        self.ratio, self.decay, self.smallest, self.largest = ratio, decay, smallest, largest
        self.register_buffer("squares", torch.zeros(2))  # averages of ‖∂D/∂z‖² and ‖∂L/∂z‖², from 0

    def weight(self, step: int) -> Tensor:
        alignment, denoising = self.squares.sqrt()
        wanted = self.ratio * denoising / alignment.clamp_min(torch.finfo(torch.float32).tiny)
        return wanted.clamp(self.smallest, self.largest)

    @torch.no_grad()
    def see_pulls(self, alignment: Tensor, denoising: Tensor) -> None:
        """Average the squares; a step whose gradients are not finite, as fp16 has them, changes nothing."""
        new = torch.stack([alignment, denoising]).float().square().to(self.squares)
        moved = self.squares.lerp(new, 1 - self.decay)
        self.squares.copy_(torch.where(new.isfinite().all(), moved, self.squares))

    def logs(self) -> dict[str, Tensor]:
        """The share of the averages that λ stands for: ρ, unless a bound holds λ."""
        alignment, denoising = self.squares.sqrt()
        share = self.weight(0) * alignment / denoising.clamp_min(torch.finfo(torch.float32).tiny)
        return {"grad_ratio_smoothed": share}
