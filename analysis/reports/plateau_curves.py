"""Curves of a sweep over both data sizes: their plateaus, and the real data alone that equals them."""

from typing import NamedTuple

import numpy as np

from align.analysis.reports.sweep import SEED_AXIS, Metric, Sweep
from align.analysis.statistics.intervals import Interval
from align.analysis.statistics.plateau import (
    Cells,
    Saturation,
    equivalent,
    fit_plateau,
    pool,
    student_quantile,
    verdict,
)
from align.analysis.statistics.power_law import PowerLaw, fit_power_law
from align.errors import InputError

AXES = ("sim", "real")  # numbers of demonstrations; sim = 0 is real data alone
ERRORS = ("val_action_mse_real", "val_loss_real")
ERROR_NAMES = dict(zip(ERRORS, ("Action MSE", "Denoising loss"), strict=True))


class Curve(NamedTuple):
    """What |D_sim| does at one |D_real|; the fit is None where there are fewer than three sizes."""

    real: int
    sizes: np.ndarray  # (C,) |D_sim|, 0 first where real data alone was trained
    runs: list[np.ndarray]  # by size, the outcome of each run
    cells: Cells
    fit: Saturation | None
    luck: float  # standard deviation that the choice of trials gives all outcomes alike

    @property
    def plateau(self) -> Interval | None:
        """The plateau in any trials, not in these alone."""
        return None if self.fit is None else widened(self.fit.plateau, self.luck)


class Alone(NamedTuple):
    """Real data alone."""

    sizes: np.ndarray
    runs: list[np.ndarray]
    cells: Cells


def read(sweep: Sweep, metric: Metric) -> tuple[list[Curve], Alone | None]:
    """Curves over |D_sim|, one a |D_real|, and that of real data alone; cells are pooled over all of them."""
    found = {}
    for arm in sweep.arms():
        estimate = sweep.estimate(arm.runs, metric)
        if estimate is not None:
            found[tuple(arm.point[axis] for axis in AXES)] = estimate
    if not found:
        raise InputError(f"{sweep.path}: no run has {metric} yet")
    keys = sorted(found)
    cells = pool([found[key].runs for key in keys], max(e.trials for e in found.values()))
    luck = shared_luck(sweep.outcomes(list(sweep.frame["run"]), metric))
    curves = []
    for real in sorted({real for sim, real in keys if sim > 0}):
        at = [i for i, key in enumerate(keys) if key[1] == real]
        sizes = np.array([keys[i][0] for i in at])
        fit = fit_plateau(sizes, cells.of(at)) if len(at) > 2 else None
        curves.append(Curve(int(real), sizes, [found[keys[i]].runs for i in at], cells.of(at), fit, luck))
    at = [i for i, (sim, _) in enumerate(keys) if sim == 0]
    sizes = np.array([keys[i][1] for i in at])
    alone = Alone(sizes, [found[keys[i]].runs for i in at], cells.of(at)) if len(at) > 1 else None
    return curves, alone


def shared_luck(outcomes: np.ndarray) -> float:
    """Standard deviation that drawing other trials would give the means of all runs alike.

    The covariance between runs over their shared trials (runs, trials), by the number of trials.
    """
    runs, trials = outcomes.shape
    if runs < 2 or trials < 2:
        return 0.0
    total, own = outcomes.sum(0).var(ddof=1), outcomes.var(1, ddof=1).sum()
    return float(np.sqrt(max(total - own, 0) / (runs * (runs - 1)) / trials))


def widened(interval: Interval, luck: float) -> Interval:
    """The interval with a further, independent error of standard deviation `luck`, within [0, 1]."""
    more = student_quantile(np.inf, 0.95) * luck
    value, low, high = map(float, interval)
    return Interval(
        value, max(value - np.hypot(value - low, more), 0), min(value + np.hypot(high - value, more), 1)
    )


def ratio_of(level: Interval, real: int, alone: Alone) -> Interval:
    """The equivalent of one level as an interval of plain numbers."""
    return Interval(*map(float, equivalent(level, real, alone.sizes, alone.cells)))


def words(ratio: Interval, real: int, alone: Alone) -> str:
    """The verdict on a ratio, given the largest size tested."""
    return verdict(ratio, alone.sizes[-1] / real)


def power_law(sweep: Sweep, error: str) -> PowerLaw | None:
    """The law of a validation error over the runs that had both kinds of data; None if there are too few."""
    column = f"summary/{error}"
    if column not in sweep.frame:
        return None
    frame = sweep.frame.dropna(subset=[column, *AXES])
    frame = frame[frame["sim"] > 0]
    try:
        sizes = {axis: frame[axis].to_numpy(float) for axis in AXES}
        return fit_power_law(sizes, frame[column].to_numpy(), split=frame.get(SEED_AXIS))
    except InputError:  # a sweep in progress, or too small for this: there is no law to report
        return None
