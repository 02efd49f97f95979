"""Medians, ratios of medians and AUCs over trainings and trials, where a trial may lack the measurement.

Of each training there is a statistic of its trials; what is estimated is its mean over trainings. Trials are
resampled, jointly for all trainings that met them, which says how much trials, and what is left of single
outcomes, move each training's statistic and all of them together. Trainings, of which there are two or three,
are not: their variance is estimated as that of means is, by mean squares, pooled over the arms of a sweep
(`variance_components`), with the critical values of `crossed`.

Medians and their ratios are taken in logarithms, in which trainings of smooth and of rough arms scatter
alike: the estimate is the geometric mean of the trainings' medians.
"""

from collections.abc import Sequence

import numpy as np

from align.analysis.statistics.intervals import LEVEL, Interval
from align.analysis.statistics.trials.crossed import combine
from align.analysis.statistics.trials.rates import score_interval
from align.analysis.statistics.trials.variance_components import Between, Components, between_trainings
from align.seeding import numpy_rng

DRAWS = 1000
FEWEST = 5  # measured trials of a training, of which its median has a variance


def log_medians(values: np.ndarray) -> Components | None:
    """The logarithms of trainings' medians, as components of variance.

    What two trainings differ by is the median of their ratio on the trials that both have, which does not
    depend on which trials either has; where they share fewer than five, that of their medians.

    Args:
        values: (trainings, trials) not negative, NaN where there is nothing to measure.

    Returns:
        None where no training has five measured trials; those with fewer are left out.
    """
    values = np.asarray(values, float)
    values = _canonical(values[np.isfinite(values).sum(1) >= FEWEST])
    if not len(values) or not (values > 0).any():
        return None
    logs, columns = _log(values), _columns(values.shape[1])
    c = _components(_medians(logs), _medians(logs[:, columns]).T, int(np.isfinite(values).sum(1).mean()))
    one, other = np.triu_indices(len(logs), 1)
    apart = logs[one] - logs[other]  # (pairs, trials)
    apart = apart[np.isfinite(apart).sum(1) >= FEWEST]
    if not len(apart):
        return c
    trials = apart.shape[1]
    rest = np.nanvar(_medians(apart[:, columns]), axis=1).mean() / 2 * trials / (trials - 1)
    square = np.square(_medians(apart)).mean() / 2
    return c._replace(ms_training=c.trials * square, ms_rest=c.trials * rest)


def median(values: np.ndarray, between: Between | None = None, level: float = LEVEL) -> Interval | None:
    """The geometric mean of trainings' medians over the trials that have the measurement.

    Args:
        values: (trainings, trials) not negative, NaN where there is nothing to measure.
        between: The variance between trainings of `log_medians`, pooled over arms; by default the arm's own.
        level: Confidence level, in (0, 1).

    Returns:
        None where nothing was measured. Where no training has five measured trials, the median of all, whose
        ends are NaN.
    """
    values = np.asarray(values, float)
    if not np.isfinite(values).any():
        return None
    c = log_medians(values)
    if c is None:
        return Interval(float(np.nanmedian(values)), np.nan, np.nan)
    found = combine(c.mean, c.ms_trial / c.trainings, c.trials, [c], between)
    return Interval(*map(float, np.exp(found.interval(level))))


def median_ratio(
    values: np.ndarray,
    reference: np.ndarray,
    between: Sequence[Between] | None = None,
    level: float = LEVEL,
) -> Interval | None:
    """The median ratio to the reference on the trials that both have, a geometric mean over trainings.

    The median of each alone is of the trials that it succeeds in, which may be the easy ones.

    Args:
        values, reference: (trainings, trials) positive, the same trials in one order; NaN where there is
            nothing to measure. Every training is compared with every training of the reference.
        between: The variances between the trainings of `log_medians` of the arm and of the reference, pooled
            over arms; by default pooled over these two.
        level: Confidence level, in (0, 1).

    Returns:
        None where no trial was measured in both. Where no two trainings share five, the median of all ratios,
        whose ends are NaN.
    """
    values, reference = np.asarray(values, float), np.asarray(reference, float)
    shape = len(values), len(reference)
    values, reference = np.split(_canonical(np.vstack([values, reference]), shape), [shape[0]])
    values, reference = (np.where(v > 0, v, np.nan) for v in (values, reference))
    ratios = np.log(values)[:, None] - np.log(reference)[None]  # (n, m, trials)
    measured = np.isfinite(ratios).sum(-1)
    if not measured.any():
        return None
    ratios = ratios[(measured >= FEWEST).any(1)][:, (measured >= FEWEST).any(0)]
    if not ratios.size:
        whole = np.log(values)[:, None] - np.log(reference)[None]
        return Interval(float(np.exp(np.nanmedian(whole))), np.nan, np.nan)
    n, m, trials = ratios.shape
    each = _medians(ratios.reshape(n * m, trials)).reshape(n, m)
    drawn = _medians(ratios.reshape(n * m, trials)[:, _columns(trials)]).T.reshape(-1, n, m)
    count = int(measured[measured >= FEWEST].mean())
    arms = [_components(np.nanmean(each, a), np.nanmean(drawn, a + 1), count) for a in (1, 0)]
    if between is None and max(n, m) > 1:
        between = [between_trainings(arms)] * 2
    over_trials = _variance(np.nanmean(drawn, (1, 2))[:, None])[0, 0] * count
    found = combine(float(np.nanmean(each)), over_trials, count, arms, between)
    return Interval(*map(float, np.exp(found.interval(level))))


