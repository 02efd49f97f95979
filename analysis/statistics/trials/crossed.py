"""Means and differences over trainings that all met the same trials: crossed random effects.

The outcome of training i in trial j is y_ij = μ + training_i + trial_j + rest_ij. The variance of the mean of
I trainings and J trials is σ²_training / I + σ²_trial / J + σ²_rest / (I J), estimated by mean squares as
(MS_training + MS_trial − MS_rest) / (I J), where a training component below zero counts as zero (Searle,
Casella and McCulloch, Variance Components, 1992). Two arms met the same trials with trainings of their own:
what trials have in common cancels, what trainings do not have in common stays.

With two or three trainings MS_training has one or two degrees of freedom, and no interval is both narrow and
true. The critical value is Cochran's: Student's quantiles of the parts, weighted by the parts' variances
(Cochran, Biometrics 20, 1964). Satterthwaite's degrees of freedom, the usual choice, are read off the same
few numbers and come out too large just where MS_training came out too small: 95 % intervals then cover
87 % at two trainings and 92 % at three. `docs/coverage.md` has both.

The way out is to pool: `variance_components.between_trainings` estimates the variance between trainings from
all arms of a sweep.

Every function takes leading axes: arrays (..., trainings, trials) give intervals of shape (...).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtrit

from align.analysis.statistics.intervals import LEVEL, Interval
from align.analysis.statistics.trials.variance_components import (
    Between,
    Components,
    between_trainings,
    components,
    table,
)
from align.errors import InputError


class Estimate(NamedTuple):
    """An estimate of crossed data, and all that its intervals and p-values need.

    Attributes:
        value: The estimate.
        variance: Of the estimate.
        share: Weight in [0, 1] of the trainings' Student quantile in the critical value.
        df_trainings: Degrees of freedom of the variance between trainings; NaN where nothing is known of it.
        df_trials: Degrees of freedom of the variance over trials.
        lone: There was one training and no variance between trainings given: the interval is over trials
            alone, and says nothing of another training.
    """

    value: ArrayLike
    variance: ArrayLike
    share: ArrayLike
    df_trainings: ArrayLike
    df_trials: ArrayLike
    lone: bool = False

    def critical(self, level: ArrayLike = LEVEL) -> ArrayLike:
        """How many standard errors the interval of this level reaches to either side."""
        upper = (1 + checked_level(level)) / 2
        trials = stdtrit(self.df_trials, upper)
        if self.lone:
            return trials
        return self.share * stdtrit(self.df_trainings, upper) + (1 - np.asarray(self.share)) * trials

    def interval(self, level: float = LEVEL) -> Interval:
        """The two-sided interval of a single estimate."""
        half = self.critical(level) * np.sqrt(self.variance)
        return interval_of(self.value, np.subtract(self.value, half), np.add(self.value, half))

    def p_value(self, null: float = 0.0) -> ArrayLike:
        """Two-sided p-value of "the truth is `null`": one less than the level whose interval just holds it.

        It belongs to `interval`; of rates, whose intervals are others, see `rates.difference_p_value`. Where
        nothing varies the interval is a point, and the p-value 0, or 1 where the estimate is `null` itself.
        """
        with np.errstate(invalid="ignore", divide="ignore"):
            distance = np.abs(np.subtract(self.value, null)) / np.sqrt(self.variance)
        distance = np.where(np.equal(self.value, null), 0.0, distance)
        shape = np.shape(distance)
        low, high = np.zeros(shape), np.ones(shape)  # bisection on p: the critical value falls as p grows
        for _ in range(60):
            middle = (low + high) / 2
            inside = self.critical_of_p(middle) > distance
            low, high = np.where(inside, middle, low), np.where(inside, high, middle)
        p = np.where(distance == 0, 1.0, np.where(np.isinf(distance), 0.0, (low + high) / 2))
        return p if p.ndim else float(p)

    def critical_of_p(self, p: ArrayLike) -> ArrayLike:
        """`critical` of the level 1 − p, exact for the smallest p."""
        p = np.asarray(p, float)
        trials = -stdtrit(self.df_trials, p / 2)
        if self.lone:
            return trials
        return -self.share * stdtrit(self.df_trainings, p / 2) + (1 - np.asarray(self.share)) * trials


def mean(values: ArrayLike, between: Between | None = None) -> Estimate:
    """The mean over trainings and trials, of which both are a sample.

    Args:
        values: (..., trainings, trials).
        between: The variance between trainings, pooled over arms; by default the arm's own.

    Raises:
        InputError: As in `components`.
    """
    c = components(values)
    return combine(c.mean, c.ms_trial / c.trainings, c.trials, [c], between)


def difference(
    values: ArrayLike, reference: ArrayLike, between: Between | Sequence[Between] | None = None
) -> Estimate:
    """An arm's mean minus that of the reference on the same trials, each with trainings of its own.

    Args:
        values: (..., trainings, trials) of the arm.
        reference: (..., trainings, trials) of the reference; columns in the same order of trials.
        between: The variance between trainings, pooled over arms, or that of the arm and that of the
            reference; by default pooled over these two.

    Raises:
        InputError: The numbers of trials differ, or as in `components`.
    """
    values, reference = table("values", values), table("reference", reference)
    if values.shape[-1] != reference.shape[-1]:
        raise InputError(
            f"reference has {reference.shape[-1]} trials: expected the arm's {values.shape[-1]}, in its order"
        )
    arms = [components(values), components(reference)]
    trials = (values.mean(-2) - reference.mean(-2)).var(-1, ddof=1)
    if between is None and max(c.trainings for c in arms) > 1:
        between = between_trainings([values, reference])
    return combine(arms[0].mean - arms[1].mean, trials, arms[0].trials, arms, between)


def contrast(
    arms: Sequence[ArrayLike], weights: Sequence[ArrayLike], between: Sequence[Between | None]
) -> Estimate:
    """A weighted sum of trainings' means on the same trials, e.g. some trainings of one arm minus others'.

    Args:
        arms: (trainings, trials) of each arm; columns in one order of trials.
        weights: (trainings,) of each arm.
        between: The variance between the trainings of each arm, as `variance_components.of_each_arm` finds
            it; where one is None the estimate is `lone`.

    Raises:
        InputError: The numbers of trials differ, or as in `components`.
    """
    tables = [table("arms", arm) for arm in arms]
    if len(trials := {len(t.T) for t in tables}) != 1:
        raise InputError(f"arms with {sorted(trials)} trials: expected the same of all, in one order")
    by_trial = sum(np.asarray(w, float) @ t for w, t in zip(weights, tables, strict=True))
    value, over_trials = by_trial.mean(), by_trial.var(ddof=1) / len(by_trial)
    if any(b is None for b in between):
        return Estimate(value, over_trials, 0.0, np.nan, len(by_trial) - 1, lone=True)
    with_rest = rest = 0.0
    for t, w, b in zip(tables, weights, between, strict=True):
        unit = np.square(w).sum() * (t.mean() * (1 - t.mean()) if b.relative else 1.0)
        with_rest, rest = with_rest + unit * b.mean_square, rest + unit * b.rest
    variance = over_trials + max(with_rest - rest, 0.0)
    share = min(with_rest / variance, 1.0) if variance > 0 else 0.0
    return Estimate(value, variance, share, min(b.df for b in between), len(by_trial) - 1)


def combine(
    value: ArrayLike,
    over_trials: ArrayLike,
    trials: int,
    arms: Sequence[Components],
    between: Between | Sequence[Between] | None,
) -> Estimate:
    """The estimate whose variance is that over trials and that between the trainings of each arm.

    Args:
        value: The estimate.
        over_trials: Variance over trials of what is averaged over trials; `over_trials` / J holds the
            variance of trials and of the rest.
        trials: J.
        arms: Each arm whose trainings enter, with weight 1 or −1.
        between: The variance between trainings, or that of each arm, of whose degrees of freedom the fewest
            count; by default that of the one arm.
    """
    over_trials = np.asarray(over_trials) / trials
    if between is None and all(c.trainings == 1 for c in arms):
        return Estimate(value, over_trials, 0.0, np.nan, trials - 1, lone=True)
    if between is None:
        (arm,) = arms
        between = Between(arm.ms_training / trials, arm.ms_rest / trials, arm.trainings - 1)
    each = [between] * len(arms) if isinstance(between, Between) else between
    with_rest = rest = 0.0
    for c, of_arm in zip(arms, each, strict=True):
        unit = (c.mean * (1 - c.mean) if of_arm.relative else 1.0) / c.trainings
        with_rest, rest = with_rest + unit * of_arm.mean_square, rest + unit * of_arm.rest
    variance = over_trials + np.maximum(with_rest - rest, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(variance > 0, np.clip(with_rest / variance, 0, 1), 0.0)
    return Estimate(value, variance, share, np.minimum.reduce([b.df for b in each]), trials - 1)


def interval_of(value: ArrayLike, low: ArrayLike, high: ArrayLike) -> Interval:
    """An `Interval` of floats where the arguments are scalars, of arrays where they are not."""
    value, low, high = np.broadcast_arrays(value, low, high)
    return Interval(value, low, high) if value.ndim else Interval(float(value), float(low), float(high))


def checked_level(level: ArrayLike) -> np.ndarray:
    """The confidence level, if it is one."""
    level = np.asarray(level, float)
    if not np.all((level > 0) & (level < 1)):
        raise InputError(f"level={level}: expected a confidence level between 0 and 1, e.g. 0.95")
    return level
