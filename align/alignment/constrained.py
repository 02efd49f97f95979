"""λ as large as a budget of denoising loss allows."""

import math
from bisect import bisect_left
from collections.abc import Mapping

import torch
from torch import Tensor

from align.alignment.weighting import Weighting
from align.errors import InputError, check_numbers

FASTEST = 4.0
"""How many times faster λ falls, at most, where the budget is exceeded, than it rises."""


class Constrained(Weighting):
    """The smallest distance for a budget: held-out denoising loss ≤ (1 + ε) · that without alignment.

    Minimising D subject to L ≤ (1 + ε) L₀ has the Lagrangian D + ν (L − (1 + ε) L₀); over ν it is
    L + λ D, λ = 1/ν, so that denoising has its own learning rate whatever the multiplier is. As in GECO
    (Rezende & Viola 2018, arXiv 1810.00597) ν takes steps of dual ascent in its logarithm on a smoothed
    constraint: here one at each validation, by the loss that is promised, that of the averaged weights on
    held-out episodes. Losses of training batches would promise nothing: an alignment may keep the policy
    from learning its few real demonstrations by heart, which costs training loss and no held-out loss.

    L₀ is that of a finished run without alignment at the same step: its loss falls by orders of
    magnitude, and no number known beforehand would be a reference. A copy of the denoiser that learns from
    the detached features of this run would not be one either: it measures what these features allow, and not
    what others would have.

    ν is steered to half of the budget, so that what it swings by stays within. One training differs from
    another, also without alignment: a budget below that difference is spent or spared by chance. With the
    seed of the reference run both see the same batches and noise.

    Args:
        reference: Run directory of the finished run without alignment: the same data, policy and number of
            steps. Required for training.
        budget: ε: 0.02 gives 2 % of the denoising loss.
        initial: λ until the first validation. It comes from below: features that were aligned early, while
            that cost nothing yet, may not mend when λ falls.
        rate: By how much log λ rises at a validation that finds no loss of denoising; it falls up to 4 times
            as fast. There should be 20 validations or more (`trainer.val_check_interval`).
        smoothing: Decay of the average of the relative loss over validations; 0 takes the last one.
        smallest: Least λ.
        largest: Largest λ.
    """

    refers = True

    def __init__(
        self,
        reference: str | None = None,
        budget: float = 0.02,
        initial: float = 1e-4,
        rate: float = 0.3,
        smoothing: float = 0.5,
        smallest: float = 1e-6,
        largest: float = 100.0,
    ):
        super().__init__()
        check_numbers("(0, 1e3]", budget=budget)
        check_numbers("(0, 10]", rate=rate)
        check_numbers("[0, 1)", smoothing=smoothing)
        check_numbers("(0, 1e6]", smallest=smallest, largest=largest)
        check_numbers(f"[{smallest}, 1e6]", largest=largest)
        check_numbers(f"[{smallest}, {largest}]", initial=initial)
        self.reference, self.budget, self.initial = reference, budget, initial
        self.rate, self.smoothing, self.smallest, self.largest = rate, smoothing, smallest, largest
        self._losses: dict[int, float] = {}
        self.register_buffer("log_multiplier", -torch.tensor(initial).log())
        self.register_buffer("average", torch.tensor(0.0))  # of L / L₀ − 1, from 0
        self.register_buffer("validations", torch.tensor(0))

    def weight(self, step: int) -> Tensor:
        return (-self.log_multiplier).exp().clamp(self.smallest, self.largest)

    def refer(self, losses: Mapping[int, float]) -> None:
        """Take the losses without alignment.

        Raises:
            InputError: There are none, or they are no losses.
        """
        if not losses or not all(0 < loss < float("inf") for loss in losses.values()):
            raise InputError(
                f"reference={self.reference!r}: {len(losses)} validations; expected losses above 0"
            )
        self._losses = dict(sorted(losses.items()))

    def without(self, step: int) -> float:
        """L₀ at a step: along a line between two validations, beyond them the nearest."""
        steps, losses = list(self._losses), list(self._losses.values())
        i = bisect_left(steps, step)
        if i == 0 or i == len(steps):
            return losses[min(i, len(steps) - 1)]
        share = (step - steps[i - 1]) / (steps[i] - steps[i - 1])
        return losses[i - 1] + share * (losses[i] - losses[i - 1])

    @property
    def excess(self) -> Tensor:
        """L / L₀ − 1, smoothed; 0 before the first validation."""
        filled = 1 - self.smoothing ** self.validations.clamp_min(1)
        return self.average / filled

    @torch.no_grad()
    def see_held_out(self, step: int, loss: Tensor) -> None:
        """A step of dual ascent; a loss that is not finite changes nothing."""
        relative = loss.to(self.average) / self.without(step) - 1
        found = relative.isfinite()
        relative = torch.where(found, relative, self.average)
        self.validations += found
        self.average.copy_(torch.where(found, self.average.lerp(relative, 1 - self.smoothing), self.average))
        aim = self.budget / 2
        move = self.rate * ((self.excess - aim) / aim).clamp(-1, FASTEST) * found
        bounds = (-torch.tensor([self.largest, self.smallest]).log()).tolist()
        self.log_multiplier.copy_((self.log_multiplier + move).clamp(*bounds))

    def logs(self) -> dict[str, Tensor]:
        """The multiplier ν, and what is left of the budget, as a share of the loss without alignment."""
        return {"multiplier": self.log_multiplier.exp(), "slack": self.budget - self.excess}

    def verdict(self) -> str | None:
        """Whether the budget was kept, by the smoothed loss; `None` before the first validation."""
        if not self.validations:
            return None
        excess = float(self.excess)
        kept, side = "kept" if excess <= self.budget else "exceeded", "above" if excess > 0 else "below"
        ends = [-math.log(bound) for bound in (self.largest, self.smallest)]
        more, log_multiplier = "", float(self.log_multiplier)
        if excess < self.budget / 4 and log_multiplier > ends[0] + 1e-4:
            more = (
                "; λ was still rising: with more validations, or a higher rate, there is more to be aligned"
            )
        if excess > self.budget and log_multiplier > ends[1] - 1e-4:
            more = "; λ is at its least: there is nothing more to give back"
        return (
            f"budget={self.budget:g}: {kept}; held-out denoising loss is {abs(excess):.1%} {side} that of "
            f"{self.reference}, from which another training without alignment would differ, too"
            f"{more}"
        )
