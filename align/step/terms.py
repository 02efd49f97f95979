"""The terms of a step's loss, and what is logged of them."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from align.alignment.objective import Objective
from align.alignment.weighting import Weighting
from align.domain import Domain


@dataclass
class Terms:
    """A loss, denoising + λ · distance + μ · error, term by term.

    Attributes:
        denoise: The denoising loss.
        distance: Distance of sim from real; measured though λ may be 0.
        lambda_: λ.
        error: The auxiliary loss; `None` where μ is 0.
        mu: μ; `None` where nothing is read from the embeddings.
    """

    denoise: Tensor
    distance: Tensor
    lambda_: float | Tensor
    error: Tensor | None
    mu: float | None

    def logs(
        self, batch: Mapping[str, Tensor], alignment: Objective, weighting: Weighting
    ) -> dict[str, float | Tensor]:
        """What is logged of the step, by name."""
        real, denoise, distance = (
            batch["domain"] == Domain.REAL,
            self.denoise.detach(),
            self.distance.detach(),
        )
        values = {
            "denoise": denoise,
            "loss": denoise + self.lambda_ * distance,
            "alignment_skipped": float(not alignment.measured),
            "lambda": self.lambda_,
            "real_fraction": real.float().mean(),
            "real_weight": (batch["weight"] * real).mean(),
        }
        if self.mu is not None:
            values["auxiliary_weight"] = self.mu
        if self.error is not None:
            values["auxiliary"] = self.error.detach()
            values["loss"] = values["loss"] + self.mu * self.error.detach()
        values |= weighting.logs()
        if alignment.measured:
            values["alignment"] = distance
            values |= alignment.logs
        return {f"train/{name}": value for name, value in values.items()}
