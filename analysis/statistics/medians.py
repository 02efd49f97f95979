"""Medians, median ratios and AUCs over training seeds and trials, where trials may lack the measurement.

Of n training seeds n − 1 are drawn (Rao & Wu 1988): n draws would show too little of how much trainings
differ where they are few. `intervals.resampling_weights` does as much for means. With two or three training
seeds the interval is, as any from so few, a rough one.
"""

import numpy as np

from align.analysis.statistics.intervals import DRAWS, Interval, percentile, resampling_weights
from align.analysis.statistics.smoothness import auc
from align.seeding import numpy_rng


def hierarchical_median(values: np.ndarray) -> Interval | None:
    """The median over training seeds and trials, both resampled.

    Args:
        values: (training seeds, trials), NaN where there is nothing to measure.

    Returns:
        None where nothing was measured.
    """
    values = np.asarray(values, float)
    if not np.isfinite(values).any():
        return None
    rng = numpy_rng(0, "hierarchical median")
    n, trials = values.shape
    rows, columns = _trainings(n, rng), rng.integers(trials, size=(DRAWS, trials))
    resampled = _nanmedian(values[rows[:, :, None], columns[:, None]].reshape(DRAWS, -1))
    return percentile(float(np.nanmedian(values)), resampled)


def hierarchical_ratio(values: np.ndarray, reference: np.ndarray) -> Interval | None:
    """The median ratio to the reference on the trials that both have: over both's training seeds and trials.

    The median of each alone is of the trials that it succeeds in, which may be the easy ones.

    Args:
        values, reference: (training seeds, trials) positive, the same trials in one order; NaN where there is
            nothing to measure. Every training is compared with every training of the reference, and a trial
            counts as often as two of them have it.

    Returns:
        None where no trial was measured in both.
    """
    values, reference = (np.where(np.asarray(v) > 0, v, np.nan) for v in (values, reference))
    ratios = np.log(values)[:, None] - np.log(reference)[None]  # (n, m, t)
    if not np.isfinite(ratios).any():
        return None
    rng = numpy_rng(0, "hierarchical ratio")
    n, m, trials = ratios.shape
    rows, columns = _trainings(n, rng), _trainings(m, rng)
    shared = rng.integers(trials, size=(DRAWS, trials))
    resampled = ratios[rows[:, :, None, None], columns[:, None, :, None], shared[:, None, None, :]]
    medians = _nanmedian(resampled.reshape(DRAWS, -1))
    return percentile(float(np.exp(np.nanmedian(ratios))), np.exp(medians[np.isfinite(medians)]))


def hierarchical_auc(values: np.ndarray, reference: np.ndarray) -> Interval | None:
    """Probability that a value is above one of the reference: over training seeds, trials and the reference.

    Args:
        values: (training seeds, trials), NaN where there is nothing to measure.
        reference: (m,) finite values; all three are resampled.

    Returns:
        None where nothing was measured.
    """
    values, reference = np.asarray(values, float), np.asarray(reference, float)
    measured = np.isfinite(values)
    if not measured.any():
        return None
    above = (np.sign(values[..., None] - reference) + 1) / 2  # (n, t, m), ties counted half
    rng = numpy_rng(0, "hierarchical auc")
    columns = resampling_weights(len(reference), DRAWS, rng)
    each = np.nan_to_num(above) @ columns.T  # (n, t, draws)
    n, t = values.shape
    rows = np.stack([np.bincount(r, minlength=n) for r in _trainings(n, rng)])
    trials = rng.multinomial(t, np.full(t, 1 / t), DRAWS)
    weights = np.einsum("dn,dt,nt->ntd", rows, trials, measured)
    with np.errstate(invalid="ignore"):
        drawn = (weights * each).sum((0, 1)) / weights.sum((0, 1))
    return percentile(auc(values[measured], reference), drawn[np.isfinite(drawn)], bounds=(0, 1))


def _trainings(n: int, rng: np.random.Generator) -> np.ndarray:
    """Which of n training seeds each resample holds, n − 1 of them (draws, max(1, n − 1))."""
    return rng.integers(n, size=(DRAWS, max(1, n - 1)))


def _nanmedian(values: np.ndarray) -> np.ndarray:
    """The median (k,) of each row (k, n), NaN left out; `numpy.nanmedian` takes rows one at a time."""
    ordered = np.sort(values, axis=1)  # NaN last
    found = np.isfinite(values).sum(1)
    middle = [
        np.take_along_axis(ordered, np.maximum(i, 0)[:, None], 1) for i in ((found - 1) // 2, found // 2)
    ]
    return np.where(found > 0, (middle[0] + middle[1])[:, 0] / 2, np.nan)
