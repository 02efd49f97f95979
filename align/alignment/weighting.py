"""How λ is set, the weight of the alignment in the loss; the base of all ways, and a fixed one.

What a way learns by is told to it: the gradients that the two terms send into the aligned layer, or the
loss on held-out episodes. It answers with λ for the next step.
"""

from collections.abc import Mapping

from torch import Tensor, nn

from align.errors import check_numbers


class Weighting(nn.Module):
    """Sets λ ≥ 0, the weight of the alignment in `denoising loss + λ · distance`.

    A subclass implements `weight`, and what of `see_pulls` and `see_held_out` it learns from. What it has
    learnt lies in buffers, so that a resumed run goes on as an uninterrupted one; nothing in `weight` and
    `see_pulls` may wait for the device.

    Attributes:
        aligns: Whether λ is ever above 0; otherwise the distance is only measured.
        measures: Whether `see_pulls` is to be called.
        refers: Whether it is held against a finished training without alignment, whose held-out losses
            `refer` is told before training, and `see_held_out` those of this one. The run directory is its
            argument `reference`.
    """

    aligns = True
    measures = False
    refers = False
    reference: str | None = None

    def weight(self, step: int) -> float | Tensor:
        """λ of a training step, a number or a scalar on the device; above 0 where `aligns`.

        Args:
            step: Optimiser steps taken before it.
        """
        raise NotImplementedError

    def see_pulls(self, alignment: Tensor, denoising: Tensor) -> None:
        """Learn from a step's gradients at the aligned layer z; nothing by default.

        Args:
            alignment: ‖∂ distance / ∂z‖ of the global batch, without its λ; scalar, maybe not finite.
            denoising: ‖∂ denoising loss / ∂z‖ of the global batch, at the same scale.
        """

    def see_held_out(self, step: int, loss: Tensor) -> None:
        """Learn from a validation; nothing by default.

        Args:
            step: Optimiser steps taken before it.
            loss: α · L_real + (1 − α) · L_sim, the denoising loss of the averaged weights on held-out
                episodes.
        """

    def refer(self, losses: Mapping[int, float]) -> None:
        """Take the held-out losses of the reference run, by step, before training; nothing by default."""

    def logs(self) -> dict[str, Tensor]:
        """What is shown in TensorBoard beside λ, by name; scalars without gradient."""
        return {}

    def verdict(self) -> str | None:
        """A line on what it promised, where training ends; none by default."""
        return None


class Fixed(Weighting):
    """The same λ throughout, what `model.alignment_weight` is short for.

    Args:
        value: λ.
    """

    def __init__(self, value: float):
        super().__init__()
        check_numbers("[0, 1e6]", value=value)
        self.value = value

    @property
    def aligns(self) -> bool:
        return self.value > 0

    def weight(self, step: int) -> float:
        return self.value
