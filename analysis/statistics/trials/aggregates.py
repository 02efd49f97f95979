"""Scores as a whole: interquartile mean, performance profile, probability of improvement.

As defined by Agarwal et al. (Deep RL at the Edge of the Statistical Precipice, arXiv 2108.13264) and computed
by their package rliable, of runs by tasks; here of trainings by trials. Their intervals are bootstraps over
runs, which two trainings do not support; these are of the crossed model, through each statistic's first-order
contribution of a training and a trial.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from align.analysis.statistics.intervals import LEVEL, Interval
from align.analysis.statistics.trials.crossed import (
    Between,
    Estimate,
    between_trainings,
    combine,
    components,
    table,
)
from align.analysis.statistics.trials.rates import rate
from align.errors import InputError


def interquartile_mean(values: ArrayLike) -> Estimate:
    """Mean of the middle half of all outcomes: the quarter of the least and that of the largest are left out.

    Its variance is that of the outcomes drawn in to the two quartiles, times 4 (Tukey and McLaughlin 1963),
    over crossed trainings and trials.

    Args:
        values: (trainings, trials).

    Raises:
        InputError: As in `crossed.components`.
    """
    values = _one_table("values", values)
    value = float(stats.trim_mean(values, 0.25, axis=None))
    ordered, cut = np.sort(values, axis=None), values.size // 4
    drawn_in = np.clip(values, ordered[cut], ordered[-cut - 1])
    c = components(2 * drawn_in)
    return combine(value, c.ms_trial / c.trainings, c.trials, [c], None)


def performance_profile(
    values: ArrayLike, thresholds: Sequence[float], level: float = LEVEL
) -> list[Interval]:
    """Share of outcomes above each threshold, over trainings and trials.

    Args:
        values: (trainings, trials).
        thresholds: Outcomes τ; the share is of those strictly above.
        level: Confidence level of each interval by itself.

    Raises:
        InputError: As in `crossed.components`.
    """
    values = _one_table("values", values)
    return [rate((values > threshold).astype(float), level=level) for threshold in thresholds]


def probability_of_improvement(values: ArrayLike, reference: ArrayLike) -> Estimate:
    """Probability that a training of the arm does better than one of the reference, averaged over trials.

    In each trial the share of pairs of trainings in which the arm's is better, ties counting one half (the
    Mann-Whitney statistic). The interval takes trainings and trials as samples, by the projections of the
    statistic on each (Hoeffding 1948).

    Args:
        values: (trainings, trials) of the arm.
        reference: (trainings, trials) of the reference; columns in the same order of trials.

    Raises:
        InputError: The numbers of trials differ, or as in `crossed.components`.
    """
    values, reference = _one_table("values", values), _one_table("reference", reference)
    if values.shape[1] != reference.shape[1]:
        raise InputError(
            f"reference has {reference.shape[1]} trials: expected the arm's {values.shape[1]}, in its order"
        )
    better = np.sign(values[:, None] - reference[None]) / 2 + 0.5  # (trainings, trainings, trials)
    projections = [better.mean(1), better.mean(0)]
    between: Between | None = None
    if max(len(p) for p in projections) > 1:
        between = between_trainings(projections)
    arms = [components(p) for p in projections]
    by_trial = better.mean((0, 1))
    return combine(float(by_trial.mean()), by_trial.var(ddof=1), len(by_trial), arms, between)


def _one_table(name: str, values: ArrayLike) -> np.ndarray:
    values = table(name, values)
    if values.ndim != 2:
        raise InputError(f"{name} of shape {values.shape}: expected (trainings, trials)")
    return values
