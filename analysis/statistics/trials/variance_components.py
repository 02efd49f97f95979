"""Variance components of trainings by trials: mean squares, and the scatter of trainings pooled over arms."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import fdtrc

from align.errors import InputError


class Components(NamedTuple):
    """Mean squares of a table of trainings by trials.

    Attributes:
        mean: Of all outcomes.
        trainings, trials: I and J.
        ms_training: J · variance of the trainings' means; NaN with one training.
        ms_trial: I · variance of the trials' means.
        ms_rest: What is left, per degree of freedom; NaN with one training.
    """

    mean: ArrayLike
    trainings: int
    trials: int
    ms_training: ArrayLike
    ms_trial: ArrayLike
    ms_rest: ArrayLike


def components(values: ArrayLike) -> Components:
    """Two-way analysis of variance without replication.

    Args:
        values: (..., trainings, trials).

    Raises:
        InputError: Not finite, no training, or fewer than two trials.
    """
    values = table("values", values)
    trainings, trials = values.shape[-2:]
    mean = values.mean((-2, -1))
    rows, columns = values.mean(-1), values.mean(-2)
    if trainings == 1:
        nothing = np.full(mean.shape, np.nan)
        return Components(mean, 1, trials, nothing, columns.var(-1, ddof=1), nothing)
    ms_training = trials * rows.var(-1, ddof=1)
    ms_trial = trainings * columns.var(-1, ddof=1)
    total = ((values - mean[..., None, None]) ** 2).sum((-2, -1))
    rest = total - (trainings - 1) * ms_training - (trials - 1) * ms_trial
    ms_rest = np.maximum(rest, 0) / ((trainings - 1) * (trials - 1))
    return Components(mean, trainings, trials, ms_training, ms_trial, ms_rest)


class Between(NamedTuple):
    """What is known of the variance between trainings.

    Attributes:
        mean_square: Estimates σ²_training + σ²_rest / J, the variance of a training's mean on given trials.
        rest: Estimates σ²_rest / J.
        df: Degrees of freedom of `mean_square`.
        relative: Both are in units of rate · (1 − rate), for outcomes in [0, 1]; see `between_trainings`.
    """

    mean_square: ArrayLike
    rest: ArrayLike
    df: ArrayLike
    relative: bool = False

    @property
    def variance(self) -> ArrayLike:
        """σ²_training, not below zero."""
        return np.maximum(np.subtract(self.mean_square, self.rest), 0)


def between_trainings(arms: Sequence[ArrayLike | Components], relative: bool = False) -> Between:
    """The variance between trainings, pooled over the arms of a sweep.

    Each arm of I trainings adds I − 1 degrees of freedom; an arm of one adds none. It is assumed that the
    arms' trainings scatter alike; leave out the arms in which a training collapsed (see `scattered`), and
    judge those by their own scatter.

    Args:
        arms: (..., trainings, trials) of each arm, or its components; numbers of trainings and of trials may
            differ.
        relative: Measure each arm's mean squares in units of m · (1 − m) of its mean m, as a beta-binomial
            does: for outcomes in [0, 1] whose arms have means from near 0 to near 1. An arm without any
            success, or failure, then tells nothing and is left out.

    Raises:
        InputError: No arm has two trainings, or as in `components`.
    """
    found = [c for c in map(_components, arms) if c.trainings > 1]
    if not found:
        raise InputError("arms with one training each: expected at least one arm with two or more")
    units = [c.mean * (1 - c.mean) if relative else np.ones_like(c.mean) for c in found]
    df = [np.where(u > 0, c.trainings - 1.0, 0.0) for c, u in zip(found, units, strict=True)]
    units = [np.where(u > 0, u, 1.0) for u in units]
    total = sum(df)
    with np.errstate(invalid="ignore"):
        means, rests = (
            sum(w * getattr(c, name) / c.trials / u for w, c, u in zip(df, found, units, strict=True)) / total
            for name in ("ms_training", "ms_rest")
        )
    if not np.all(total):
        raise InputError("arms without a success or without a failure: their trainings' scatter is unknown")
    return Between(means, rests, total, relative)


def scattered(
    arms: Sequence[ArrayLike | Components], level: float = 0.01, relative: bool = False
) -> list[int]:
    """Arms whose trainings scatter far more than those of the others: Cochran's test of outlying variance.

    The largest variance between trainings is compared with the sum of all; while it is an outlier it is set
    aside and the rest tested again (Cochran, Annals of Eugenics 11, 1941; ISO 5725-2). Its critical value
    is Bonferroni's bound, by the F distribution; numbers of trainings may differ.

    Args:
        arms: (trainings, trials) of each arm, or its components.
        level: Probability of setting any arm aside where all scatter alike.
        relative: Compare variances in units of m · (1 − m), as in `between_trainings`; an arm of mean 0 or 1
            is kept.

    Returns:
        Numbers of the arms to leave out of `between_trainings`, in ascending order.

    Raises:
        InputError: As in `components`.
    """
    found = [_components(arm) for arm in arms]
    units = [c.mean * (1 - c.mean) if relative else 1.0 for c in found]
    known = [i for i, (c, u) in enumerate(zip(found, units, strict=True)) if c.trainings > 1 and u > 0]
    variances = [found[i].ms_training / found[i].trials / units[i] for i in known]
    return [known[i] for i in outlying(variances, [found[i].trainings - 1 for i in known], level)]


def outlying(variances: ArrayLike, df: ArrayLike, level: float = 0.01, fewest: int = 3) -> list[int]:
    """Numbers of the variances that are outliers among all, in ascending order; see `scattered`.

    Args:
        variances: (n,) estimates.
        df: (n,) degrees of freedom, above 0.
        level: Probability of finding any where all are of one variance.
        fewest: Of fewer none is an outlier.
    """
    df = np.asarray(df, float)
    sums, kept, out = df * variances, list(range(len(df))), []
    while len(kept) >= fewest:
        rest_df = df[kept].sum() - df[kept]
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio = (sums[kept] / df[kept]) / ((sums[kept].sum() - sums[kept]) / rest_df)
        p = fdtrc(df[kept], rest_df, np.nan_to_num(ratio))
        worst = int(np.argmin(p))
        if p[worst] * len(kept) >= level:
            break
        out.append(kept.pop(worst))
    return sorted(out)


def of_each_arm(arms: Sequence[ArrayLike | Components], relative: bool = False) -> list[Between | None]:
    """What is known of the variance between the trainings of each arm of a sweep.

    It is pooled over the arms that scatter alike; an arm that `scattered` sets aside has its own. None where
    no arm has two trainings, so that nothing is known of another training.

    Args:
        arms, relative: As in `between_trainings`.

    Raises:
        InputError: As in `components`.
    """
    found = [_components(arm) for arm in arms]
    aside = scattered(found, relative=relative)
    known = [_has_scatter(c, relative) for c in found]
    kept = [c for i, c in enumerate(found) if known[i] and i not in aside]
    pooled = between_trainings(kept, relative) if kept else None
    return [between_trainings([c], relative) if i in aside else pooled for i, c in enumerate(found)]


def set_aside(scatter: Sequence[Between | None]) -> list[int]:
    """Numbers of the arms that `of_each_arm` judges by their own trainings, those of others being pooled."""
    same = [sum(b is other for other in scatter) for b in scatter]
    return [i for i, n in enumerate(same) if n < max(same)]


def together(known: Between | Sequence[Between], arms: Sequence[ArrayLike | Components]) -> Between:
    """The mean variance between trainings of some arms, in the outcomes' own unit; the fewest df count.

    Args:
        known: Of all the arms, or of each; as `of_each_arm` finds it.
        arms: As in `between_trainings`.
    """
    means = [_components(arm).mean for arm in arms]
    each = [known] * len(means) if isinstance(known, Between) else known
    units = [m * (1 - m) if b.relative else 1.0 for b, m in zip(each, means, strict=True)]
    square, rest = np.mean(
        [(b.mean_square * u, b.rest * u) for b, u in zip(each, units, strict=True)], axis=0
    )
    return Between(square, rest, min(float(b.df) for b in each))


def _has_scatter(c: Components, relative: bool) -> bool:
    return c.trainings > 1 and (not relative or bool(c.mean * (1 - c.mean) > 0))


def _components(arm: ArrayLike | Components) -> Components:
    return arm if isinstance(arm, Components) else components(arm)


def table(name: str, values: ArrayLike) -> np.ndarray:
    """Outcomes as a float array (..., trainings, trials), checked."""
    values = np.asarray(values, float)
    if values.ndim < 2 or not values.size or values.shape[-1] < 2 or not np.isfinite(values).all():
        raise InputError(
            f"{name} of shape {values.shape}: expected finite numbers (trainings, trials), two or more trials"
        )
    return values
