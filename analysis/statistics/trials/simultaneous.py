"""Many arms at once: differences from a reference that all hold together, and the arms that may be the best.

The estimates of several arms share trials and, as differences, the reference. Their joint distribution
follows from the crossed model: the covariance of the arms' means over the shared trials, plus the variance
between trainings of each arm. Drawing from it gives the largest of the standardised differences, whose
quantile is the critical value for all (Dunnett 1955, by simulation; Westfall and Young 1993), and for each
arm against all others that of Hsu's multiple comparisons with the best (Annals of Statistics 9, 1981). It is
stretched by what `crossed` asks of one difference over what the draws ask of it.

The draws are those of `seed` and of a canonical order of the arms, so that neither the order of the arms nor
that of the trials changes what is found.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from align.analysis.statistics.intervals import LEVEL, Interval
from align.analysis.statistics.trials.crossed import Between, Estimate, between_trainings, difference, mean
from align.analysis.statistics.trials.rates import rate_difference, unit_table
from align.errors import InputError
from align.seeding import numpy_rng

DRAWS = 20_000


class Comparisons(NamedTuple):
    """Every arm against the reference.

    Attributes:
        single: Each arm's interval by itself, None for the reference.
        simultaneous: Each arm's interval such that all of them hold at once, at `level`.
        p_values: Each arm's single p-value; 1 for the reference.
        adjusted: p-values such that the least of them is below p with probability p where no arm differs.
        critical: Standard errors that the simultaneous intervals reach to either side.
    """

    single: list[Interval | None]
    simultaneous: list[Interval | None]
    p_values: np.ndarray
    adjusted: np.ndarray
    critical: float


class Best(NamedTuple):
    """Which arms may be the best.

    Attributes:
        members: (arms,) whether the arm cannot be told from the best. With probability `level` the best is
            one of them.
        intervals: Of each arm's mean minus the best of the others, simultaneous and constrained: an arm
            outside the set is at most 0, the only member at least 0.
    """

    members: np.ndarray
    intervals: list[Interval]


def against_reference(
    arms: Sequence[np.ndarray],
    reference: int = 0,
    between: Between | None = None,
    level: float = LEVEL,
    unit: bool = False,
    seed: int = 0,
    draws: int = DRAWS,
) -> Comparisons:
    """Every arm's mean minus that of the reference, with intervals that hold one by one and all at once.

    Args:
        arms: (trainings, trials) of each arm, on the same trials in one order.
        reference: Number of the arm that the others are compared with.
        between: The variance between trainings; by default pooled over these arms.
        level: Probability that all simultaneous intervals hold.
        unit: The outcomes are successes or scores in [0, 1]: intervals as in `rates.rate_difference`.
        seed, draws: Of the simulation of the critical value.

    Raises:
        InputError: Fewer than two arms, other trials, no such reference, or as in `crossed.components`.
    """
    arms, between = _checked(arms, between, unit)
    if not 0 <= reference < len(arms):
        raise InputError(f"reference={reference}: expected the number of one of {len(arms)} arms")
    others = [i for i in range(len(arms)) if i != reference]
    found = {i: difference(arms[i], arms[reference], between) for i in others}
    noise = _draw(arms, between, seed, draws)
    drawn = np.abs([_standard(noise, found[i], reference, i) for i in others])
    largest = drawn.max(0) * _stretch(drawn, [found[i].critical(level) for i in others], level)
    critical = max([np.quantile(largest, level), *(found[i].critical(level) for i in others)])
    single: list[Interval | None] = [None] * len(arms)
    simultaneous: list[Interval | None] = [None] * len(arms)
    p_values, adjusted = np.ones(len(arms)), np.ones(len(arms))
    for i in others:
        each = float(found[i].critical(level))
        single[i] = _interval(arms[i], arms[reference], between, unit, found[i], each)
        simultaneous[i] = _interval(arms[i], arms[reference], between, unit, found[i], float(critical))
        p_values[i] = found[i].p_value()
        adjusted[i] = max(np.mean(largest >= abs(_ratio(found[i])) - 1e-9), p_values[i])
    return Comparisons(single, simultaneous, p_values, adjusted, float(critical))


def best(
    arms: Sequence[np.ndarray],
    between: Between | None = None,
    level: float = LEVEL,
    unit: bool = False,
    seed: int = 0,
    draws: int = DRAWS,
) -> Best:
    """The arms that cannot be told from the best, where more is better: Hsu's comparisons with the best.

    Args:
        arms, between, unit, seed, draws: As in `against_reference`.
        level: Probability that the best arm is among the members, and that all intervals hold; above .5.

    Raises:
        InputError: As in `against_reference`.
    """
    if not 0.5 < level < 1:
        raise InputError(f"level={level}: expected a probability above 0.5 and below 1, e.g. 0.95")
    arms, between = _checked(arms, between, unit)
    noise, number = _draw(arms, between, seed, draws), range(len(arms))
    low, high = np.empty((len(arms), len(arms))), np.empty((len(arms), len(arms)))
    for i in number:
        others = [j for j in number if j != i]
        found = {j: difference(arms[i], arms[j], between) for j in others}
        drawn = np.array([_standard(noise, found[j], i, j) for j in others])
        alone = [found[j].critical(2 * level - 1) for j in others]  # a one-sided interval each
        critical = max([np.quantile(drawn.max(0), level) * _stretch(drawn, alone, level), *alone])
        for j in others:  # by the critical value of the arm whose upper end it is
            ends = _interval(arms[i], arms[j], between, unit, found[j], float(critical))
            high[i, j], low[j, i] = ends.high, -ends.high
    upper = np.array([min(high[i, j] for j in number if j != i) for i in number])
    members = upper > 0
    if not members.any():  # all arms alike, without any scatter
        members[:] = True
    means = np.array([arm.mean() for arm in arms])
    intervals = []
    for i in number:
        rivals = [j for j in number if j != i and members[j]]
        lower = min((min(low[i, j], 0.0) for j in rivals), default=0.0)
        value = means[i] - max(means[j] for j in number if j != i)
        intervals.append(Interval(float(value), float(lower), float(max(upper[i], 0.0))))
    return Best(members, intervals)


class _Noise(NamedTuple):
    means: np.ndarray  # (draws, arms) errors of the arms' means
    trainings: np.ndarray  # (draws,) estimated over true variance between trainings
    trials: np.ndarray  # (draws, arms) the same of the variance over trials


def _draw(arms: Sequence[np.ndarray], between: Between | None, seed: int, draws: int) -> _Noise:
    estimates = [mean(arm, between) for arm in arms]
    keys = np.array([[float(f"{x:.10g}") for x in (e.variance, e.value)] for e in estimates])
    order = np.lexsort(keys.T)
    columns = np.stack([arms[i].mean(0) for i in order])
    covariance = np.atleast_2d(np.cov(columns)) / columns.shape[1]
    np.fill_diagonal(covariance, [estimates[i].variance for i in order])
    values, vectors = np.linalg.eigh(covariance)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T  # the symmetric one: no signs to choose
    rng = numpy_rng(seed, "simultaneous")
    means = np.empty((draws, len(arms)))
    means[:, order] = rng.standard_normal((draws, len(arms))) @ root
    df = np.inf if between is None else float(between.df)
    trainings = np.ones(draws) if np.isinf(df) else rng.chisquare(df, draws) / df
    trials = np.empty((draws, len(arms)))
    trials[:, order] = rng.chisquare(columns.shape[1] - 1, (draws, len(arms))) / (columns.shape[1] - 1)
    return _Noise(means, trainings, trials)


def _standard(noise: _Noise, found: Estimate, of: int, other: int) -> np.ndarray:
    """Draws of (estimate − truth) / its standard error of arm `other` minus arm `of`, one of many minus `of`.

    Variances over trials are drawn as if independent between the many, which errs on the wide side.
    """
    estimated = found.share * noise.trainings + (1 - found.share) * noise.trials[:, other]
    error = noise.means[:, other] - noise.means[:, of]
    scale = np.sqrt(found.variance * estimated)
    return np.divide(error, scale, out=np.zeros_like(error), where=scale > 0)


def _stretch(drawn: np.ndarray, alone: Sequence[float], level: float) -> float:
    """How much wider one interval is than the draws (arms, draws) would have it; at least 1."""
    asked = np.quantile(drawn, level, axis=1)
    known = asked > 0
    return max(1.0, float(np.median(np.array(alone)[known] / asked[known]))) if known.any() else 1.0


def _ratio(found: Estimate) -> float:
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = float(np.divide(found.value, np.sqrt(found.variance)))
    return 0.0 if np.isnan(ratio) else ratio


def _interval(
    arm: np.ndarray,
    reference: np.ndarray,
    between: Between | None,
    unit: bool,
    found: Estimate,
    critical: float,
) -> Interval:
    if unit:
        return rate_difference(arm, reference, between, critical=critical)
    half = critical * np.sqrt(found.variance)
    return Interval(float(found.value), float(found.value - half), float(found.value + half))


def _checked(
    arms: Sequence[np.ndarray], between: Between | None, unit: bool
) -> tuple[list[np.ndarray], Between | None]:
    arms = [np.asarray(arm, float) for arm in arms]
    shapes = [arm.shape for arm in arms]
    if len(arms) < 2 or any(len(s) != 2 for s in shapes) or len({s[1] for s in shapes}) != 1:
        raise InputError(f"arms of shapes {shapes}: expected (trainings, trials), trials shared, two or more")
    if unit:
        arms = [unit_table("arms", arm) for arm in arms]
    if between is None and max(s[0] for s in shapes) > 1:
        between = between_trainings(arms)
    return arms, between
