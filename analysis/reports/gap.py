"""Table and figure of a sweep over visual, physics and expert gap: what each costs, what a label mends."""

from collections.abc import Mapping
from pathlib import Path

from matplotlib.figure import Figure

from align.analysis.figures import style as figures
from align.analysis.figures.gap import figure_gap
from align.analysis.figures.series import Panel, Point, Series
from align.analysis.reports.arms import behind
from align.analysis.reports.sweep import Arm, Metric, Sweep
from align.analysis.reports.sweep.comparisons import compare
from align.analysis.reports.sweep.shared import not_shared
from align.analysis.reports.sweep.start import start_score
from align.analysis.reports.tables import write_tables
from align.analysis.statistics.intervals import Interval

GAPS = ("visual", "physics", "expert")
LABEL, PLAIN, ONE_HOT = "label", "plain", "one-hot"
TOLD = {PLAIN: "policy is not told its domain", ONE_HOT: "policy is told its domain"}
CLAIMS = (
    ("no gap − visual", {}, PLAIN, {"visual": 1}, PLAIN),
    ("no gap − physics", {}, PLAIN, {"physics": 1}, PLAIN),
    ("no gap − both", {}, PLAIN, {"visual": 1, "physics": 1}, PLAIN),
    ("physics removed, visual left", {"visual": 1}, PLAIN, {"visual": 1, "physics": 1}, PLAIN),
    ("visual removed, physics left", {"physics": 1}, PLAIN, {"visual": 1, "physics": 1}, PLAIN),
    ("label, both gaps", {"visual": 1, "physics": 1}, ONE_HOT, {"visual": 1, "physics": 1}, PLAIN),
    ("label, physics alone", {"physics": 1}, ONE_HOT, {"physics": 1}, PLAIN),
    ("label, visual alone", {"visual": 1}, ONE_HOT, {"visual": 1}, PLAIN),
    ("label, no gap", {}, ONE_HOT, {}, PLAIN),
    ("half the physics gap removed", {"physics": 0.5}, PLAIN, {"physics": 1}, PLAIN),
    ("half the expert gap removed", {"expert": 0.5}, PLAIN, {"expert": 1}, PLAIN),
    ("expert gap removed", {}, PLAIN, {"expert": 1}, PLAIN),
)
"""Differences worth an interval: name, then gaps and label of one arm, and of the other that is taken off."""
CORNERS = {
    "none": {},
    "visual": {"visual": 1},
    "physics": {"physics": 1},
    "both": {"visual": 1, "physics": 1},
}
STATISTICS = ("auc", "mmd2")


def report(sweep: Sweep) -> list[Path]:
    """Write `gap.csv`, `gap.md` (differences on shared trials) and `gap.png`; returns what was written.

    Nothing where the sweep is not over the three gaps (and the label) alone, or policies were not tested.
    """
    over = (*GAPS, *([LABEL] if LABEL in sweep.axes else []))
    if not sweep.spans(over) or not sweep.worlds:
        return []
    pairs, rows = [], []
    for name, gaps, label, other, other_label in CLAIMS:
        a, b = _find(sweep, gaps, label), _find(sweep, other, other_label)
        if a and b and a is not b:
            pairs.append((a, b))
            arm, minus = _name(gaps, label), _name(other, other_label)
            rows.append({"change": name, "arm": arm, "minus": minus})
    outcomes = _outcomes(sweep)
    for metric in outcomes:
        name = metric.name.partition("_")[0]
        found = compare(sweep, pairs, metric).pairs
        for row, difference in zip(rows, found, strict=True):
            if difference is not None:
                row[f"difference of {name}"] = difference.single
                row[f"{name}, all at once"] = difference.simultaneous
                row[f"{name}, verdict"] = verdict(difference.simultaneous)
    rows = [row for row in rows if any(isinstance(cell, Interval) for cell in row.values())]
    notes = [
        f"In {sweep.target}, difference [95 % interval] over trainings and shared trials, of each by itself; "
        "all at once: so wide that in 95 % of sweeps all of them hold, which the verdict goes by. The world "
        "of the trials is that of the arm's own real demonstrations: a change of the gap also changes the "
        "task; what a gap costs is not told apart from what makes the task harder.",
        *not_shared(sweep, *outcomes),
    ]
    path = sweep.path / "gap.png"
    figures.save(draw(sweep), path)
    return [*write_tables(sweep.path / "gap", rows, notes), path]


