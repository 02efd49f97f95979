"""What a sweep of another regime gave, or one kept without its trials: means of runs, without an interval."""

import numpy as np

from align.analysis.reports import plateau
from align.analysis.reports.claims.declared import DIFFERENCE, EQUIVALENT, Test
from align.analysis.reports.claims.finding import Finding, arms_of, metric_of, words_of
from align.analysis.reports.sweep import Arm, Sweep
from align.analysis.statistics.equivalent import equivalent
from align.analysis.statistics.intervals import Interval
from align.analysis.statistics.plateau import Cells
from align.errors import InputError


def found_earlier(sweep: Sweep, test: Test) -> list[Finding]:
    """What a sweep of another regime, or without its trials, gave: means of runs, which have no interval."""
    if test.measure == EQUIVALENT:
        return _earlier_multiples(sweep, test)
    try:
        pairs = arms_of(sweep, test)
    except InputError:  # it need not have had today's arms
        return [Finding(test, words_of(test))]
    column, found = str(metric_of(sweep, test.measure)), []
    for arm, other in pairs:
        means = [_mean(sweep, a, column) for a in (arm, other) if a is not None]
        value = means[0]
        if other is not None and None not in means:
            value = means[0] - means[1] if test.unit == DIFFERENCE else means[0] / means[1]
        elif None in means:
            value = None
        found.append(Finding(test, words_of(test, arm.label), earlier=value))
    return found


def _mean(sweep: Sweep, arm: Arm, column: str) -> float | None:
    if column not in sweep.frame:
        return None
    values = sweep.frame.loc[sweep.frame["run"].isin(arm.runs), column].dropna()
    return float(values.mean()) if len(values) else None


def _earlier_multiples(sweep: Sweep, test: Test) -> list[Finding]:
    """The same where cells are known by their means alone, at the largest |D_sim| that was trained."""
    column, cells = str(metric_of(sweep, "success")), {}
    if not plateau.applies(sweep):
        return [Finding(test, words_of(test))]
    for arm in sweep.arms():
        if (mean := _mean(sweep, arm, column)) is not None:
            cells[tuple(int(arm.point[axis]) for axis in plateau.AXES)] = mean
    sizes = np.array(sorted(real for sim, real in cells if sim == 0), float)
    if len(sizes) < 2:
        return [Finding(test, words_of(test))]
    means = np.array([cells[0, real] for real in sizes])
    alone = Cells(means, np.full(len(means), 1e-6), np.inf)
    found = []
    for real in sorted({real for sim, real in cells if sim > 0}):
        at = cells[max(sim for sim, r in cells if r == real), real]
        multiple = equivalent(Interval(at, at, at), real, sizes, alone).value
        found.append(Finding(test, f"{real} real demonstrations", earlier=float(multiple)))
    return found
