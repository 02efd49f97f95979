"""The ambient loss: learning from samples that are trusted only above a noise level.

A corrupt sample x_0 is replaced once and for all by x_m = α_m x_0 + σ_m z, with z fixed per data point: above
the level σ_m what corrupts it is drowned. The denoiser at σ_t > σ_m is trained on x_m noised further, towards
a target whose mean given x_t is that of the ordinary loss (Daras et al. 2024, arXiv 2404.10177; Ambient
Diffusion Omni, arXiv 2506.10038). Here in the variance-preserving form, with α = √(1 − σ²), ρ = σ/α and
Δ = σ_t² − σ_m². A clean sample has σ_m = 0: then x_m = x_0 and everything below is the ordinary loss.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from align.errors import InputError, check_numbers


def alpha(sigma: Tensor) -> Tensor:
    """Signal level √(1 − σ²) of a noise level."""
    return (1 - sigma.square()).sqrt()


def corrupted(x0: Tensor, fixed: Tensor, sigma_m: Tensor) -> Tensor:
    """x_m = α_m x_0 + σ_m z_fixed; all (B, ...), or broadcasting to it."""
    return alpha(sigma_m) * x0 + sigma_m * fixed


def noised_further(x_m: Tensor, fresh: Tensor, sigma_m: Tensor, sigma_t: Tensor) -> Tensor:
    """x_t = (α_t/α_m) x_m + (√Δ/α_m) z_fresh, distributed as `NoiseSchedule.add_noise` of x_0 alone."""
    delta = sigma_t.square() - sigma_m.square()
    return (alpha(sigma_t) * x_m + delta.sqrt() * fresh) / alpha(sigma_m)


def sample_target(x_m: Tensor, fresh: Tensor, sigma_m: Tensor, sigma_t: Tensor) -> Tensor:
    """What predicts the clean sample: T = (σ_t² α_m x_m − σ_m² α_t x_t) / Δ, with E[T | x_t] = E[x_0 | x_t].

    Written in z_fresh, T = (x_m − (σ_m² α_t / √Δ) z_fresh) / α_m: no difference of large numbers where Δ is
    small, and x_0 to the bit for a clean sample.
    """
    delta = sigma_t.square() - sigma_m.square()
    return (x_m - sigma_m.square() * alpha(sigma_t) / delta.sqrt() * fresh) / alpha(sigma_m)


def epsilon_target(fresh: Tensor, sigma_m: Tensor, sigma_t: Tensor) -> Tensor:
    """What predicts the noise: T_ε = σ_t α_m (α_m x_t − α_t x_m) / Δ = (α_m σ_t / √Δ) z_fresh.

    It is (x_t − α_t T) / σ_t, so its squared error is that of T times α_t² / σ_t².
    """
    delta = sigma_t.square() - sigma_m.square()
    return alpha(sigma_m) * sigma_t / delta.sqrt() * fresh


def unscaled_weight(sigma_m: Tensor, sigma_t: Tensor) -> Tensor:
    """a² with a = (ρ_t² − ρ_m²) / ρ_t² = Δ / (σ_t α_m)²: the weight of ‖h − T‖² in the loss on x_m itself.

    That loss is ‖a h + (1 − a) x_t/α_t − x_m/α_m‖². 1 for a clean sample; 1/s² at the buffer's edge.
    """
    a = (sigma_t.square() - sigma_m.square()) / (sigma_t * alpha(sigma_m)).square()
    return a.square()


def buffered(sigma_m: Tensor, s: float) -> Tensor:
    """The level above which 1/a < s: ρ > ρ_m √(1 + 1/(s − 1)). Above it T's noise stays bounded."""
    rho2 = sigma_m.square() / (1 - sigma_m.square()) * (s / (s - 1))
    return torch.where(sigma_m < 1, (rho2 / (1 + rho2)).sqrt(), 1.0)


class Noised(NamedTuple):
    """What the denoiser is shown, and what of it is asked.

    Attributes:
        x: (B, T, A) noisy samples x_t.
        target: (B, T, A).
        weight: (B,) of the squared error.
    """

    x: Tensor
    target: Tensor
    weight: Tensor


@dataclass(frozen=True)
class Ambient:
    """How a denoiser learns from samples that are trusted only above a noise level σ_m.

    The four arms are `loss` here times the schedule's prediction.

    Args:
        loss: "restricted": the ordinary denoising loss, at the admitted noise levels. "ambient": the ambient
            loss, which sees a corrupt sample only through noise of level σ_m that is fixed per data point.
        weighting: Of the ambient loss: "rescaled" is ‖h − T‖²; "unscaled" is a²‖h − T‖², the squared error
            on x_m, which asks less near σ_m, where T is noisy.
        buffer: s > 1: a corrupt sample is admitted where T's noise is amplified at most s times, that is for
            ρ > ρ_m √(1 + 1/(s − 1)); for both losses, so that they see the same samples. `None`: σ > σ_m.

    Raises:
        InputError: A value is none of these.
    """

    loss: Literal["restricted", "ambient"] = "ambient"
    weighting: Literal["rescaled", "unscaled"] = "rescaled"
    buffer: float | None = 4.0

    def __post_init__(self):
        if self.loss not in ("restricted", "ambient"):
            raise InputError(f"loss={self.loss!r}: expected 'restricted' or 'ambient'")
        if self.weighting not in ("rescaled", "unscaled"):
            raise InputError(f"weighting={self.weighting!r}: expected 'rescaled' or 'unscaled'")
        check_numbers("(1, 1e6]", buffer=self.buffer)

    def admission(self, sigma_m: Tensor) -> Tensor:
        """The level above which a sample trusted above σ_m is used."""
        return sigma_m if self.buffer is None else buffered(sigma_m, self.buffer)

    def noised(
        self, schedule, x0: Tensor, fresh: Tensor, fixed: Tensor, sigma_m: Tensor, steps: Tensor
    ) -> Noised:
        """Noisy samples, their targets and weights.

        Args:
            schedule: A `NoiseSchedule`.
            x0: (B, T, A) samples, normalised.
            fresh: (B, T, A) noise of this draw.
            fixed: (B, T, A) noise of the data points.
            sigma_m: (B,) level above which each is trusted; 0 for a clean one. A draw below the level at
                which it is admitted (a low-frequency one, trusted there as it is) has the ordinary loss.
            steps: (B,) diffusion steps.
        """
        if self.loss == "restricted":
            x, target = schedule.add_noise(x0, fresh, steps), schedule.target(x0, fresh)
            return Noised(x, target, torch.ones_like(sigma_m))
        sigma_t = schedule.sigmas[steps]
        sigma_m = torch.where(self.admission(sigma_m) < sigma_t, sigma_m, 0.0)
        m, t = (sigma.view(-1, *[1] * (x0.dim() - 1)) for sigma in (sigma_m, sigma_t))
        x_m = corrupted(x0, fixed, m)
        epsilon = schedule.prediction == "epsilon"
        target = epsilon_target(fresh, m, t) if epsilon else sample_target(x_m, fresh, m, t)
        rescaled = self.weighting == "rescaled"
        weight = torch.ones_like(sigma_m) if rescaled else unscaled_weight(sigma_m, sigma_t)
        return Noised(noised_further(x_m, fresh, m, t), target, weight)
