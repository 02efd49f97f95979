"""What a comparison of two arms can detect, before it is run: trainings, trials, smallest difference.

The variance of a paired difference is σ²_training (1/I + 1/I₀) + (σ²_trial + σ²_rest (1/I + 1/I₀)) / J,
with I trainings of the arm, I₀ of the reference and J shared trials, where σ²_trial is that of the difference
of the two arms' trial effects. Power is by the noncentral t distribution, with Satterthwaite's degrees of
freedom and the critical value of `crossed`, both at the true variances. More trials never undo what few
trainings cost.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.special import stdtrit
from scipy.stats import nct, norm

from align.analysis.statistics.intervals import LEVEL
from align.analysis.statistics.trials.variance_components import (
    Between,
    between_trainings,
    components,
    table,
    together,
)
from align.errors import InputError

POWER = 0.8
MOST = 100_000  # trainings or trials that are looked at


class Variances(NamedTuple):
    """Variances of a paired difference's parts, in the squared unit of the outcomes.

    Attributes:
        training: Between the trainings of an arm.
        trial: Of the difference of two arms' trial effects.
        rest: Of one outcome around its training's and its trial's effect.
    """

    training: float
    trial: float
    rest: float

    @classmethod
    def of_runs(cls, training_sd: float, difference_sd: float) -> "Variances":
        """Of standard deviations as one has them by hand.

        Args:
            training_sd: Between the means of trainings of the same arm, on many trials.
            difference_sd: Of the difference of two runs' outcomes from one start.
        """
        return cls(training_sd**2, 0.0, difference_sd**2 / 2)


def variances(
    values: ArrayLike, reference: ArrayLike, between: Between | Sequence[Between] | None = None
) -> Variances:
    """The variances of a paired difference, estimated; each is at least 0.

    With one training a side, what belongs to trials and what to the rest cannot be told apart, and all of it
    counts as rest; the variance between trainings is then 0 unless `between` is given.

    Args:
        values: (trainings, trials) of an arm.
        reference: (trainings, trials) of another.
        between: The variance between trainings, pooled over arms, or that of each of the two, of which the
            mean counts; by default pooled over these two.

    Raises:
        InputError: The numbers of trials differ, or as in `crossed.components`.
    """
    values, reference = table("values", values), table("reference", reference)
    if values.shape[1:] != reference.shape[1:] or values.ndim != 2:
        raise InputError(f"reference of shape {reference.shape}: expected trials as of {values.shape}")
    share = 1 / len(values) + 1 / len(reference)
    over_trials = (values.mean(0) - reference.mean(0)).var(ddof=1)
    repeated = [components(v) for v in (values, reference) if len(v) > 1]
    if between is None and repeated:
        between = between_trainings([values, reference])
    training = 0.0 if between is None else float(together(between, (values, reference)).variance)
    if not repeated:
        return Variances(training, 0.0, float(over_trials / share))
    rest = np.average([c.ms_rest for c in repeated], weights=[c.trainings - 1 for c in repeated])
    return Variances(training, float(max(over_trials - rest * share, 0)), float(rest))


def power(
    difference: float,
    v: Variances,
    trainings: int,
    trials: int,
    reference_trainings: int | None = None,
    pooled_df: float | None = None,
    level: float = LEVEL,
) -> float:
    """Probability that the interval of a true `difference` leaves out 0, on its own side.

    Args:
        difference: The true difference of the two arms.
        v: The variances.
        trainings: Of the arm, and of the reference unless that is given.
        trials: Shared by all of them, at least two.
        reference_trainings: Of the reference.
        pooled_df: Degrees of freedom of a variance between trainings that is pooled over arms; by default
            those of the two arms. Without any, with one training a side, the result is that of these two
            trainings and `v.training` plays no part.
        level: Confidence level of the interval.

    Raises:
        InputError: Fewer than one training or two trials.
    """
    spread, df, critical = _spread(v, trainings, trials, reference_trainings, pooled_df, level)
    if spread == 0:
        return float(difference != 0)
    ratio = abs(difference) / spread
    if ratio > 30 + critical:  # beyond which the noncentral t loses its digits
        return 1.0
    return float(nct.sf(critical, df, ratio)) if df < 1e5 else float(norm.sf(critical - ratio))


def detectable_difference(
    v: Variances,
    trainings: int,
    trials: int,
    reference_trainings: int | None = None,
    pooled_df: float | None = None,
    level: float = LEVEL,
    at_power: float = POWER,
) -> float:
    """The smallest difference that is detected with probability `at_power`; other arguments as in `power`."""
    if not level < 1 or not (1 - level) / 2 < at_power < 1:
        raise InputError(f"at_power={at_power}: expected between {(1 - level) / 2:g} and 1, e.g. 0.8")
    plan = (v, trainings, trials, reference_trainings, pooled_df, level)
    spread, _, critical = _spread(*plan)
    if spread == 0:
        return 0.0
    most = spread * (critical + 1)
    while power(most, *plan) < at_power:
        most *= 2
    return float(brentq(lambda d: power(d, *plan) - at_power, 0, most, xtol=1e-6 * most))


def trainings_needed(
    difference: float,
    v: Variances,
    trials: int,
    level: float = LEVEL,
    at_power: float = POWER,
    pooled_arms: float = 2,
) -> int | None:
    """The fewest trainings a side, at least two, that detect `difference`; None where no number does.

    Args:
        difference, v, trials, level: As in `power`.
        at_power: Probability of detecting it.
        pooled_arms: Arms of as many trainings over which the variance between trainings is pooled.
    """

    def enough(n: int) -> bool:
        return power(difference, v, n, trials, None, pooled_arms * (n - 1), level) >= at_power

    return _fewest(enough, 2)


def trials_needed(
    difference: float,
    v: Variances,
    trainings: int,
    level: float = LEVEL,
    at_power: float = POWER,
    reference_trainings: int | None = None,
    pooled_df: float | None = None,
) -> int | None:
    """The fewest shared trials that detect `difference`; None where the trainings are too few for any."""
    plan = dict(reference_trainings=reference_trainings, pooled_df=pooled_df, level=level)
    return _fewest(lambda n: power(difference, v, trainings, n, **plan) >= at_power, 2)


def _spread(
    v: Variances,
    trainings: int,
    trials: int,
    reference_trainings: int | None,
    pooled_df: float | None,
    level: float,
) -> tuple[float, float, float]:
    """Standard deviation of the difference, degrees of freedom of its estimate, and the critical value."""
    other = trainings if reference_trainings is None else reference_trainings
    if min(trainings, other) < 1 or trials < 2:
        raise InputError(f"trainings={trainings}, {other}, trials={trials}: expected at least 1, 1 and 2")
    df = trainings + other - 2 if pooled_df is None else pooled_df
    share = 1 / trainings + 1 / other
    between = v.training * share if df > 0 else 0.0
    within = (v.trial + v.rest * share) / trials
    variance = between + within
    if variance == 0:
        return 0.0, np.inf, 0.0
    upper, over_trials = (1 + level) / 2, trials - 1
    if df == 0:
        return float(np.sqrt(variance)), over_trials, float(stdtrit(over_trials, upper))
    with_rest = between + v.rest * share / trials  # what the trainings' mean square estimates
    weight = min(with_rest / variance, 1.0)
    critical = weight * stdtrit(df, upper) + (1 - weight) * stdtrit(over_trials, upper)
    uncertain = with_rest**2 / df + within**2 / over_trials
    return float(np.sqrt(variance)), float(variance**2 / uncertain), float(critical)


def _fewest(enough, least: int) -> int | None:
    high = least
    while not enough(high):
        if high >= MOST:
            return None
        high = min(2 * high, MOST)
    low = max(least - 1, high // 2 if high > least else least - 1)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def in_words(found: float, digits: int, largest: float = 1.0) -> str:
    """The smallest effect that is found in decimals, or "none" where there can be none as large.

    Args:
        found: As `detectable_difference` gives it, which knows no bounds.
        digits: Decimals.
        largest: The largest difference that outcomes can have, by default of those in [0, 1].
    """
    return f"{found:.{digits}f}" if found < largest else "none"
