"""What a sweep found, a row an arm: all that was measured, and what is read and printed of it."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from align.analysis.figures.task_probe import FLOOR
from align.analysis.reports.arm_table import short_table
from align.analysis.reports.arm_table.cells import (
    NOTHING,
    Cell,
    as_text,
    compared,
    digits_of,
    effect,
    of_pair,
)
from align.analysis.reports.arm_table.own_distance import own_distance
from align.analysis.reports.arm_table.words import (
    AT_ONCE,
    BEST,
    LEVEL,
    MOTION,
    OWN,
    P_VALUE,
    PROBED,
    TASK_NAMES,
    TOLD,
    TRAINED,
    TRAINED_DIGITS,
    WEIGHED,
    WEIGHT,
)
from align.analysis.reports.sweep import Arm, Metric, Sweep
from align.analysis.reports.sweep.comparisons import (
    Compared,
    Comparison,
    compare,
    detectable,
    may_be_best,
    set_aside,
)
from align.analysis.reports.sweep.kept import OWN_DISTANCE, facts
from align.analysis.reports.sweep.run_table import HELD_OUT
from align.analysis.reports.sweep.shared import not_shared
from align.analysis.reports.sweep.start import start_score
from align.analysis.statistics.intervals import Interval, minus
from align.run.layout import EMBEDDINGS


class ArmTable:
    """What a sweep found, a row an arm.

    Args:
        sweep: The sweep; its reference is what arms are compared with on shared trials.
    """

    def __init__(self, sweep: Sweep):
        self.sweep, self.arms = sweep, sweep.arms()
        self.reference, bases = sweep.references(self.arms)
        self._bases = {arm.label: base for arm, base in zip(self.arms, bases, strict=True)}
        kind, places, names = sweep.outcomes_shown
        self.compared = [Metric(kind, place, names[0]) for place in places]
        success = [
            Metric(kind, sweep.target, name) for name in names[1:2] if kind == "rollout" and sweep.target
        ]
        self.differences = [*self.compared, *success]
        named = {f"{p}: {TOLD.get(n, n)}": Metric(kind, p, n) for p in places for n in names}
        for place, kind, titles in (
            *((w, "motion", MOTION) for w in sweep.worlds),
            *((site, "probe", PROBED) for site in self._sites()),
        ):
            named |= {f"{place}: {title}": Metric(kind, place, name) for name, title in titles.items()}
        named |= {f"{title} R²": Metric("task", "aligned", name) for name, title in TASK_NAMES.items()}
        named["aligned: mixing"] = Metric("geometry", "aligned", "mixing")
        self.metrics = {title: metric for title, metric in named.items() if sweep.has(metric)}
        self.related = [Metric("motion", w, "acceleration") for w in sweep.worlds]
        self.related = [metric for metric in self.related if sweep.has(metric)]
        self._best = {metric: may_be_best(sweep, self.arms, metric) for metric in self.compared}
        self.own = {arm.label: self._own_distance(arm) for arm in self.arms}

    def _sites(self) -> list[str]:
        """The site that was aligned, if all runs agree; or else all that were probed."""
        named = self.sweep.frame.get("summary/site", pd.Series(dtype=object)).dropna().unique()
        return [s for s in self.sweep.sites if len(named) != 1 or s in named] or self.sweep.sites

    def _own_distance(self, arm: Arm) -> tuple[float, float] | None:
        """The arm's objective, of the reference's runs and of its own; None where there is nothing to say."""
        kept = facts(self.sweep.path).get(OWN_DISTANCE, {}).get(arm.label)
        if kept is not None and not any((self.sweep.path / run).is_dir() for run in arm.runs):
            return tuple(kept)
        base = self._bases[arm.label]
        if any(not (self.sweep.path / run).is_dir() for run in (*arm.runs, *(base.runs if base else ()))):
            return None  # it would be that of some of them
        folders = [[self.sweep.path / run for run in a.runs] for a in (base, arm)]
        folders = [[f for f in runs if (f / EMBEDDINGS).is_file()] for runs in folders]
        aligned = arm.point.get("lambda") or (
            self._is_told(WEIGHT) and (self._values(arm, TRAINED[WEIGHT]) > 0).any()
        )
        if arm is base or not all(folders) or not aligned:
            return None
        values = [[own_distance(run, folders[1][0]) for run in runs] for runs in folders]
        return None if None in values[0] + values[1] else tuple(float(np.mean(v)) for v in values)

    def frame(self) -> pd.DataFrame:
        """Everything that was measured, a row an arm and metric.

        Returns:
            Columns: arm, metric, trainings, lone (whether all of it is of these trainings alone); value, low,
            high; of trials and held-out episodes difference, difference_low and difference_high, the arm
            minus the reference on shared trials, with its p_value, at_once_low and at_once_high, ends that
            hold for all arms at once, with p_adjusted; of scores may_be_best; of acceleration ratio,
            ratio_low and ratio_high, the arm over the reference on the trials in which both succeed.
        """
        rows = []
        for arm in self.arms:
            for metric in self._all_metrics():
                found = self.sweep.estimate(arm.runs, metric)
                if found is None:
                    continue
                row = {
                    "arm": arm.label,
                    "metric": str(metric),
                    "trainings": len(found.runs),
                    "lone": found.lone,
                }
                row |= found.interval._asdict()
                if metric.by_trial and (pair := self._pair(arm, metric)) is not None:
                    row |= _named("difference", pair.single) | {"p_value": pair.p_value}
                    row |= _named("at_once", pair.simultaneous) | {"p_adjusted": pair.adjusted}
                    del row["at_once"]
                if metric in self._best:
                    row["may_be_best"] = arm.label in self._best[metric]
                if metric in self.related:
                    row |= _named("ratio", self._ratio(arm, metric))
                rows.append(row)
            if self.own[arm.label] is not None:
                for name, value in zip(("of_reference", "of_arm"), self.own[arm.label], strict=True):
                    own = {"metric": f"own_distance/{name}", "trainings": len(arm.runs), "value": value}
                    rows.append({"arm": arm.label, **own})
        return pd.DataFrame(rows)

    def _all_metrics(self) -> list[Metric]:
        """Every metric of `results.csv` that has an interval, and what rollouts measure."""
        columns = set(self.sweep.frame.columns)
        with_interval = [metric for metric in self.sweep.metrics if columns.issuperset(metric.ends)]
        return list(dict.fromkeys([*self.compared, *self.metrics.values(), *with_interval]))

    def cells(self) -> tuple[list[str], list[list[Cell]]]:
        """Titles of the columns and the cells, a row an arm."""
        trained = [title for title in TRAINED if self._is_told(title)]
        tested = ["MMD p"] if P_VALUE in self.sweep.frame else []
        owned = [OWN] if any(self.own.values()) else []
        against = [self._against(metric) for metric in self.differences]
        paired = [title + more for title in against for more in ("", AT_ONCE)]
        paired += [f"{m.place}: {BEST}" for m in self.compared]
        paired += [f"{m.place}: acceleration / {self.reference}" for m in self.related]
        rows = []
        for arm in self.arms:
            row = [Cell(arm.label), Cell(str(len(arm.runs)))]
            row += (self._range(arm, TRAINED[title], TRAINED_DIGITS[title]) for title in trained)
            row += (self._cell(arm, m) for m in self.metrics.values())
            row += [self._range(arm, P_VALUE)] if tested else []
            row += [self._owned(arm)] if owned else []
            for metric in self.differences:
                row += of_pair(self._pair(arm, metric), f"+.{digits_of(metric)}f")
            row += (Cell("yes" if arm.label in self._best[m] else "") for m in self.compared)
            rows.append([*row, *(compared(self._ratio(arm, m), ".2f", same=1) for m in self.related)])
        return ["arm", "trainings", *trained, *self.metrics, *tested, *owned, *paired], rows

    def short(self, titles: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
        """The table to read first, as Markdown: how good the arms are, where they are meant to be."""
        _, places, names = self.sweep.outcomes_shown
        shown = [metric for metric in self.compared if metric.place == (self.sweep.target or places[0])]
        if not shown:
            return ""
        place = shown[0].place
        told = [Metric(shown[0].kind, place, name) for name in names[self.sweep.is_binary :]]
        against = [self._against(metric) for metric in told if metric in self.differences]
        kept = [*titles[:2], *(f"{place}: {TOLD.get(m.name, m.name)}" for m in told), *against]
        pairs, best = self._compared(shown[0]).pairs, self._best[shown[0]]
        cells = [[cell.text for cell in row] for row in rows]
        found = short_table.short_table(titles, cells, kept, pairs, best, shown[0].sign)
        return f"{short_table.markdown(*found)}\n{short_table.NOTE}\n\nAll that was measured:\n\n"

    def _against(self, metric: Metric) -> str:
        return f"{metric.place}: {TOLD.get(metric.name, metric.name)} − {self.reference}"

    def _cell(self, arm: Arm, metric: Metric) -> Cell:
        """The estimate with its interval, and the number of trainings where some lack the metric."""
        found = self.sweep.estimate(arm.runs, metric)
        if found is None:
            return NOTHING
        digits = digits_of(metric)
        if metric.kind == "motion" and found.interval.value >= 10:
            digits = 1 if found.interval.value < 1000 else 0
        part = "" if len(found.runs) == len(arm.runs) else f" ({len(found.runs)} of {len(arm.runs)})"
        part += " †" if found.lone else ""
        floor = FLOOR if metric.kind == "task" else -np.inf
        return Cell(as_text(found.interval, f".{digits}f", floor) + part)

    def _pair(self, arm: Arm, metric: Metric) -> Comparison | None:
        """The arm minus its reference on shared trials; None where it is the reference."""
        return self._compared(metric).pairs[self.arms.index(arm)]

    def _compared(self, metric: Metric) -> Compared:
        return compare(self.sweep, self._pairs(), metric)

    def _pairs(self) -> list[tuple[Arm, Arm]]:
        return [(arm, self._bases[arm.label]) for arm in self.arms]

    def notes(self) -> list[str]:
        """What comparisons mean, which arms are apart, what could be found, and what doing nothing scores."""
        found, aside = [], []
        for metric in self.differences:
            aside += [f"{name} ({metric.place})" for name in set_aside(self.sweep, metric)]
            count = sum(pair is not None for pair in self._compared(metric).pairs)
            one = detectable(self.sweep, self._pairs(), metric)
            if one is not None:
                name = TOLD.get(metric.name, metric.name)
                text = f"In {metric.place} {effect(one, metric, name)} would be found in 80 % of such sweeps"
                level = self._compared(metric).each_level
                if count > 1:
                    every = detectable(self.sweep, self._pairs(), metric, level)
                    text += f" by one comparison, {effect(every, metric)} by all {count} at once"
                found.append(f"{text}.")
        if any(pair for m in self.differences for pair in self._compared(m).pairs):
            found.insert(
                0,
                "Differences on the same trials or episodes: [95 % interval] of this comparison by itself; "
                "all at once: so wide that in 95 % of sweeps all intervals of the column hold. Where that "
                "one leaves out 0 the arms differ, however many were compared; the picture has it bold.",
            )
        if aside:
            found.append(
                f"Trainings of {', '.join(aside)} differ far more than those of other arms, and are judged "
                "by themselves alone."
            )
        idle = {world: start_score(self.sweep, [world]) for world in self.sweep.worlds}
        if told := [f"{score:.2f} in {world}" for world, score in idle.items() if score is not None]:
            found.append(f"A policy that does nothing scores {', '.join(told)}.")
        held_out = [Metric("held_out", domain, name) for domain in self.sweep.held_out for name in HELD_OUT]
        return found + not_shared(self.sweep, *self.differences, *held_out)

    def _ratio(self, arm: Arm, metric: Metric) -> Interval | None:
        """The arm over its reference where both succeed; None where it is the reference."""
        base = self._bases[arm.label]
        return None if arm is base else self.sweep.ratio(arm.runs, base.runs, metric)

    def _range(self, arm: Arm, column: str, digits: str = ".3f") -> Cell:
        """The range over an arm's trainings; a mean of p-values would mean nothing."""
        values = self._values(arm, column)
        if not len(values):
            return NOTHING
        ends = dict.fromkeys(format(x, digits) for x in (values.min(), values.max()))
        return Cell(minus(" to ".join(ends)))

    def _values(self, arm: Arm, column: str) -> pd.Series:
        """What is known of an arm's runs in a column, if there is such a one."""
        frame = self.sweep.frame
        return frame.loc[frame["run"].isin(arm.runs)].get(column, pd.Series(dtype=float)).dropna()

    def _is_told(self, title: str) -> bool:
        """Whether a column of `TRAINED` has something to say of this sweep."""
        frame = self.sweep.frame
        return TRAINED[title] in frame and (title == LEVEL or WEIGHED in frame)

    def _owned(self, arm: Arm) -> Cell:
        found = self.own[arm.label]
        return NOTHING if found is None else Cell(minus(f"{found[0]:.3g} → {found[1]:.3g}"))


def _named(name: str, found: Interval | None) -> dict[str, float]:
    """Columns of a row that tell an interval, or none."""
    return {} if found is None else dict(zip((name, f"{name}_low", f"{name}_high"), found, strict=True))
