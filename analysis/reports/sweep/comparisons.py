"""Arms of a sweep compared all at once, which may be the best, and what such a sweep can find."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from align.analysis.reports.sweep.arm import Arm
from align.analysis.reports.sweep.estimates import Sweep
from align.analysis.reports.sweep.metric import Metric
from align.analysis.statistics.intervals import LEVEL, Interval
from align.analysis.statistics.trials import simultaneous, variance_components
from align.analysis.statistics.trials.power import detectable_difference, variances
from align.analysis.statistics.trials.variance_components import Between, together


class Comparison(NamedTuple):
    """One arm minus another on shared trials.

    Attributes:
        single: The interval by itself, as if this were the only comparison.
        simultaneous: The interval such that all of the sweep's comparisons hold at once.
        p_value, adjusted: p-values of "no difference" of the one and the other kind.
        lone: Nothing is known of how trainings differ: all of it is of these trainings alone.
    """

    single: Interval
    simultaneous: Interval
    p_value: float
    adjusted: float
    lone: bool = False

    @property
    def clear(self) -> bool:
        """Whether there is a difference even after looking at all comparisons."""
        return self.simultaneous.low > 0 or self.simultaneous.high < 0


class Compared(NamedTuple):
    """Comparisons of a sweep, None of an arm with itself or where something was not measured.

    Attributes:
        pairs: One a pair asked for.
        each_level: Level of a single interval that is as wide as a simultaneous one.
    """

    pairs: list[Comparison | None]
    each_level: float


def compare(sweep: Sweep, pairs: Sequence[tuple[Arm, Arm]], metric: Metric) -> Compared:
    """Arms minus others, in a metric of trials or held-out episodes.

    Args:
        sweep: Where the arms are of.
        pairs: Two arms each, the second is taken off the first.
        metric: One that is `Metric.by_trial`.
    """
    key = ("compare", metric, *((a.label, b.label) for a, b in pairs))
    if key not in sweep.memo:
        sweep.memo[key] = _compare(sweep, pairs, metric)
    return sweep.memo[key]


def _compare(sweep: Sweep, pairs: Sequence[tuple[Arm, Arm]], metric: Metric) -> Compared:
    arms, numbers = _measured(sweep, [arm for pair in pairs for arm in pair], metric)
    asked = [k for k, (a, b) in enumerate(pairs) if a is not b and a.label in numbers and b.label in numbers]
    result: list[Comparison | None] = [None] * len(pairs)
    if not asked:
        return Compared(result, LEVEL)
    scatter = _scatter(sweep, arms, metric)
    found = simultaneous.compare(
        [sweep.outcomes(arm.runs, metric) for arm in arms],
        [(numbers[pairs[k][0].label], numbers[pairs[k][1].label]) for k in asked],
        scatter,
        unit=metric.bounds == (0.0, 1.0),
    )
    rows = zip(found.single, found.simultaneous, found.p_values, found.adjusted, strict=True)
    for k, row in zip(asked, rows, strict=True):
        result[k] = Comparison(*row, lone=all(between is None for between in scatter))
    return Compared(result, found.each_level)


def may_be_best(sweep: Sweep, arms: Sequence[Arm], metric: Metric) -> dict[str, Interval]:
    """The arms, by label, that cannot be told from the best: of most success, or of the least error.

    Returns:
        By how much each one is better than the best of the others (Hsu's intervals). Empty where fewer than
        two arms were measured.
    """
    key = ("best", metric, *(arm.label for arm in arms))
    if key not in sweep.memo:
        sweep.memo[key] = _may_be_best(sweep, arms, metric)
    return sweep.memo[key]


def _may_be_best(sweep: Sweep, arms: Sequence[Arm], metric: Metric) -> dict[str, Interval]:
    arms, _ = _measured(sweep, arms, metric)
    if len(arms) < 2:
        return {}
    found = simultaneous.best(
        [metric.sign * sweep.outcomes(arm.runs, metric) for arm in arms],
        _scatter(sweep, arms, metric),
        unit=metric.bounds == (0.0, 1.0),
    )
    rows = zip(arms, found.intervals, found.members, strict=True)
    return {arm.label: interval for arm, interval, member in rows if member}


def set_aside(sweep: Sweep, metric: Metric) -> list[str]:
    """Labels of the arms whose trainings scatter far more than the others', and are judged by themselves."""
    scatter = sweep.scatter(metric)
    return [list(scatter)[i] for i in variance_components.set_aside(list(scatter.values()))]


def detectable(
    sweep: Sweep, pairs: Sequence[tuple[Arm, Arm]], metric: Metric, level: float = LEVEL
) -> float | None:
    """The smallest difference that such a sweep finds with probability 80 %, the median over its pairs.

    Args:
        sweep, pairs, metric: As in `compare`.
        level: Of the interval that is to leave out 0.

    Returns:
        None where nothing was compared, or nothing is known of how trainings differ.
    """
    arms, numbers = _measured(sweep, [arm for pair in pairs for arm in pair], metric)
    scatter = dict(zip(numbers, _scatter(sweep, arms, metric), strict=True))
    if all(between is None for between in scatter.values()):
        return None
    found = []
    for pair in pairs:
        if pair[0] is pair[1] or not all(arm.label in numbers for arm in pair):
            continue
        tables = [sweep.outcomes(arm.runs, metric) for arm in pair]
        known = [scatter[arm.label] for arm in pair]
        between = None if known[0] is None else together(known, tables)
        v = variances(*tables, between)
        df = None if between is None else float(between.df)
        size = len(tables[0]), tables[0].shape[1], len(tables[1])
        found.append(detectable_difference(v, *size, pooled_df=df, level=level))
    return float(np.median(found)) if found else None


def _scatter(sweep: Sweep, arms: Sequence[Arm], metric: Metric) -> list[Between | None]:
    return [sweep.scatter(metric)[arm.label] for arm in arms]


def _measured(sweep: Sweep, arms: Sequence[Arm], metric: Metric) -> tuple[list[Arm], dict[str, int]]:
    """The arms that have the metric in two trials or more, each once, and their numbers by label."""
    known = sweep.scatter(metric) if sweep.has(metric) else {}
    found = list({arm.label: arm for arm in arms if arm.label in known}.values())
    return found, {arm.label: i for i, arm in enumerate(found)}
