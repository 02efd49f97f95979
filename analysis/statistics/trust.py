"""From which noise level on sim windows can be trusted, and how surely; see `align.diffusion.annotate`."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from align.diffusion.annotate import ClassifierOptions, Sequences, judge
from align.diffusion.locality import crops, largest_level
from align.diffusion.thresholds import Evaluation, Judgement, crossing, dataset_threshold, sample_thresholds
from align.seeding import torch_generator

TAUS = (0.35, 0.40, 0.425, 0.45, 0.475, 0.49)
"""Thresholds whose σ_min the report compares."""
BINS = 10  # of predicted probability, for the calibration


@dataclass(frozen=True)
class Trust:
    """What an annotation found.

    Attributes:
        judgement: What the classifiers said.
        sigma_min: (N,) level of each sim window.
        dataset_sigma_min: That of all of them together.
        lengths: σ_min of the crops of each length, by length in steps; 0 where they cannot be told apart.
        sigma_max: Level below which sim is trusted, since a denoiser looks at no more than such a crop.
        tau: Threshold τ.
    """

    judgement: Judgement
    sigma_min: np.ndarray
    dataset_sigma_min: float
    lengths: dict[int, float]
    sigma_max: float
    tau: float


def measure_trust(
    clean: Sequences,
    corrupt: Sequences,
    sigmas: torch.Tensor,
    options: ClassifierOptions,
    tau: float,
    lengths: Sequence[int],
    seed: int = 0,
) -> Trust:
    """Measure it.

    Args:
        clean: Real windows.
        corrupt: Sim windows.
        sigmas: Noise levels of the policy's schedule.
        options: How the classifiers are trained and asked.
        tau: Threshold on the mean probability of being clean.
        lengths: Of the stretches tried for σ_max, steps.
        seed: Of everything that is drawn.
    """
    judgement = judge(clean, corrupt, sigmas, options, seed)
    by_length = {n: _crop_threshold(clean, corrupt, n, sigmas, options, tau, seed) for n in lengths}
    alike = longest_alike(by_length)
    return Trust(
        judgement,
        sample_thresholds(judgement, tau).numpy().astype(np.float32),
        dataset_threshold(judgement, tau),
        by_length,
        largest_level(clean.x, sigmas, alike) if alike else 0.0,
        tau,
    )


def longest_alike(lengths: Mapping[int, float]) -> int:
    """The longest stretch that, like all shorter ones tried, cannot be told apart; 0 where there is none.

    What can be told apart in short stretches can be in long ones: a classifier that does not is a poor one.

    Args:
        lengths: σ_min of the stretches of each length; 0 where they cannot be told apart.
    """
    alike = 0
    for length, sigma in sorted(lengths.items()):
        if sigma > 0:
            break
        alike = length
    return alike


def summary(result: Trust) -> dict:
    """The numbers of the report: thresholds, curves, and how they move with τ and with the checkpoint."""
    judgement = result.judgement
    predicted, observed, error = calibration(judgement)
    quantiles = np.quantile(result.sigma_min, (0.05, 0.25, 0.5, 0.75, 0.95))
    return {
        "tau": result.tau,
        "sigma_min": result.dataset_sigma_min,
        "sigma_min_samples": dict(zip(("5", "25", "50", "75", "95"), quantiles.tolist(), strict=True)),
        "never_trusted": float(np.mean(result.sigma_min >= 1)),
        "kept_steps": judgement.kept,
        "sigma_max": result.sigma_max,
        "crops": {str(length): sigma for length, sigma in result.lengths.items()},
        "sigmas": judgement.sigmas.tolist(),
        "accuracy": judgement.accuracy.tolist(),
        "clean": judgement.corrupt.double().mean(0).tolist(),
        "by_tau": {str(tau): dataset_threshold(judgement, tau) for tau in TAUS},
        "by_checkpoint": [
            {"fold": fold, "step": seen.step, "loss": seen.loss, "sigma_min": sigma}
            for fold, seen, sigma in by_checkpoint(result)
        ],
        "calibration": {"predicted": predicted.tolist(), "observed": observed.tolist(), "error": error},
    }


def by_checkpoint(result: Trust) -> Iterator[tuple[int, Evaluation, float]]:
    """(fold, evaluation, σ_min of the data set by it) of every look at a classifier in training."""
    for fold, history in enumerate(result.judgement.histories):
        for seen in history:
            yield fold, seen, float(crossing(result.judgement.sigmas, seen.clean, result.tau))


def calibration(judgement: Judgement) -> tuple[np.ndarray, np.ndarray, float]:
    """How often samples are clean that are said to be so, both domains weighing the same.

    Returns:
        Mean prediction and share of clean ones in each bin that is not empty, and the mean absolute
        difference weighted by the bins' mass.
    """
    p = [judgement.clean_once.double().numpy().ravel(), judgement.corrupt_once.double().numpy().ravel()]
    bins = [np.minimum((x * BINS).astype(int), BINS - 1) for x in p]
    mass = [np.bincount(b, minlength=BINS) / len(b) / 2 for b in bins]
    predicted = sum(np.bincount(b, x, BINS) / len(b) / 2 for b, x in zip(bins, p, strict=True))
    total = mass[0] + mass[1]
    used = total > 0
    predicted, observed = predicted[used] / total[used], mass[0][used] / total[used]
    return predicted, observed, float(np.sum(total[used] * np.abs(predicted - observed)))


def _crop_threshold(
    clean: Sequences,
    corrupt: Sequences,
    length: int,
    sigmas,
    options: ClassifierOptions,
    tau: float,
    seed: int,
) -> float:
    """σ_min of stretches of so many steps, by two classifiers; nothing but the stretch is told."""
    parts = (c._replace(condition=c.condition[:, :0]) for c in (clean, corrupt))
    some = [crops(c, length, torch_generator(seed, f"crops/{i}", length)) for i, c in enumerate(parts)]
    return dataset_threshold(judge(*some, sigmas, replace(options, folds=2), seed), tau)
