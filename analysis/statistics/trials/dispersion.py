"""A statistic that each training has an interval of its own for, such as a probe's AUC, over trainings.

A run's interval shows the luck of the held-out episodes, which all runs share. How much trainings differ
besides is measured against it, as quasi-likelihood does: the variance between trainings is taken to be the
same multiple of the variance that a run's interval shows in all arms of a sweep, since both shrink near the
ends of a scale. One multiple is estimated from all arms, but for those whose trainings differ far more than
the others': these have their own.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import ndtri, stdtrit

from align.analysis.statistics.intervals import LEVEL, NORMAL, Interval
from align.analysis.statistics.trials.variance_components import outlying


class Dispersion(NamedTuple):
    """How trainings scatter.

    Attributes:
        factor: Variance between trainings over that which a run's own interval shows.
        df: Degrees of freedom of `factor`.
    """

    factor: float
    df: float


def of_each_arm(arms: Sequence[Sequence[Interval]]) -> list[Dispersion | None]:
    """How the trainings of each arm of a sweep scatter, pooled over those that scatter alike.

    An arm is judged by itself where its multiple is an outlier, by Cochran's test as for trials
    (`variance_components.scattered`), of two arms as well: one may be all that is left beside it. An arm
    whose trainings all have the same value, as at the end of a scale, tells nothing of the others.

    Args:
        arms: Of each an interval a training.

    Returns:
        Of each arm; all None where no arm has two trainings whose intervals have a width.
    """
    known = [i for i, runs in enumerate(arms) if _tells(runs)]
    ratios = [np.var([run.value for run in arms[i]], ddof=1) / _own_variance(arms[i]) for i in known]
    df = [len(arms[i]) - 1 for i in known]
    aside = outlying(ratios, df, fewest=2)
    own = {known[k]: Dispersion(float(ratios[k]), float(df[k])) for k in aside}
    alike = [k for k in range(len(known)) if k not in aside]
    total = float(sum(df[k] for k in alike))
    pooled = Dispersion(float(sum(df[k] * ratios[k] for k in alike)) / total, total) if alike else None
    return [own.get(i, pooled) for i in range(len(arms))]


def over_trainings(
    runs: Sequence[Interval],
    scatter: Dispersion | None = None,
    bounds: tuple[float, float] = (-np.inf, np.inf),
    level: float = LEVEL,
) -> Interval:
    """The mean over trainings that were all measured on the same episodes.

    What trainings scatter shrinks with their number, the luck of the shared episodes does not. The two are
    combined a side at a time by the squares of their distances (MOVER, Zou and Donner 2008), which respects
    skewed intervals.

    Args:
        runs: One estimate and interval a training, at least one.
        scatter: As `of_each_arm` found it; without it, the interval is over episodes alone and says nothing
            of another training.
        bounds: What the mean cannot leave.
        level: Confidence level; the runs' own intervals, of 95 %, are widened as normal ones would be.
    """
    value, low, high = np.asarray(runs, float).T
    mean, between, upper = value.mean(), 0.0, (1 + level) / 2
    if scatter is not None:
        variance = scatter.factor * _own_variance(runs) / len(runs)
        between = float(stdtrit(scatter.df, upper)) * np.sqrt(variance)
    wider = float(ndtri(upper)) / NORMAL
    below, above = np.hypot(between, [wider * np.mean(value - low), wider * np.mean(high - value)])
    return Interval(float(mean), float(max(mean - below, bounds[0])), float(min(mean + above, bounds[1])))


def _tells(runs: Sequence[Interval]) -> bool:
    """Whether an arm says how trainings scatter."""
    differ = len({run.value for run in runs}) > 1
    return differ and bool(0 < _own_variance(runs) < np.inf)


def _own_variance(runs: Sequence[Interval]) -> float:
    """Mean variance that the runs' own intervals show."""
    return float(np.mean([((run.high - run.low) / (2 * NORMAL)) ** 2 for run in runs]))
