"""Table and figure of a sweep over visual, physics and expert gap: what each costs, what a label mends."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes

from align.analysis.figures import style as figures
from align.analysis.reports.sweep import Arm, Metric, Sweep
from align.analysis.reports.tables import write_tables
from align.analysis.statistics.intervals import Interval

GAPS = ("visual", "physics", "expert")
LABEL, PLAIN, ONE_HOT = "label", "plain", "one-hot"
TOLD = {PLAIN: "policy is not told its domain", ONE_HOT: "policy is told its domain"}
CLAIMS = (
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
STATISTICS = {"auc": "Probe AUC", "mmd2": "MMD$^2$"}


def applies(sweep: Sweep) -> bool:
    """Whether the sweep is over the three gaps, with policies evaluated somewhere."""
    return set(GAPS) <= set(sweep.axes) and bool(sweep.worlds)


def report_gap(sweep: Sweep, metric: str = "score") -> list[Path]:
    """Write `gap.csv`, `gap.md` (differences on shared trials) and `gap.png`; returns what was written."""
    column = Metric("rollout", sweep.target, metric)
    rows = []
    for name, gaps, label, other, other_label in CLAIMS:
        a, b = find(sweep, gaps, label), find(sweep, other, other_label)
        difference = sweep.difference(a.runs, b.runs, column) if a and b else None
        if difference is not None:
            rows.append({"change": name, "arm": _name(gaps, label), "minus": _name(other, other_label),
                         f"difference of {metric}": difference, "verdict": verdict(difference)})  # fmt: skip
    notes = [
        f"In {sweep.target}, difference [95 % interval] over trainings and shared trials, not corrected for "
        "their number. The world of the trials is that of the arm's own real demonstrations: a change of the "
        "gap also changes the task; what a gap costs is not told apart from what makes the task harder."
    ]
    written = write_tables(sweep.path / "gap", rows, notes)
    written.append(sweep.path / "gap.png")
    _figure(sweep, written[-1], column, f"{metric.capitalize()} in {sweep.target}")
    return written


def find(sweep: Sweep, gaps: Mapping[str, float], label: str) -> Arm | None:
    """The arm at these levels, 0 where none is given."""
    wanted = {axis: gaps.get(axis, 0) for axis in GAPS} | ({LABEL: label} if LABEL in sweep.axes else {})
    return next((a for a in sweep.arms() if all(a.point[k] == v for k, v in wanted.items())), None)


def verdict(difference: Interval) -> str:
    """What an interval says of the sign."""
    return "better" if difference.low > 0 else "worse" if difference.high < 0 else "not distinguishable"


def _name(gaps: Mapping[str, float], label: str) -> str:
    levels = " + ".join(axis if level == 1 else f"{axis} {level:g}" for axis, level in gaps.items())
    return (levels or "no gap") + (f", {label}" if label != PLAIN else "")


def _figure(sweep: Sweep, path: Path, column: Metric, label: str) -> None:
    """The 2 x 2 by label, and success and discernibility against the level of each gap alone."""
    site = "image" if "image" in sweep.sites else next(iter(sweep.sites), None)
    panels = {column: label}
    panels |= {Metric("probe", site, name): f"{text}, {site}" for name, text in STATISTICS.items() if site}
    with figures.style():
        figure, axes = figures.canvas(2, 2, figures.DOUBLE, 4.6)
        corners = [{}, {"visual": 1}, {"physics": 1}, {"visual": 1, "physics": 1}]
        for i, kind in enumerate((PLAIN, ONE_HOT)):
            found = [(x, _estimate(sweep, find(sweep, gaps, kind), column)) for x, gaps in enumerate(corners)]
            look = {"color": figures.CYCLE[i], "marker": figures.MARKERS[i], "label": TOLD[kind]}
            _points(axes[0, 0], [(x + 0.16 * (i - 0.5), e) for x, e in found], **look)
        axes[0, 0].set_xticks(range(4), ["none", "visual", "physics", "both"])
        axes[0, 0].set(xlabel="Gap", ylabel=label, xlim=(-0.5, 3.5))
        figures.legend_above(axes[0, 0], columns=1)
        for ax, (metric, text) in zip(axes.flat[1:], panels.items(), strict=False):
            for i, axis in enumerate(GAPS):
                levels = sorted(sweep.frame[axis].dropna().unique())
                if len(levels) < 2:
                    continue
                found = [(x, _estimate(sweep, find(sweep, {axis: x}, PLAIN), metric)) for x in levels]
                look = {"color": figures.CYCLE[i + 2], "marker": figures.MARKERS[i + 2], "label": axis}
                _points(ax, [(x + 0.012 * (i - 1), e) for x, e in found], line=True, **look)
            ax.set(xlabel="Level of one gap, the others 0 (not told its domain)", ylabel=text)
            figures.reference(ax, y=metric.chance)
        figures.legend_above(axes[0, 1])
        for ax in axes.flat[1 + len(panels) :]:
            ax.set_visible(False)
        figures.letter([ax for ax in axes.flat if ax.get_visible()])
        note = f"{len(sweep.frame)} runs; 95 % intervals over trainings and trials or held-out episodes"
        figure.supxlabel(note, fontsize=7, color=figures.GREY)
        figures.save(figure, path)


def _estimate(sweep: Sweep, arm: Arm | None, metric: Metric) -> Interval | None:
    found = sweep.estimate(arm.runs, metric) if arm else None
    return found.interval if found else None


def _points(ax: Axes, found: Sequence[tuple[float, Interval | None]], line: bool = False, **look) -> None:
    """Estimates with intervals, those that there are."""
    there = [(x, e) for x, e in found if e is not None]
    if there:
        at, intervals = zip(*there, strict=True)
        figures.whiskers(ax, at, intervals, **look)
        if line:
            ax.plot(at, [e.value for e in intervals], color=look["color"], linewidth=0.9)
