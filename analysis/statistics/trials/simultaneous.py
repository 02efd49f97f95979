"""Many arms at once: differences that all hold together, and the arms that may be the best.

The estimates of several arms share trials and, as differences, the reference. Their joint distribution
follows from the crossed model: the covariance of the arms' means over the shared trials, plus the variance
between trainings of each arm. Drawing from it says how extreme the most extreme of all comparisons is, each
measured by its own distribution (the single-step min-p, which is the max-t where all have the same degrees of
freedom: Dunnett 1955, by simulation; Westfall and Young 1993), and for each arm against all others the same
one-sided: Hsu's multiple comparisons with the best (Annals of Statistics 9, 1981). A simultaneous interval is
the interval of `crossed` or `rates` at a level so much higher.

The draws are those of `seed` and of a canonical order of the arms, so that neither the order of the arms nor
that of the trials changes what is found.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from align.analysis.statistics.intervals import LEVEL, Interval
from align.analysis.statistics.trials.crossed import Between, Estimate, difference, mean
from align.analysis.statistics.trials.rates import difference_p_value, rate_difference, unit_table
from align.analysis.statistics.trials.variance_components import between_trainings
from align.errors import InputError
from align.seeding import numpy_rng

DRAWS = 10_000
Scatter = Between | Sequence[Between | None] | None
"""The variance between trainings: of all arms, or of each."""


class Comparisons(NamedTuple):
    """Comparisons of two arms each, by themselves and all at once.

    Attributes:
        single: Each one's interval by itself; None where an arm is compared with itself.
        simultaneous: Each one's interval such that all of them hold at once, at `level`.
        p_values: Each one's p-value by itself, below 1 − level where `single` leaves out 0; 1 of an arm with
            itself.
        adjusted: p-values such that the least of them is below p with probability p where no arms differ.
        each_level: Level at which a single interval is as wide as the simultaneous one.
    """

    single: list[Interval | None]
    simultaneous: list[Interval | None]
    p_values: np.ndarray
    adjusted: np.ndarray
    each_level: float


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
    reference: int | Sequence[int] = 0,
    between: Scatter = None,
    level: float = LEVEL,
    unit: bool = False,
    seed: int = 0,
    draws: int = DRAWS,
) -> Comparisons:
    """Every arm's mean minus that of the reference, with intervals that hold one by one and all at once.

    Args:
        arms: (trainings, trials) of each arm, on the same trials in one order.
        reference: Number of the arm that the others are compared with; or a number an arm, its own if it is
            not compared.
        between: The variance between trainings, of all arms or a list of each arm's (see
            `variance_components.of_each_arm`); by default pooled over these arms.
        level: Probability that all simultaneous intervals hold.
        unit: The outcomes are successes or scores in [0, 1]: intervals as in `rates.rate_difference`.
        seed, draws: Of the simulation.

    Returns:
        The comparisons, one an arm.

    Raises:
        InputError: Fewer than two arms, other trials, no such reference, or as in `crossed.components`.
    """
    references = [reference] * len(arms) if isinstance(reference, int) else list(reference)
    return compare(arms, list(enumerate(references)), between, level, unit, seed, draws)


def compare(
    arms: Sequence[np.ndarray],
    pairs: Sequence[tuple[int, int]],
    between: Scatter = None,
    level: float = LEVEL,
    unit: bool = False,
    seed: int = 0,
    draws: int = DRAWS,
) -> Comparisons:
    """The mean of one arm minus that of another, for several pairs.

    Args:
        arms, between, level, unit, seed, draws: As in `against_reference`.
        pairs: Numbers of two arms each, the second is taken off the first.

    Raises:
        InputError: As in `against_reference`.
    """
    arms, scatter = _checked(arms, between, unit)
    for one, other in pairs:
        if not (0 <= one < len(arms) and 0 <= other < len(arms)):
            raise InputError(f"reference={other} of arm {one}: expected numbers of the {len(arms)} arms")
    noise = _draw(arms, scatter, seed, draws)
    asked = [k for k, (one, other) in enumerate(pairs) if one != other]
    found = {k: _Pair.of(arms, scatter, *pairs[k], unit) for k in asked}
    drawn = [np.abs(_standard(noise, found[k].estimate, pairs[k][1], pairs[k][0])) for k in asked]
    most = _shares(np.array(drawn)).max(0) if asked else np.zeros(1)
    each_level = max(float(np.quantile(most, level)), level)
    single: list[Interval | None] = [None] * len(pairs)
    simultaneous: list[Interval | None] = [None] * len(pairs)
    p_values, adjusted = np.ones(len(pairs)), np.ones(len(pairs))
    for k in asked:
        single[k], simultaneous[k] = found[k].interval(level), found[k].interval(each_level)
        p_values[k] = found[k].p_value()
        adjusted[k] = max(np.mean(most >= 1 - p_values[k] - 1e-9), p_values[k])
    return Comparisons(single, simultaneous, p_values, adjusted, each_level)


def best(
    arms: Sequence[np.ndarray],
    between: Scatter = None,
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
    arms, scatter = _checked(arms, between, unit)
    noise, number = _draw(arms, scatter, seed, draws), range(len(arms))
    low, high = np.empty((len(arms), len(arms))), np.empty((len(arms), len(arms)))
    for i in number:
        others = [j for j in number if j != i]
        found = {j: _Pair.of(arms, scatter, i, j, unit) for j in others}
        drawn = np.array([_standard(noise, found[j].estimate, i, j) for j in others])
        upper = max(float(np.quantile(_shares(drawn).max(0), level)), level)  # one-sided
        for j in others:  # by the level of the arm whose upper end it is
            ends = found[j].interval(2 * upper - 1)
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


class _Pair(NamedTuple):
    """The mean of one arm minus that of another."""

    one: np.ndarray  # (trainings, trials) of an arm
    other: np.ndarray
    between: list[Between] | None  # what is known of their trainings; None where nothing is
    unit: bool
    estimate: Estimate

    @classmethod
    def of(
        cls, arms: Sequence[np.ndarray], scatter: Sequence[Between | None], one: int, other: int, unit: bool
    ) -> "_Pair":
        between = None if scatter[one] is None else [scatter[one], scatter[other]]
        return cls(arms[one], arms[other], between, unit, difference(arms[one], arms[other], between))

    def interval(self, level: float) -> Interval:
        if self.unit:
            return rate_difference(self.one, self.other, self.between, level)
        return self.estimate.interval(level)

    def p_value(self) -> float:
        """Of "no difference", by the very interval above."""
        if self.unit:
            return difference_p_value(self.one, self.other, self.between)
        return self.estimate.p_value()


class _Noise(NamedTuple):
    means: np.ndarray  # (draws, arms) errors of the arms' means
    trainings: np.ndarray  # (draws, arms) estimated over true variance between an arm's trainings
    trials: np.ndarray  # (draws, arms) the same of the variance over trials
    df: np.ndarray  # (arms,) degrees of freedom of the variance between trainings


def _draw(arms: Sequence[np.ndarray], scatter: Sequence[Between | None], seed: int, draws: int) -> _Noise:
    estimates = [mean(arm, b) for arm, b in zip(arms, scatter, strict=True)]
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
    df = np.array([np.inf if b is None else float(b.df) for b in scatter])
    trainings, known = np.ones((draws, len(arms))), {}
    for i in order:  # arms that share an estimate share its luck
        if np.isfinite(df[i]):
            if id(scatter[i]) not in known:
                known[id(scatter[i])] = rng.chisquare(df[i], draws) / df[i]
            trainings[:, i] = known[id(scatter[i])]
    trials = np.empty((draws, len(arms)))
    trials[:, order] = rng.chisquare(columns.shape[1] - 1, (draws, len(arms))) / (columns.shape[1] - 1)
    return _Noise(means, trainings, trials, df)


def _standard(noise: _Noise, found: Estimate, of: int, other: int) -> np.ndarray:
    """Draws of (estimate − truth) / its standard error of arm `other` minus arm `of`, one of many minus `of`.

    Variances over trials are drawn as if independent between the many, which errs on the wide side.
    """
    fewest = min((of, other), key=lambda i: noise.df[i])
    estimated = found.share * noise.trainings[:, fewest] + (1 - found.share) * noise.trials[:, other]
    error = noise.means[:, other] - noise.means[:, of]
    scale = np.sqrt(found.variance * estimated)
    return np.divide(error, scale, out=np.zeros_like(error), where=scale > 0)


def _shares(drawn: np.ndarray) -> np.ndarray:
    """Of draws (comparisons, draws), the share of a comparison's own draws that each one exceeds."""
    order = np.argsort(drawn, axis=1, kind="stable")
    shares = np.empty(drawn.shape)
    np.put_along_axis(shares, order, np.arange(drawn.shape[1])[None] / drawn.shape[1], axis=1)
    return np.where(np.ptp(drawn, axis=1, keepdims=True) > 0, shares, 0.0)


def _checked(
    arms: Sequence[np.ndarray], between: Scatter, unit: bool
) -> tuple[list[np.ndarray], list[Between | None]]:
    arms = [np.asarray(arm, float) for arm in arms]
    shapes = [arm.shape for arm in arms]
    if len(arms) < 2 or any(len(s) != 2 for s in shapes) or len({s[1] for s in shapes}) != 1:
        raise InputError(f"arms of shapes {shapes}: expected (trainings, trials), trials shared, two or more")
    if unit:
        arms = [unit_table("arms", arm) for arm in arms]
    if between is None and max(s[0] for s in shapes) > 1:
        between = between_trainings(arms)
    if between is None or isinstance(between, Between):
        return arms, [between] * len(arms)
    if len(between) != len(arms) or len({b is None for b in between}) > 1:
        raise InputError(f"between of {len(between)}: expected one of each of {len(arms)} arms, none unknown")
    return arms, list(between)
