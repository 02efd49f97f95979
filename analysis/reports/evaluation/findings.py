"""What trials show: of each arm an interval and its difference from the reference, and what is missing."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from align.analysis.reports.evaluation.design import Arm, Design
from align.analysis.statistics.intervals import Interval
from align.analysis.statistics.trials.counts import blaker
from align.analysis.statistics.trials.crossed import Between
from align.analysis.statistics.trials.paired_counts import discordant, mcnemar, paired_difference
from align.analysis.statistics.trials.power import (
    Variances,
    detectable_difference,
    trainings_needed,
    trials_needed,
    variances,
)
from align.analysis.statistics.trials.rates import rate
from align.analysis.statistics.trials.simultaneous import against_reference, best
from align.analysis.statistics.trials.unpaired import may_be_best, unpaired_difference
from align.analysis.statistics.trials.variance_components import of_each_arm, set_aside, together
from align.errors import InputError


class Difference(NamedTuple):
    """An arm minus the reference.

    Attributes:
        single: Its interval by itself.
        simultaneous: Its interval among all comparisons with the reference, which hold at once.
        p_value: Of "no difference", by itself; None where none is computed.
        detectable: The smallest difference that trials like these find four times in five.
        trials: How many trials in all would find a difference as large as the one seen, four times in five;
            None where no number would, or none was seen.
        trainings: How many trainings an arm would; None likewise, or where trainings were not several.
    """

    single: Interval
    simultaneous: Interval
    p_value: float | None
    detectable: float
    trials: int | None
    trainings: int | None

    @property
    def settled(self) -> bool:
        """Whether the interval that counts leaves out no difference."""
        return self.simultaneous.low > 0 or self.simultaneous.high < 0


class Finding(NamedTuple):
    """What was found of an arm.

    Attributes:
        arm: Its trials.
        interval: Of its success rate or mean score.
        difference: From the reference; None of the reference itself.
        may_be_best: It cannot be told from the best; always so where it is alone.
    """

    arm: Arm
    interval: Interval
    difference: Difference | None
    may_be_best: bool


class Findings(NamedTuple):
    """What was found.

    Attributes:
        arms: In the order of the design.
        reference: Name of the arm that the others are compared with.
        paired: Starts that the comparisons are of; None where arms had starts of their own.
        level: Confidence level.
        aside: Names of the arms whose trainings scatter far more than the others', judged by themselves.
        lone: Nothing is known of how trainings differ: all of it is of these trainings alone.
    """

    arms: list[Finding]
    reference: str
    paired: int | None
    level: float
    aside: Sequence[str] = ()
    lone: bool = False

    @property
    def comparisons(self) -> int:
        """How many arms are compared with the reference."""
        return len(self.arms) - 1


def find(design: Design, reference: str | None = None, level: float = 0.95) -> Findings:
    """Everything that the trials of a design show.

    Args:
        design: The trials.
        reference: Name of the arm to compare the others with; by default the first.
        level: Confidence level of all intervals.

    Raises:
        InputError: There is no such arm, or the level is none.
    """
    if not 0.5 < level < 1:
        raise InputError(f"level={level}: expected a confidence level above 0.5 and below 1, e.g. 0.95")
    names = [arm.name for arm in design.arms]
    if reference is not None and reference not in names:
        raise InputError(f"reference={reference!r}: expected one of {', '.join(map(repr, names))}")
    base = names.index(reference) if reference is not None else 0
    scatter = of_each_arm([arm.table for arm in design.arms], relative=True)
    intervals = [interval_of_arm(arm, b, level) for arm, b in zip(design.arms, scatter, strict=True)]
    lone = all(between is None for between in scatter)
    if len(names) == 1:
        return Findings([Finding(design.arms[0], intervals[0], None, True)], names[0], None, level, lone=lone)
    tables = design.shared or [arm.table for arm in design.arms]
    if design.shared is not None:
        pairs = _paired(tables, base, scatter, level, design.binary and design.lone)
        members = list(best(tables, scatter, level, unit=True).members)
    else:
        pairs = _unpaired(tables, base, scatter, level)
        members = may_be_best(tables, scatter, level)
    found = []
    for i, arm in enumerate(design.arms):
        difference = None
        if i != base:
            both = (tables[i], tables[base])
            between = None if scatter[i] is None else together([scatter[i], scatter[base]], both)
            v = spread(*both, between, design.shared is not None)
            difference = _planned(*pairs[i], v, *both, between, level, len(names) - 1)
        found.append(Finding(arm, intervals[i], difference, bool(members[i])))
    paired = tables[0].shape[1] if design.shared is not None else None
    return Findings(found, names[base], paired, level, [names[i] for i in set_aside(scatter)], lone)


def interval_of_arm(arm: Arm, between: Between | None, level: float) -> Interval:
    """Of an arm's success rate or mean score: exact where it is a count of independent trials."""
    if arm.binary and len(arm.table) == 1 and between is None:
        return blaker(int(arm.table.sum()), arm.table.size, level)
    return rate(arm.table, between, level)


