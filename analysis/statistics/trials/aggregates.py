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
from align.analysis.statistics.trials.variance_components import Components
from align.errors import InputError


def interquartile_mean(values: ArrayLike, between: Between | None = None) -> Estimate:
    """Mean of the middle half of all outcomes: the quarter of the least and that of the largest are left out.

    Its variance is that of the outcomes drawn in to the two quartiles, times 4 (Tukey and McLaughlin 1963),
    over crossed trainings and trials.

    Args:
        values: (trainings, trials).
        between: The variance between trainings of `drawn_in`, pooled over arms; by default the arm's own.

    Raises:
        InputError: As in `crossed.components`.
    """
    values = _one_table("values", values)
    value = float(stats.trim_mean(values, 0.25, axis=None))
    c = drawn_in(values)
    return combine(value, c.ms_trial / c.trainings, c.trials, [c], between)


def drawn_in(values: ArrayLike) -> Components:
    """The components of variance of `interquartile_mean`: of outcomes drawn in to the quartiles, twice."""
    values = _one_table("values", values)
    ordered, cut = np.sort(values, axis=None), values.size // 4
    return components(2 * np.clip(values, ordered[cut], ordered[-cut - 1]))


def performance_profile(
    values: ArrayLike, thresholds: Sequence[float], level: float = LEVEL, between: Between | None = None
) -> list[Interval]:
    """Share of outcomes above each threshold, over trainings and trials.

    Args:
        values: (trainings, trials).
        thresholds: Outcomes τ; the share is of those strictly above.
        level: Confidence level of each interval by itself.
        between: The variance between trainings of `profile_scatter`; by default the arm's own at each
            threshold.

    Raises:
        InputError: As in `crossed.components`.
    """
    values = _one_table("values", values)
    return [rate((values > threshold).astype(float), between, level) for threshold in thresholds]


def profile_scatter(arms: Sequence[ArrayLike], thresholds: Sequence[float]) -> Between | None:
    """The relative variance between trainings of shares above thresholds, pooled over arms and thresholds.

    Shares at several thresholds are of the same trials: they add no degrees of freedom.

    Args:
        arms: (trainings, trials) of each arm.
        thresholds: As in `performance_profile`.

    Returns:
        None where no arm has two trainings, or no threshold tells outcomes apart.
    """
    arms = [_one_table("arms", arm) for arm in arms]
    found = []
    for threshold in thresholds:
        above = [(arm > threshold).astype(float) for arm in arms]
        known = [share for share in above if len(share) > 1 and 0 < share.mean() < 1]
        found += [between_trainings(known, relative=True)] if known else []
    if not found:
        return None
    df = np.array([b.df for b in found])
    square, rest = (np.average([getattr(b, n) for b in found], weights=df) for n in ("mean_square", "rest"))
    return Between(square, rest, df.max(), relative=True)


def probability_of_improvement(
    values: ArrayLike, reference: ArrayLike, between: Sequence[Between] | None = None
) -> Estimate:
    """Probability that a training of the arm does better than one of the reference, averaged over trials.

    In each trial the share of pairs of trainings in which the arm's is better, ties counting one half (the
    Mann-Whitney statistic). The interval takes trainings and trials as samples, by the projections of the
    statistic on each (Hoeffding 1948).

    Args:
        values: (trainings, trials) of the arm.
        reference: (trainings, trials) of the reference; columns in the same order of trials.
        between: The variances between trainings of the two `projections`, pooled over arms; by default
            pooled over these two.

    Raises:
        InputError: The numbers of trials differ, or as in `crossed.components`.
    """
    parts = projections(values, reference)
    if between is None and max(len(p) for p in parts) > 1:
        between = [between_trainings(parts)] * 2
    by_trial = parts[0].mean(0)
    arms = [components(p) for p in parts]
    return combine(float(by_trial.mean()), by_trial.var(ddof=1), len(by_trial), arms, between)


def projections(values: ArrayLike, reference: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """In each trial the share of pairs, with one training of either arm, in which the arm is better.

    Args:
        values, reference: As in `probability_of_improvement`.

    Returns:
        (trainings, trials) of the arm and of the reference, both of "the arm is better".
    """
    values, reference = _one_table("values", values), _one_table("reference", reference)
    if values.shape[1] != reference.shape[1]:
        raise InputError(
            f"reference has {reference.shape[1]} trials: expected the arm's {values.shape[1]}, in its order"
        )
    better = np.sign(values[:, None] - reference[None]) / 2 + 0.5  # (trainings, trainings, trials)
    return better.mean(1), better.mean(0)


def _one_table(name: str, values: ArrayLike) -> np.ndarray:
    values = table(name, values)
    if values.ndim != 2:
        raise InputError(f"{name} of shape {values.shape}: expected (trainings, trials)")
    return values
