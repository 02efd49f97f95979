"""A few trials on the robot and many in simulation of one policy: a shorter interval, never an invalid one.

Prediction-powered inference (Angelopoulos et al., Science 382, 2023; power-tuned: PPI++, arXiv 2311.01453):
simulated outcomes f of the very starts that were tried on the robot tell how far simulation predicts the
robot's outcomes y, and those of N further starts replace what it predicts. The estimate is
mean(y) + λ (mean of further f − mean of f). A biased simulation does not bias it; one that predicts nothing
gets λ ≈ 0 and gains nothing.

With ten or twenty trials, successes that agree by luck make the published interval far too short (in
simulation 95 % ones cover from 33 %). So λ is chosen, and the variance counted, as if two further trials had
shown simulation wrong by one whole success: a ridge, which leaves the ordinary interval alone at λ = 0. The
interval is Wilson's at the effective number of trials, Student's quantile for the normal one. See
`docs/coverage.md`. It speaks of this trained policy.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtrit

from align.analysis.statistics.intervals import LEVEL, Interval
from align.analysis.statistics.trials.crossed import checked_level
from align.errors import InputError

DOUBT = 2.0  # trials that are imagined to have shown simulation wrong by one whole success


class Assisted(NamedTuple):
    """An estimate with simulation's help.

    Attributes:
        interval: With simulation.
        alone: From the robot's trials alone, by the same method.
        weight: λ, how far simulation was trusted; from 0.
        correlation: Of robot and simulation on the shared starts; NaN where either never varies.
    """

    interval: Interval
    alone: Interval
    weight: float
    correlation: float


def assisted_rate(
    outcomes: ArrayLike, simulated: ArrayLike, further: ArrayLike, level: float = LEVEL
) -> Assisted:
    """A success rate or mean score on the robot.

    Args:
        outcomes: (n,) successes or scores in [0, 1] on the robot, three or more.
        simulated: (n,) outcomes or mean outcomes in [0, 1] of the same starts in simulation.
        further: (N,) simulated outcomes of other starts of the same kind, two or more.
        level: Confidence level, in (0, 1).

    Raises:
        InputError: Lengths that do not fit, or an outcome outside [0, 1].
    """
    y, f, more = _checked(outcomes, simulated, further)
    return Assisted(
        *(_wilson(*_estimate(y, f, more, trust), len(y), level) for trust in (True, False)),
        *_trust(y, f),
    )


def assisted_difference(
    outcomes: ArrayLike,
    reference: ArrayLike,
    simulated: ArrayLike,
    simulated_reference: ArrayLike,
    further: ArrayLike,
    further_reference: ArrayLike,
    level: float = LEVEL,
) -> Assisted:
    """A policy's rate or score minus the reference's on the robot, both from the same starts.

    Half a win and half a loss are added to the differences' scatter (after Agresti and Min 2005), so that few
    trials without a difference prove none.

    Args:
        outcomes, reference: (n,) in [0, 1] on the robot, in the same order of starts; three or more.
        simulated, simulated_reference: (n,) in [0, 1] of the same starts in simulation.
        further, further_reference: (N,) simulated outcomes of other starts, the same for both.
        level: Confidence level, in (0, 1).

    Raises:
        InputError: As in `assisted_rate`.
    """
    arm = _checked(outcomes, simulated, further)
    other = _checked(reference, simulated_reference, further_reference)
    if [len(x) for x in arm] != [len(x) for x in other]:
        sizes = [len(x) for x in other]
        raise InputError(f"reference with {sizes} outcomes: expected {[len(x) for x in arm]}, the policy's")
    y, f, more = (a - b for a, b in zip(arm, other, strict=True))
    critical = float(stdtrit(len(y) - 1, (1 + float(checked_level(level))) / 2))
    intervals = []
    for trust in (True, False):
        value, variance = _estimate(y, f, more, trust, scatter=1.0)
        half = critical * np.sqrt(variance)
        value = float(np.clip(value, -1, 1))
        intervals.append(Interval(value, float(max(value - half, -1)), float(min(value + half, 1))))
    return Assisted(*intervals, *_trust(y, f))


def _trust(y: np.ndarray, f: np.ndarray) -> tuple[float, float]:
    """λ of a ridge regression on simulation, and the correlation."""
    yc, fc = y - y.mean(), f - f.mean()
    together = float(yc @ fc)
    apart = float(np.sqrt((yc @ yc) * (fc @ fc)))
    return max(together, 0.0) / (float(fc @ fc) + DOUBT), together / apart if apart > 0 else np.nan


def _estimate(
    y: np.ndarray, f: np.ndarray, more: np.ndarray, trust: bool, scatter: float = 0.0
) -> tuple[float, float]:
    """The estimate and its variance."""
    n, weight = len(y), _trust(y, f)[0] if trust else 0.0
    residuals = (y - y.mean()) - weight * (f - f.mean())
    left = (residuals @ residuals + scatter + DOUBT * weight**2) / (n - 1)
    predicted = np.concatenate([f, more]).var(ddof=1)
    value = y.mean() + weight * (more.mean() - f.mean())
    return float(value), float(left / n + weight**2 * predicted / len(more))


def _wilson(value: float, variance: float, n: int, level: float) -> Interval:
    critical = float(stdtrit(n - 1, (1 + float(checked_level(level))) / 2))
    value = float(np.clip(value, 0, 1))
    spread = value * (1 - value)
    z2 = critical**2 * (variance / spread if spread > 0 and variance > 0 else 1 / n)
    centre = (value + z2 / 2) / (1 + z2)
    half = np.sqrt(z2 * (spread + z2 / 4)) / (1 + z2)
    return Interval(value, float(max(min(centre - half, value), 0)), float(min(max(centre + half, value), 1)))


def _checked(
    outcomes: ArrayLike, simulated: ArrayLike, further: ArrayLike
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    found = [np.asarray(x, float) for x in (outcomes, simulated, further)]
    for name, x in zip(("outcomes", "simulated", "further"), found, strict=True):
        least = 2 if name == "further" else 3
        if x.ndim != 1 or len(x) < least:
            raise InputError(f"{name} of shape {x.shape}: expected one outcome a trial, of {least} or more")
        if not (np.isfinite(x).all() and x.min() >= 0 and x.max() <= 1):
            raise InputError(f"{name} from {x.min():g} to {x.max():g}: expected outcomes in [0, 1]")
    if len(found[0]) != len(found[1]):
        raise InputError(f"simulated has {len(found[1])} trials: expected the robot's {len(found[0])} starts")
    return found[0], found[1], found[2]