def _paired(
    tables: Sequence[np.ndarray], base: int, scatter: Sequence[Between | None], level: float, counts: bool
) -> dict[int, tuple[Interval, Interval, float | None]]:
    """Differences on shared starts: Tango's of counts, Newcombe's of scores or several trainings."""
    found = against_reference(tables, base, scatter, level, unit=True)
    pairs = {}
    for i in range(len(tables)):
        if i == base:
            continue
        single, all_at_once, p = found.single[i], found.simultaneous[i], float(found.p_values[i])
        if counts:
            pair = discordant(tables[i][0], tables[base][0])
            single, p = paired_difference(pair, level), mcnemar(pair)
            all_at_once = paired_difference(pair, 1 - (1 - level) / (len(tables) - 1))  # Bonferroni
        pairs[i] = single, single if len(tables) == 2 else all_at_once, p
    return pairs


def _unpaired(
    tables: Sequence[np.ndarray], base: int, scatter: Sequence[Between | None], level: float
) -> dict[int, tuple[Interval, Interval, float | None]]:
    at_once = 1 - (1 - level) / (len(tables) - 1)
    return {
        i: (
            unpaired_difference(table, tables[base], (scatter[i], scatter[base]), level),
            unpaired_difference(table, tables[base], (scatter[i], scatter[base]), at_once),
            None,
        )
        for i, table in enumerate(tables)
        if i != base
    }


def spread(table: np.ndarray, base: np.ndarray, between: Between | None, paired: bool) -> Variances:
    """The variances of a difference, with half a win and half a loss: few trials alike prove nothing.

    Args:
        table, base: (trainings, trials) of the two arms.
        between: The variance between trainings of the two together, in the outcomes' own unit.
        paired: Trials are shared.
    """
    doubt = 0.5 / (min(table.shape[1], base.shape[1]) - 1)
    if paired:
        found = variances(table, base, between)
        return Variances(found.training, found.trial, found.rest + doubt)
    within = float(np.mean([t.var(axis=1, ddof=1).mean() for t in (table, base)]))
    return Variances(0.0 if between is None else float(between.variance), 0.0, within + doubt)


def _planned(
    single: Interval,
    simultaneous: Interval,
    p: float | None,
    v: Variances,
    table: np.ndarray,
    base: np.ndarray,
    between: Between | None,
    level: float,
    comparisons: int,
) -> Difference:
    """What trials like these can find, and how many would find what was seen."""
    level = 1 - (1 - level) / comparisons
    df = None if between is None else float(between.df)
    trials = min(table.shape[1], base.shape[1])
    plan = dict(trainings=len(table), reference_trainings=len(base), pooled_df=df, level=level)
    seen = abs(single.value)
    more = trials_needed(seen, v, **plan) if seen > 0 else None
    again = None
    if df is not None and seen > 0:
        own = max(len(table), len(base)) - 1  # degrees of freedom that an arm adds to those pooled
        again = trainings_needed(seen, v, trials, level, pooled_arms=df / own if own else df)
    return Difference(single, simultaneous, p, detectable_difference(v, trials=trials, **plan), more, again)
