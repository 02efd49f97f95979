"""Outcomes whose truth is known, to see how often intervals hold it: trainings by trials, of any means."""

from typing import NamedTuple

import numpy as np
from scipy.special import ndtr, ndtri
from scipy.stats import beta

GRID = np.linspace(-6, 6, 2401)


class Scatter(NamedTuple):
    """What outcomes differ by, as standard deviations or as shares of a latent variance.

    Attributes:
        training: Between trainings.
        trial: Between trials, shared by all trainings of an arm.
        rest: What is left.
    """

    training: float
    trial: float
    rest: float


def dominated(share: float, trainings: int, trials: int) -> Scatter:
    """Standard deviations such that trainings make up this share of the variance of the mean."""
    others = (0.7**2 + 0.7**2 / trainings) / trials
    return Scatter(np.sqrt(trainings * others * share / (1 - share)), 0.7, 0.7)


def scores(rng: np.random.Generator, repeats: int, trainings: int, trials: int, s: Scatter) -> np.ndarray:
    """Normal outcomes (repeats, trainings, trials) of mean 0."""
    return (
        s.training * rng.standard_normal((repeats, trainings, 1))
        + s.trial * rng.standard_normal((repeats, 1, trials))
        + s.rest * rng.standard_normal((repeats, trainings, trials))
    )


def arms_in_unit(
    rng: np.random.Generator,
    means: list[float],
    repeats: int,
    trainings: int,
    trials: int,
    s: Scatter,
    partial: bool = False,
    common: float = 0.8,
) -> list[np.ndarray]:
    """Arms of outcomes in [0, 1] with exactly these expected means, on shared trials.

    A normal variable with unit variance is cut at a threshold, or for partial credit turned into a beta
    variable of the wanted mean (with α + β = 1: most near 0 or 1).

    Args:
        rng: Of the draws.
        means: Of each arm.
        repeats, trainings, trials: Sizes.
        s: Shares of the latent variance.
        partial: Scores rather than successes.
        common: Share of the trials' variance that all arms have in common.

    Returns:
        (repeats, trainings, trials) of each arm.
    """
    shared = rng.standard_normal((repeats, 1, trials))
    found = []
    for mean in means:
        own = rng.standard_normal((repeats, 1, trials))
        trial = np.sqrt(common) * shared + np.sqrt(1 - common) * own
        latent = np.sqrt(s.trial) * trial + np.sqrt(s.training) * rng.standard_normal((repeats, trainings, 1))
        latent = latent + np.sqrt(s.rest) * rng.standard_normal((repeats, trainings, trials))
        if partial:
            found.append(np.interp(latent, GRID, beta.ppf(ndtr(GRID), mean, 1 - mean)))
        else:
            found.append((latent < ndtri(mean)).astype(float))
    return found
