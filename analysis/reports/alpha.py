"""Table and figure of a sweep over the weight α of real data: the best α, and how sure that choice is."""

from pathlib import Path

from matplotlib.figure import Figure

from align.analysis.figures import style as figures
from align.analysis.figures.alpha import OfData, figure_alpha
from align.analysis.reports.sweep import Arm, Metric, Sweep
from align.analysis.reports.sweep.shared import not_shared
from align.analysis.reports.sweep.start import start_score
from align.analysis.reports.tables import write_tables
from align.analysis.statistics.selection import Selection, select

AXIS = "alpha"
Groups = dict[str, tuple[list[Arm], Selection]]


def report(sweep: Sweep) -> list[Path]:
    """Write `alpha.csv`, `alpha.md` and `alpha.png`; returns what was written.

    Nothing where the sweep is not over α, or policies were not tested.
    """
    if AXIS not in sweep.axes or sweep.frame[AXIS].nunique() < 2 or not sweep.worlds:
        return []
    groups = choose(sweep)
    rows = []
    for name, (arms, chosen) in groups.items():
        for i, arm in enumerate(arms):
            rows.append({
                "data": name, "α": str(arm.point[AXIS]), "weight": _realised(sweep, arm),
                "trainings": len(arm.runs), "score, selection trials": float(chosen.selection[i]),
                "chosen": "yes" if i == chosen.best else "", "score, test trials": chosen.test[i],
                "chosen − this, test trials": chosen.gain[i],
                "may be best": "yes" if chosen.plausible[i] else "",
                "this − best of others": chosen.behind[i],
            })  # fmt: skip
    notes = [
        f"In {sweep.target}. The α that does best on the first half of the trials is chosen, and judged on "
        "the second half: mean [95 % interval] over trainings and trials, and on the same trials the chosen "
        "α minus each other, intervals that hold all at once. May be best: the α that cannot be told from "
        "the best on all trials, by the last column (Hsu's comparisons with the best); in 95 % of sweeps "
        "the best is among them.",
        *not_shared(sweep, Metric("rollout", sweep.target, "score")),
    ]
    path = sweep.path / "alpha.png"
    figures.save(draw(sweep, groups), path)
    return [*write_tables(sweep.path / "alpha", rows, notes), path]


def choose(sweep: Sweep) -> Groups:
    """By size of the data (all axes but α), the arms that were evaluated and what was chosen of them."""
    metric = Metric("rollout", sweep.target, "score")
    groups: dict[str, list[Arm]] = {}
    for arm in sweep.arms():
        if sweep.estimate(arm.runs, metric) is not None:
            name = ", ".join(f"{k}={v}" for k, v in arm.point.items() if k != AXIS) or "all"
            groups.setdefault(name, []).append(arm)
    return {
        name: (arms, select([sweep.outcomes(arm.runs, metric) for arm in arms]))
        for name, arms in groups.items()
        if len(arms) > 1
    }


def draw(sweep: Sweep, groups: Groups) -> Figure:
    """The figure of what was chosen."""
    drawn = [
        OfData(name, [_realised(sweep, arm) for arm in arms], [_note(arm) for arm in arms], chosen)
        for name, (arms, chosen) in groups.items()
    ]
    success = f"{Metric('rollout', sweep.target, 'score').title} in {sweep.target}"
    return figure_alpha(drawn, success, sweep.title, start_score(sweep, [sweep.target]))


def _realised(sweep: Sweep, arm: Arm) -> float:
    """The realised α: the natural one is a number too."""
    if "summary/alpha" in sweep.frame:
        return float(sweep.frame.loc[sweep.frame["run"].isin(arm.runs), "summary/alpha"].mean())
    return float(arm.point[AXIS])


def _note(arm: Arm) -> str:
    """What to write beside an arm's point: the α that is a word, as "natural"."""
    value = arm.point[AXIS]
    return value if isinstance(value, str) and value.isalpha() else ""
