"""The arms of a sweep as tables: `arms.csv` with all that was measured, and a short one to read and print."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from align.analysis.figures import style as figures
from align.analysis.figures.table import figure_table
from align.analysis.figures.task_probe import FLOOR
from align.analysis.reports import short_table
from align.analysis.reports.own_distance import own_distance
from align.analysis.reports.sweep import Arm, Metric, Sweep
from align.analysis.reports.sweep.comparisons import (
    Compared,
    Comparison,
    compare,
    detectable,
    may_be_best,
    set_aside,
)
from align.analysis.reports.sweep.kept import facts
from align.analysis.reports.sweep.run_table import TASKS
from align.analysis.statistics.intervals import Interval, decimals, minus
from align.files import atomic_path, write_text
from align.run.layout import EMBEDDINGS, RESULTS

TASK_NAMES = dict(zip(TASKS, ("block pose sim→real", "block pose real→real"), strict=True))
PROBED = {"auc": "AUC", "mlp_auc": "MLP AUC", "mmd2": "MMD²"}
TOLD = {"action_error": "action error", "denoising_loss": "denoising loss"}
P_VALUE = str(Metric("geometry", "aligned", "mmd_p"))
WEIGHED = "summary/weighting"
MOTION = {"acceleration": "acceleration", "jerk": "jerk", "detour": "length"}
OWN = "own distance"
LEVEL, WEIGHT, SLACK, RATIO = "σ_min", "λ", "slack", "gradient ratio"
TRAINED = {
    LEVEL: "summary/sigma_min",
    WEIGHT: "summary/lambda",
    RATIO: "summary/train_grad_ratio",
    SLACK: "summary/slack",
}
"""What training itself found out, by title; the last three are shown where something set λ."""
AT_ONCE, BEST = ", all at once", "may be best"
NOT_PRINTED = ("trainings", "success", "jerk", "MLP AUC", "mixing", "MMD p", AT_ONCE)  # too much for a page
BELOW = ("R²", "acceleration", "action error", OWN)  # columns that the picture explains, too
NOTE = (
    "Mean [95 % interval] over training seeds and shared trials or held-out episodes. How much trainings "
    "differ is estimated from all arms of the sweep together."
)
PRINTED = (
    "Means with 95 % intervals over trainings and trials or held-out episodes. Differences on the same "
    "trials, each by itself; bold: they differ, however many arms were compared. May be best: cannot be told "
    "from the best arm."
)
LONE = (
    "†: of these trainings alone, since nothing is known of how trainings of an arm differ: another one may "
    "lie outside."
)
NOTES = {
    BEST: "May be best: arms that cannot be told from the best, by what is compared; in 95 % of sweeps the "
    "best is among them.",
    "acceleration": "Acceleration, jerk: mean squares along successful rollouts, brought to unit length and "
    "equal distances, so that they have no unit, medians; length: of the path over the beeline, median. "
    "Acceleration / that of another "
    "arm: median ratio on the trials in which both succeed.",
    "action error": "Action error: mean squared difference of the policy's actions to those of held-out "
    "demonstrations, over the variance of the latter; 0 is perfect, 1 as good as always their mean. "
    "Denoising loss: on the same episodes, in normalised actions. Neither is success.",
    "R²": "R²: of ridge regressions that read the task off held-out embeddings; 1 is perfect, 0 as good as "
    f"always the mean. What is below {minus(f'{FLOOR:g}')} is not told more exactly here; `arms.csv` has it.",
    "MMD p": "MMD p: permutation test of sim against real, smallest to largest over trainings.",
    LEVEL: "σ_min: noise level above which sim is trusted; that of all its windows together.",
    WEIGHT: "λ: at the end of training; where something set it, smallest to largest over trainings.",
    RATIO: "Gradient ratio: of λ · distance to denoising at the aligned layer, last logged.",
    SLACK: "Slack: what is left of the budget of held-out denoising loss at the end, as a share of the loss "
    "without alignment; below 0 it is exceeded.",
    OWN: "Own distance: the arm's objective on held-out embeddings, mean over trainings; before the arrow "
    "that of the reference's trainings, behind it that of its own.",
}


def report(sweep: Sweep) -> list[Path]:
    """Write the runs as `results.csv`, the arms as `arms.csv`, `results.md` and `table.png`.

    Returns:
        What was written.
    """
    written = [sweep.path / name for name in (RESULTS, "arms.csv", "results.md", "table.png")]
    runs, csv, markdown, picture = written
    _write_csv(sweep.frame, runs)
    table = ArmTable(sweep)
    _write_csv(table.frame(), csv)
    titles, rows = table.cells()
    write_text(markdown, _markdown(titles, rows, table.short(titles, rows), table.notes(), sweep))
    printed = [j for j, title in enumerate(titles) if not any(name in title for name in NOT_PRINTED)]
    some = [[row[j] for j in printed] for row in rows]
    text, bold = ([[cell[k] for cell in row] for row in some] for k in (0, 1))
    names = [titles[j] for j in printed]
    said = [PRINTED, *(note for title, note in NOTES.items() if title in BELOW and _has(names, title))]
    said += [LONE] if any("†" in cell for row in text for cell in row) else []
    figure = figure_table(names, text, bold, sweep.title, " ".join(said).replace("`", ""))
    figures.save(figure, picture)
    return written


def _write_csv(frame: pd.DataFrame, path: Path) -> None:
    with atomic_path(path) as target:
        frame.to_csv(target, index=False, float_format="%.6g")


class Cell(NamedTuple):
    """A cell of the short table."""

    text: str
    clear: bool = False  # whether it says of a comparison that it is not the same


NOTHING = Cell("—")


class ArmTable:
    """What a sweep found, a row an arm.

    Args:
        sweep: The sweep; its reference is what arms are compared with on shared trials.
    """

    def __init__(self, sweep: Sweep):
        self.sweep, self.arms = sweep, sweep.arms()
        self.base = sweep.find(self.arms)
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
        if (kept := facts(self.sweep.path).get("own_distance", {}).get(arm.label)) is not None:
            return tuple(kept)
        folders = [[self.sweep.path / run for run in a.runs] for a in (self.base, arm)]
        folders = [[f for f in runs if (f / EMBEDDINGS).is_file()] for runs in folders]
        aligned = arm.point.get("lambda") or (
            self._is_told(WEIGHT) and (self._values(arm, TRAINED[WEIGHT]) > 0).any()
        )
        if arm is self.base or not all(folders) or not aligned:
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
            row += (self._range(arm, TRAINED[title]) for title in trained)
            row += (self._cell(arm, m) for m in self.metrics.values())
            row += [self._range(arm, P_VALUE)] if tested else []
            row += [self._owned(arm)] if owned else []
            for metric in self.differences:
                row += _of_pair(self._pair(arm, metric), f"+.{_digits(metric)}f")
            row += (Cell("yes" if arm.label in self._best[m] else "") for m in self.compared)
            rows.append([*row, *(_compared(self._ratio(arm, m), ".2f", same=1) for m in self.related)])
        return ["arm", "trainings", *trained, *self.metrics, *tested, *owned, *paired], rows

    def short(self, titles: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
        """The table to read first, as Markdown: how good the arms are, where they are meant to be."""
        _, places, names = self.sweep.outcomes_shown
        shown = [metric for metric in self.compared if metric.place == (self.sweep.target or places[0])]
        if not shown:
            return ""
        place = shown[0].place
        told = [f"{place}: {TOLD.get(name, name)}" for name in names]
        kept = [*titles[:2], *told, *(self._against(m) for m in self.differences if m.place == place)]
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
        digits = _digits(metric)
        if metric.kind == "motion" and found.interval.value >= 10:
            digits = 1 if found.interval.value < 1000 else 0
        part = "" if len(found.runs) == len(arm.runs) else f" ({len(found.runs)} of {len(arm.runs)})"
        part += " †" if found.lone else ""
        floor = FLOOR if metric.kind == "task" else -np.inf
        return Cell(_text(found.interval, f".{digits}f", floor) + part)

    def _pair(self, arm: Arm, metric: Metric) -> Comparison | None:
        """The arm minus its reference on shared trials; None where it is the reference."""
        return self._compared(metric).pairs[self.arms.index(arm)]

    def _compared(self, metric: Metric) -> Compared:
        return compare(self.sweep, self._pairs(), metric)

    def _pairs(self) -> list[tuple[Arm, Arm]]:
        return [(arm, self._bases[arm.label]) for arm in self.arms]

    def notes(self) -> list[str]:
        """What the columns of comparisons mean in words, which arms are apart, and what could be found."""
        found, aside = [], []
        for metric in self.differences:
            aside += [f"{name} ({metric.place})" for name in set_aside(self.sweep, metric)]
            count = sum(pair is not None for pair in self._compared(metric).pairs)
            one = detectable(self.sweep, self._pairs(), metric)
            if one is not None:
                digits, name = _digits(metric), TOLD.get(metric.name, metric.name)
                text = f"In {metric.place} a difference of the {name} of {one:.{digits}f} would be found in "
                text += "80 % of such sweeps"
                level = self._compared(metric).each_level
                if count > 1:
                    every = detectable(self.sweep, self._pairs(), metric, level)
                    text += f" by one comparison, of {every:.{digits}f} by all {count} at once"
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
        return found

    def _ratio(self, arm: Arm, metric: Metric) -> Interval | None:
        """The arm over its reference where both succeed; None where it is the reference."""
        base = self._bases[arm.label]
        return None if arm is base else self.sweep.ratio(arm.runs, base.runs, metric)

    def _range(self, arm: Arm, column: str) -> Cell:
        """The range over an arm's trainings; a mean of p-values would mean nothing."""
        values = self._values(arm, column)
        if not len(values):
            return NOTHING
        return Cell(" to ".join(dict.fromkeys(f"{x:.3f}" for x in (values.min(), values.max()))))

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
        return NOTHING if found is None else Cell(f"{found[0]:.3g} → {found[1]:.3g}")


