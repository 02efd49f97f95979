"""How far simulation tells which policies do well on the robot: correlation and rank violation over policies.

The numbers of SIMPLER (Li et al., arXiv 2405.05941): Pearson's r, and the mean maximum rank violation, which
asks how much worse on the robot the policy is that simulation wrongly preferred; here also Spearman's ρ.
Intervals of the correlations take the policies as a sample, and speak of the measured rates: what the trials
leave uncertain makes a correlation smaller than that of the true rates.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats
from scipy.special import ndtri

from align.analysis.statistics.intervals import LEVEL, Interval
from align.analysis.statistics.trials.crossed import checked_level
from align.errors import InputError
from align.seeding import numpy_rng

DRAWS = 10_000


class Agreement(NamedTuple):
    """Simulation against the robot over policies.

    Attributes:
        pearson: r, with Fisher's interval; NaN ends below four policies.
        spearman: ρ, with the interval of Bonett and Wright (2000); NaN ends below four policies.
        rank_violation: Mean maximum rank violation, in the unit of the robot's rates; 0 is best.
        p_value: Probability of a rank violation no larger where simulation says nothing.
    """

    pearson: Interval
    spearman: Interval
    rank_violation: float
    p_value: float


def agreement(
    simulated: ArrayLike, real: ArrayLike, level: float = LEVEL, seed: int = 0, draws: int = DRAWS
) -> Agreement:
    """Compare the policies' rates in simulation with those on the robot.

    Args:
        simulated: (policies,) success rate or score of each in simulation.
        real: (policies,) the same on the robot.
        level: Confidence level of the correlations' intervals.
        seed, draws: Of the permutations behind `p_value`.

    Raises:
        InputError: Lengths that differ, or fewer than three policies.
    """
    x, y = _checked(simulated, real)
    r, rho = _pearson(x, y), _pearson(stats.rankdata(x), stats.rankdata(y))
    step = 6 / (len(x) ** 3 - len(x))  # ranks that agree entirely are half a swap of neighbours from doing so
    inner = float(np.clip(rho, step - 1, 1 - step))
    violation = rank_violation(x, y)
    rng = numpy_rng(seed, "rank violation")
    chance = np.array([rank_violation(rng.permutation(x), y) for _ in range(draws)])
    p_value = (1 + np.sum(chance <= violation + 1e-12)) / (draws + 1)
    return Agreement(
        _fisher(r, r, 1 / (len(x) - 3) if len(x) > 3 else np.nan, level),
        _fisher(rho, inner, (1 + rho**2 / 2) / (len(x) - 3) if len(x) > 3 else np.nan, level),
        violation,
        float(p_value),
    )


def rank_violation(simulated: ArrayLike, real: ArrayLike) -> float:
    """Mean over policies i of the largest |R_i − R_j| whose order simulation has wrong (SIMPLER, eq. 2).

    Args:
        simulated, real: (policies,) rates.

    Raises:
        InputError: As in `agreement`.
    """
    x, y = _checked(simulated, real)
    wrong = (x[:, None] < x) != (y[:, None] < y)
    return float(np.mean(np.max(np.abs(y[:, None] - y) * wrong, axis=1)))


def rank_violation_range(simulated: Sequence[Interval], real: Sequence[Interval]) -> Interval:
    """The mean maximum rank violation of these policies, whatever their rates within the intervals.

    A bootstrap over a handful of policies covers 35 to 75 % where it says 95 %: violations are few and
    skewed. This instead takes the policies as they are. It holds with the probability that all the given
    intervals hold together: for 95 % over P policies, give each at level 1 − 0.05 / (2 P).

    Args:
        simulated, real: (policies,) intervals of the rates.

    Raises:
        InputError: As in `agreement`, or an interval without ends.
    """
    x, y = np.asarray(simulated, float), np.asarray(real, float)
    if x.ndim != 2 or not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise InputError("simulated, real: expected an interval with both ends for each policy")
    value = rank_violation(x[:, 0], y[:, 0])
    below, above = (
        x[:, None, 2] < x[:, 1],
        x[:, None, 1] > x[:, 2],
    )  # surely so, of i against j, in simulation
    less, more = y[:, None, 2] < y[:, 1], y[:, None, 1] > y[:, 2]  # and on the robot
    gap = np.maximum(y[:, None, 1] - y[:, 2], y[:, 1] - y[:, None, 2])  # the least difference, where sure
    surely = (below & more) | (above & less)
    least = np.where(surely, gap, 0)
    downward, upward = y[:, None, 2] - y[:, 1], y[:, 2] - y[:, None, 1]  # the most that i is above j, below j
    most = np.maximum(np.where(above, 0, downward), np.where(below, 0, upward))
    most = np.maximum(np.where(np.eye(len(x), dtype=bool), 0, most), 0)
    low, high = np.mean(least.max(1)), np.mean(most.max(1))
    return Interval(value, float(min(low, value)), float(max(high, value)))


def _pearson(x: np.ndarray, y: np.ndarray) -> float:
    x, y = x - x.mean(), y - y.mean()
    apart = np.sqrt((x @ x) * (y @ y))
    return float(np.clip(x @ y / apart, -1, 1)) if apart > 0 else np.nan


def _fisher(value: float, centre: float, variance: float, level: float) -> Interval:
    """An interval about `centre` on the scale of artanh, widened to hold the value."""
    reach = float(ndtri((1 + float(checked_level(level))) / 2)) * np.sqrt(variance)
    with np.errstate(divide="ignore"):
        low, high = np.tanh(np.arctanh(centre) + np.array([-reach, reach]))
    return Interval(value, float(min(low, value)), float(max(high, value)))


def _checked(simulated: ArrayLike, real: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    x, y = np.asarray(simulated, float), np.asarray(real, float)
    if x.ndim != 1 or x.shape != y.shape or len(x) < 3 or not np.isfinite([x, y]).all():
        raise InputError(
            f"simulated {x.shape}, real {y.shape}: expected a rate of each of three or more policies"
        )
    return x, y