def auc_components(values: np.ndarray, reference: np.ndarray) -> Components | None:
    """The probability, a training, that its value is above one of the reference, as components of variance.

    Args:
        values: (trainings, trials), NaN where there is nothing to measure.
        reference: (m,) finite values, resampled as the trials are.

    Returns:
        None where no training has five measured trials; those with fewer are left out.
    """
    values, reference = np.asarray(values, float), np.sort(np.asarray(reference, float))
    values = _canonical(values[np.isfinite(values).sum(1) >= FEWEST])
    if not len(values) or len(reference) < 2:
        return None
    measured = np.isfinite(values)
    above = np.nan_to_num((np.sign(values[..., None] - reference) + 1) / 2)  # (n, trials, m), ties a half
    n, trials, m = above.shape
    found = above.mean(-1).sum(1) / measured.sum(1)
    rng = numpy_rng(0, "auc")
    references = rng.multinomial(m, np.full(m, 1 / m), DRAWS) / m
    weights = rng.multinomial(trials, np.full(trials, 1 / trials), DRAWS)  # (draws, trials)
    each = above.reshape(n * trials, m) @ references.T
    drawn = np.einsum("dt,ntd->dn", weights, each.reshape(n, trials, DRAWS))
    with np.errstate(invalid="ignore"):
        drawn = drawn / (weights @ measured.T)
    return _components(found, drawn, int(measured.sum(1).mean()))


def auc(values: np.ndarray, reference: np.ndarray, between: Between | None = None) -> Interval | None:
    """Probability that a value is above one of the reference, ties counted half: mean over trainings.

    Args:
        values, reference: As in `auc_components`.
        between: The variance between trainings of `auc_components`, pooled over arms, best `relative`; by
            default the arm's own.

    Returns:
        None where nothing was measured. Where no training has five measured trials, or the reference two
        values, the share of all pairs, whose ends are NaN.
    """
    values, reference = np.asarray(values, float), np.asarray(reference, float)
    found = values[np.isfinite(values)]
    if not len(found) or not len(reference):
        return None
    c = auc_components(values, reference)
    if c is None:
        above = (np.sign(found[:, None] - reference) + 1) / 2
        return Interval(float(above.mean()), np.nan, np.nan)
    found = combine(c.mean, c.ms_trial / c.trainings, c.trials, [c], between)
    return score_interval(found, min(c.trials, len(reference)))


def _log(values: np.ndarray) -> np.ndarray:
    """Logarithms; of zero, that of the least positive value."""
    return np.log(np.maximum(values, values[values > 0].min()))


def _canonical(values: np.ndarray, groups: Sequence[int] | None = None) -> np.ndarray:
    """The trials in an order that depends on the outcomes alone, so that resampling does, too.

    Args:
        values: (trainings, trials).
        groups: Numbers of trainings whose order does not matter; by default all of them.
    """
    keys, start = [], 0
    for size in groups or [len(values)]:
        keys.append(np.sort(values[start : start + size], axis=0))
        start += size
    return values[:, np.lexsort(np.vstack(keys))] if len(values) else values


def _columns(trials: int) -> np.ndarray:
    """Trials of each resample (draws, trials)."""
    return numpy_rng(0, "resampled trials").integers(trials, size=(DRAWS, trials))


def _medians(values: np.ndarray) -> np.ndarray:
    """Medians (...) over the last axis, NaN left out; `numpy.nanmedian` takes rows one at a time."""
    ordered = np.sort(values, axis=-1)  # NaN last
    found = np.isfinite(values).sum(-1)[..., None]
    ends = [np.take_along_axis(ordered, np.maximum(i, 0), -1)[..., 0] for i in ((found - 1) // 2, found // 2)]
    return np.where(found[..., 0] > 0, (ends[0] + ends[1]) / 2, np.nan)


def _variance(drawn: np.ndarray) -> np.ndarray:
    """Covariances (n, n) of columns of resamples (draws, n), those without a value left out."""
    return np.atleast_2d(np.cov(drawn[np.isfinite(drawn).all(1)], rowvar=False))


def _components(found: np.ndarray, drawn: np.ndarray, trials: int) -> Components:
    """Mean squares, as of a table of outcomes, of each training's statistic (n,) and resamples (draws, n).

    A training's statistic varies as a mean of `trials` trials would; those of two trainings vary together by
    what trials have in common.
    """
    n, covariance = len(found), _variance(drawn) * trials / (trials - 1)
    ms_trial = trials * covariance.sum() / n
    if n == 1:
        return Components(float(found[0]), 1, trials, np.nan, ms_trial, np.nan)
    own = np.trace(covariance) / n
    shared = (covariance.sum() - np.trace(covariance)) / (n * (n - 1))
    ms_rest = trials * max(own - shared, 0.0)
    return Components(float(found.mean()), n, trials, trials * found.var(ddof=1), ms_trial, ms_rest)
