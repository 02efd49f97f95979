"""The target's outcomes as more than means: profiles, interquartile means, improvement, paired successes."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from align.analysis.figures import style as figures
from align.analysis.figures.aggregates import Distribution, figure_aggregates
from align.analysis.reports.arms import behind
from align.analysis.reports.sweep import SEED_AXIS, Arm, Metric, Sweep
from align.analysis.reports.sweep.comparisons import may_be_best, set_aside
from align.analysis.reports.sweep.families import families
from align.analysis.reports.sweep.shared import not_shared
from align.analysis.reports.tables import write_tables
from align.analysis.statistics.intervals import Interval
from align.analysis.statistics.trials.aggregates import (
    drawn_in,
    interquartile_mean,
    performance_profile,
    probability_of_improvement,
    profile_scatter,
    projections,
)
from align.analysis.statistics.trials.counts import blaker
from align.analysis.statistics.trials.paired_counts import discordant, mcnemar, paired_difference
from align.analysis.statistics.trials.rates import score_interval
from align.analysis.statistics.trials.variance_components import of_each_arm

THRESHOLDS = np.linspace(0, 1, 41)
NOTES = (
    "In {target}, [95 % interval] over trainings and trials, of each by itself. Interquartile mean: of the "
    "middle half of all trials, which a few lucky or failed ones do not move. Better than: probability that "
    "one training of the arm does better in a trial than one of the other, ties counting half; 0.5 is as "
    "often as not. As in rliable (arXiv 2108.13264), whose bootstraps two trainings do not support.",
)
LONE = (
    "Nothing is known of how trainings of an arm differ: all of it is of these trainings alone, and others "
    "of the same arms may do otherwise."
)
PAIRED = (
    "In {target}, two trainings of one seed in the same trials, {success}: in how many each succeeded, "
    "[95 %] by Blaker's exact interval; in how many only one of them did; p-value of McNemar's exact test; "
    "difference of the rates with Tango's interval, which holds 0 unless that test says otherwise. All of it "
    "is of these two policies: other trainings may do otherwise, which the table of arms counts in and this "
    "one does not.",
)


def report(sweep: Sweep) -> list[Path]:
    """Write `aggregates.csv`, `.md` and `.png`, `paired_successes.csv` and `.md`; returns what was written.

    Nothing where policies were not tested, or there are fewer than two arms or trials. Where the score is
    success itself, there is nothing to tell of its distribution, and only what is paired is written.
    """
    metric = Metric("rollout", sweep.target or "none", "score")
    if not sweep.has(metric):
        return []
    arms = [arm for arm in sweep.arms() if arm.label in sweep.scatter(metric)]
    if len(arms) < 2:
        return []
    against, bases = sweep.references(arms)
    if sweep.is_binary:
        written = []
        for end in (".csv", ".md", ".png"):  # of an older version
            (sweep.path / f"aggregates{end}").unlink(missing_ok=True)
    else:
        written = _distributions(sweep, arms, bases, against.replace("\n", " "), metric)
    success = Metric("rollout", sweep.target, sweep.success)
    if rows := paired(sweep, arms, bases, success):
        notes = [note.format(target=sweep.target, success=success.title) for note in PAIRED]
        notes += not_shared(sweep, success)
        written += write_tables(sweep.path / "paired_successes", rows, notes)
    return written


def _distributions(
    sweep: Sweep, arms: Sequence[Arm], bases: Sequence[Arm], against: str, metric: Metric
) -> list[Path]:
    """Write `aggregates.csv`, `.md` and `.png`."""
    found = describe(sweep, arms, bases, metric)
    rows = [
        {"arm": arm.label, "interquartile mean": arm.middle, f"better than {against}": arm.improvement}
        for arm in found
    ]
    notes = [note.format(target=sweep.target) for note in NOTES]
    notes += [LONE] if all(sweep.scatter(metric)[arm.label] is None for arm in arms) else []
    notes += not_shared(sweep, metric)
    written = [*write_tables(sweep.path / "aggregates", rows, notes), sweep.path / "aggregates.png"]
    one = arms.index(bases[0]) if all(base is bases[0] for base in bases) else None
    title, kinds, caption = f"{metric.title} in {sweep.target}", families(sweep, arms), behind(sweep, arms)
    figure = figure_aggregates(found, THRESHOLDS, title, against, one, caption, sweep.title, kinds)
    figures.save(figure, written[-1])
    return written


def describe(sweep: Sweep, arms: Sequence[Arm], bases: Sequence[Arm], metric: Metric) -> list[Distribution]:
    """The arms' outcomes; how trainings differ is estimated from all of them together.

    Args:
        sweep: Where the arms are of.
        arms: All with the metric in two trials or more.
        bases: What each is compared with; itself, if it is not.
        metric: Of outcomes in [0, 1].
    """
    tables = {arm.label: sweep.outcomes(arm.runs, metric) for arm in arms}
    values = list(tables.values())
    middles = of_each_arm([drawn_in(table) for table in values])
    aside = set_aside(sweep, metric)
    usual = profile_scatter([v for label, v in tables.items() if label not in aside], THRESHOLDS)
    known = {label: profile_scatter([tables[label]], THRESHOLDS) for label in aside}
    pairs = [(tables[a.label], tables.get(b.label)) for a, b in zip(arms, bases, strict=True)]
    sides = [side for side, _ in (projections(*pair) for pair in pairs if _differ(pair))]
    best, found = may_be_best(sweep, arms, metric), []
    for i, arm in enumerate(arms):
        profile = performance_profile(values[i], THRESHOLDS, between=known.get(arm.label, usual))
        middle = interquartile_mean(values[i], middles[i]).interval()
        middle = Interval(middle.value, max(middle.low, 0.0), min(middle.high, 1.0))
        better = None
        if _differ(pairs[i]):
            side, of_base = projections(*pairs[i])
            own = next(k for k, other in enumerate(sides) if np.array_equal(side, other))
            scatter = of_each_arm([*sides, of_base])
            both = None if scatter[own] is None else [scatter[own], scatter[-1]]
            estimate = probability_of_improvement(*pairs[i], both)
            better = score_interval(estimate, values[i].shape[1])
        found.append(Distribution(arm.label, profile, middle, better, arm.label in best))
    return found


def _differ(pair: tuple[np.ndarray, np.ndarray | None]) -> bool:
    return pair[1] is not None and pair[0] is not pair[1]


def paired(
    sweep: Sweep, arms: Sequence[Arm], bases: Sequence[Arm], metric: Metric
) -> list[dict[str, object]]:
    """Rows of trainings of one seed, an arm's beside that of what it is compared with."""
    seeds = sweep.frame.set_index("run").get(SEED_AXIS)
    if seeds is None or not sweep.has(metric):
        return []
    rows = []
    for arm, base in zip(arms, bases, strict=True):
        others = {seeds[run]: run for run in base.runs}
        for run in arm.runs if arm is not base else ():
            both = [sweep.outcomes([r], metric) for r in (run, others.get(seeds[run])) if r is not None]
            if len(both) < 2 or not all(map(len, both)):
                continue
            one, other = (table[0] for table in both)
            pairs = discordant(one, other)
            rows.append({
                "arm": arm.label, "seed": str(seeds[run]), "compared with": base.label,
                "successes": _count(one), "of the other": _count(other), "only the arm": str(pairs.wins),
                "only the other": str(pairs.losses), "p, McNemar": mcnemar(pairs),
                "difference": paired_difference(pairs),
            })  # fmt: skip
    return rows


def _count(successes: np.ndarray) -> str:
    low, high = blaker(int(successes.sum()), len(successes))[1:]
    return f"{int(successes.sum())}/{len(successes)} [{low:.2f}, {high:.2f}]"