def _outcomes(sweep: Sweep) -> list[Metric]:
    """Score and success in the target, or success alone where it is what trials are scored by."""
    names = [sweep.success] if sweep.is_binary else ["score", sweep.success]
    return [metric for name in names if sweep.has(metric := Metric("rollout", sweep.target, name))]


def verdict(difference: Interval) -> str:
    """What an interval says of the sign."""
    return "better" if difference.low > 0 else "worse" if difference.high < 0 else "not distinguishable"


def _find(sweep: Sweep, gaps: Mapping[str, float], label: str) -> Arm | None:
    """The arm at these levels, 0 where none is given."""
    wanted = {axis: gaps.get(axis, 0) for axis in GAPS} | ({LABEL: label} if LABEL in sweep.axes else {})
    return next((a for a in sweep.arms() if all(a.point[k] == v for k, v in wanted.items())), None)


def _name(gaps: Mapping[str, float], label: str) -> str:
    levels = " + ".join(axis if level == 1 else f"{axis} {level:g}" for axis, level in gaps.items())
    return (levels or "no gap") + (f", {label}" if label != PLAIN else "")


def draw(sweep: Sweep) -> Figure:
    """The 2 x 2 by label, and success and discernibility against the level of each gap alone."""
    outcomes, nothing = _outcomes(sweep), start_score(sweep, [sweep.target])
    shown = {metric: f"{metric.title} in {sweep.target}" for metric in outcomes}
    corners = [
        Panel(
            title,
            [
                _series(sweep, TOLD[label], dict(enumerate(CORNERS.values())), label, metric)
                for label in (PLAIN, ONE_HOT)
            ],
            nothing=nothing if metric.name == "score" else None,
        )
        for metric, title in shown.items()
    ]
    site = "image" if "image" in sweep.sites else next(iter(sweep.sites), None)
    if site:
        probed = [Metric("probe", site, name) for name in STATISTICS]
        shown |= {metric: f"{metric.title}, {site}" for metric in probed}
    levels = [
        Panel(
            title,
            [_curve(sweep, gap, metric) for gap in GAPS],
            metric.chance,
            nothing if metric.name == "score" else None,
        )
        for metric, title in shown.items()
    ]
    return figure_gap(corners, list(CORNERS), levels, behind(sweep, sweep.arms()), sweep.title)


def _levels(sweep: Sweep, gap: str) -> dict[float, dict[str, float]]:
    """The levels of one gap alone, if it has several."""
    levels = sorted(sweep.frame[gap].dropna().unique())
    return {level: {gap: level} for level in levels} if len(levels) > 1 else {}


def _curve(sweep: Sweep, gap: str, metric: Metric) -> Series:
    """A metric by the level of one gap alone; without points, if it was measured at one level alone."""
    found = _series(sweep, gap, _levels(sweep, gap), PLAIN, metric)
    return found if len(found.points) > 1 else Series(gap, [])


def _series(
    sweep: Sweep, name: str, at: Mapping[float, Mapping[str, float]], label: str, metric: Metric
) -> Series:
    """A metric of the arms at some gaps, by where they are drawn; those that there are."""
    points = []
    for x, gaps in at.items():
        arm = _find(sweep, gaps, label)
        found = sweep.estimate(arm.runs, metric) if arm else None
        if found is not None:
            points.append((x, Point(found.interval)))
    return Series(name, points)