def _markdown(
    titles: Sequence[str], rows: Sequence[Sequence[Cell]], short: str, notes: Sequence[str], sweep: Sweep
) -> str:
    """The short table, the cells as another, what their columns mean, and the runs that are missing."""
    text = short + short_table.markdown(titles, [[cell.text for cell in row] for row in rows])
    said = [NOTE, *notes, *(note for title, note in NOTES.items() if _has(titles, title))]
    said += [LONE] if any("†" in cell.text for row in rows for cell in row) else []
    text += "".join(f"\n{note}\n" for note in said)
    if len(sweep.incomplete):
        text += "\nIncomplete runs, counted only where they were measured:\n\n"
        text += "".join(f"- `{r.run}` lacks {r.missing}\n" for r in sweep.incomplete.itertuples())
    return text


def _digits(metric: Metric) -> int:
    """Decimals that are shown."""
    return 4 if metric.name == "mmd2" or metric.kind == "held_out" else 2


def _has(titles: Sequence[str], title: str) -> bool:
    """Whether a column is called so, maybe behind the name of a world."""
    return any(t == title or t.endswith((f": {title}", f" {title}")) for t in titles)


def _text(interval: Interval, digits: str, floor: float = -np.inf) -> str:
    """The estimate with its interval; what is below the floor is not told more exactly."""
    value, *ends = (f"< {floor:g}" if x < floor else format(x, digits) for x in interval)
    places, sign = int(digits[-2]), digits[:-3]
    ends = [
        end if x < floor else decimals(x, places, sign) for x, end in zip(interval[1:], ends, strict=True)
    ]
    return minus(f"{value} [{', '.join(ends)}]")


def _compared(found: Interval | None, digits: str, same: float) -> Cell:
    """A comparison; it is clear where the interval leaves out `same`."""
    return NOTHING if found is None else Cell(_text(found, digits), found.low > same or found.high < same)


def _of_pair(found: Comparison | None, digits: str) -> list[Cell]:
    """A comparison by itself, clear where it is so beside all others, and among them."""
    if found is None:
        return [NOTHING, NOTHING]
    part = " †" if found.lone else ""
    return [Cell(_text(ends, digits) + part, found.clear) for ends in (found.single, found.simultaneous)]


def _named(name: str, found: Interval | None) -> dict[str, float]:
    """Columns of a row that tell an interval, or none."""
    return {} if found is None else dict(zip((name, f"{name}_low", f"{name}_high"), found, strict=True))
