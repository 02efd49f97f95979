"""Which samples are used at which noise levels.

Clean is the real domain, corrupt the sim one: real samples are trusted at every noise level, sim ones above
σ_min, where noise hides what is wrong with them, and below σ_max, where a denoiser looks at short stretches
of a sequence only and those are right (Ambient Diffusion Omni, arXiv 2506.10038; Ambient Diffusion Policy,
arXiv 2606.12365). A noise level is σ = √(1 − ᾱ) of the schedule, in (0, 1); never an index of a step.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from align.data.gating.annotation import Annotation
from align.data.normalizer import Normalizer
from align.data.windows import Windows
from align.errors import InputError, check_numbers
from align.run.reading import of_file


class Thresholds(NamedTuple):
    """Noise levels between which sim windows are not trusted.

    Attributes:
        sigma_min: (n,) float32 level of each window, 1 where it is trusted at no high level.
        dataset: That of the data set as a whole.
        sigma_max: Level below which all are trusted; `None` where there is none.
    """

    sigma_min: Tensor
    dataset: float
    sigma_max: float | None


@dataclass(frozen=True)
class Gating:
    """At which noise levels sim windows are used in training; real ones are used at all of them.

    Args:
        sigma_min: They are used above this noise level, in [0, 1); 0 admits them everywhere.
        annotation: Instead of `sigma_min`: path of an annotation written by `align annotate`.
        per_sample: Take from the annotation the level of each window, or else the one of the data set.
        sigma_max: They are used below this noise level too; "annotation" takes it from there.
        exclusive: Use real windows only up to σ_min, the data set's, and sim ones only above it.

    Raises:
        InputError: A value is out of range, or two do not go together.
    """

    sigma_min: float | None = None
    annotation: str | None = None
    per_sample: bool = True
    sigma_max: float | Literal["annotation"] | None = None
    exclusive: bool = False

    def __post_init__(self):
        if (self.sigma_min is None) == (self.annotation is None):
            raise InputError(
                f"gating: sigma_min={self.sigma_min} and annotation={self.annotation!r}; expected one of them"
            )
        sigma_max = None if self.sigma_max == "annotation" else self.sigma_max
        check_numbers("[0, 1)", sigma_min=self.sigma_min, sigma_max=sigma_max)
        if self.sigma_max == "annotation" and self.annotation is None:
            raise InputError("sigma_max='annotation': needs gating.annotation; expected a number without one")
        if self.exclusive and self.sigma_max is not None:
            raise InputError(f"exclusive=true: allows no sim below σ_min; sigma_max={self.sigma_max} asks it")

    def thresholds(self, windows: Windows, normalizer: Normalizer) -> Thresholds:
        """The levels of some sim windows.

        Raises:
            InputError: The annotation is missing, or is of other windows.
        """
        if self.annotation is None:
            return Thresholds(torch.full((len(windows),), self.sigma_min), self.sigma_min, self.sigma_max)
        annotation = Annotation.load(self.annotation)
        with of_file(str(self.annotation)):
            each = annotation.of(windows, normalizer)
        overall = annotation.dataset_sigma_min
        each = each if self.per_sample else torch.full_like(each, overall)
        each = each.clamp_min(overall) if self.exclusive else each
        from_there = self.sigma_max == "annotation"
        return Thresholds(each, overall, annotation.dataset_sigma_max if from_there else self.sigma_max)


class Bands(NamedTuple):
    """The diffusion steps that admit each of n samples: t < below, and t ≥ above.

    Attributes:
        below: (n,) int64; at most `above`.
        above: (n,) int64.
    """

    below: Tensor
    above: Tensor


def everywhere(n: int) -> Bands:
    """Bands of n samples that are admitted at every step."""
    return Bands(torch.zeros(n, dtype=torch.int64), torch.zeros(n, dtype=torch.int64))


def bands(sigmas: Tensor, sigma_min: Tensor, sigma_max: float | None = None) -> Bands:
    """Steps with σ_t > σ_min, or σ_t < σ_max.

    Args:
        sigmas: (T,) noise level of each step, increasing.
        sigma_min: (n,).
        sigma_max: `None` admits no step for being low.
    """
    above = torch.searchsorted(sigmas, sigma_min.to(sigmas), right=True)
    below = torch.zeros_like(above)
    if sigma_max is not None:
        below += torch.searchsorted(sigmas, torch.tensor(sigma_max).to(sigmas))
    everything = below >= above
    return Bands(below.masked_fill(everything, 0), above.masked_fill(everything, 0))


def up_to(sigmas: Tensor, sigma: float, n: int) -> Bands:
    """Bands of n samples that are admitted at σ_t ≤ σ only."""
    below = torch.searchsorted(sigmas, torch.tensor(sigma).to(sigmas), right=True)
    return Bands(torch.full((n,), int(below)), torch.full((n,), len(sigmas)))
