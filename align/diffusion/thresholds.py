"""From what classifiers say of noised samples to noise levels at which these are trusted."""

from dataclasses import dataclass, field

import torch
from torch import Tensor


@dataclass
class Evaluation:
    """One look at a classifier in training.

    Attributes:
        step: Training steps so far.
        loss: Cross-entropy on held-out episodes, the mean over domains and levels.
        clean: (L,) mean probability of being clean, of held-out corrupt samples.
    """

    step: int
    loss: float
    clean: Tensor


@dataclass
class Judgement:
    """What classifiers that had not seen an episode say of its samples.

    Attributes:
        sigmas: (L,) noise levels, increasing.
        corrupt: (N, L) probability of being clean of each corrupt sample, the mean over noise draws.
        corrupt_once: (N, L) that of a single noise draw.
        clean_once: (M, L) the same of each clean sample.
        histories: The evaluations of each fold.
    """

    sigmas: Tensor
    corrupt: Tensor
    corrupt_once: Tensor
    clean_once: Tensor
    histories: list[list[Evaluation]] = field(default_factory=list)

    @property
    def kept(self) -> list[int]:
        """Training step of each fold whose classifier judges; 0 where nothing that was learned held."""
        return [min(history, key=lambda seen: seen.loss).step for history in self.histories]

    @property
    def accuracy(self) -> Tensor:
        """(L,) balanced accuracy at each level."""
        right = (self.corrupt_once < 0.5).double().mean(0) + (self.clean_once >= 0.5).double().mean(0)
        return right / 2


def crossing(sigmas: Tensor, clean: Tensor, tau: float) -> Tensor:
    """inf{σ : c(σ) > τ}, between the levels of a grid by linear interpolation.

    Args:
        sigmas: (L,) increasing.
        clean: (..., L) probability of being clean at each level.
        tau: Threshold τ.

    Returns:
        (...) noise levels: 0 where c > τ at the first, 1 where it is so at none.
    """
    above = clean > tau
    first = above.int().argmax(-1, keepdim=True)
    before = (first - 1).clamp_min(0)
    c0, c1 = clean.gather(-1, before), clean.gather(-1, first)
    share = torch.where(first > 0, (tau - c0) / (c1 - c0).clamp_min(1e-12), 0.0)
    sigma = sigmas[before] + share * (sigmas[first] - sigmas[before])
    sigma = torch.where(first > 0, sigma, 0.0)
    return torch.where(above.any(-1, keepdim=True), sigma, 1.0).squeeze(-1)


DECAY = 0.5  # of the averages over levels


def smooth(curve: Tensor) -> Tensor:
    """Exponential moving average (..., L) over levels, run both ways and averaged, so that it has no lag."""
    averages = []
    for values in (curve, curve.flip(-1)):
        columns = [values[..., 0]]
        for i in range(1, values.shape[-1]):
            columns.append(DECAY * columns[-1] + (1 - DECAY) * values[..., i])
        averages.append(torch.stack(columns, -1))
    return (averages[0] + averages[1].flip(-1)) / 2


def sample_thresholds(judgement: Judgement, tau: float) -> Tensor:
    """σ_min (N,) of each corrupt sample."""
    return crossing(judgement.sigmas, smooth(judgement.corrupt), tau)


def dataset_threshold(judgement: Judgement, tau: float) -> float:
    """σ_min of the corrupt data set: from the mean over its samples."""
    return float(crossing(judgement.sigmas, judgement.corrupt.mean(0), tau))
