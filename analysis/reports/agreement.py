"""How well scores in simulation tell which arms do well in the other worlds that a sweep was tested in."""

from pathlib import Path

from align.analysis.figures import style as figures
from align.analysis.figures.scatter.agreement import Compared, figure_agreement
from align.analysis.reports.sweep import Metric, Sweep
from align.analysis.reports.sweep.families import families
from align.analysis.reports.tables import write_tables
from align.analysis.statistics.intervals import LEVEL
from align.analysis.statistics.trials.agreement import agreement, rank_violation_range
from align.analysis.statistics.trials.rates import rate
from align.domain import Domain

FEWEST = 4  # arms, below which a correlation has no interval
NOTES = (
    "Means of the arms in {sim} against those in each other world. Pearson's r and Spearman's ρ [95 % "
    "interval with the arms as a sample of policies]; MMRV, the mean maximum rank violation (arXiv "
    "2405.05941): by how much an arm does worse than one that {sim} ranks below it, in the unit of the "
    "measure, 0 is best [range over all that the arms may be by their intervals, which hold together in 95 % "
    "of sweeps]; p: probability of an MMRV as small if {sim} said nothing. All are of what was measured: the "
    "scatter of trainings and trials lowers r and ρ and raises the MMRV.",
)


def predictor(sweep: Sweep) -> str | None:
    """The world whose scores are to predict the others': that called sim, or the first beside the target."""
    others = [world for world in sweep.worlds if world != sweep.target]
    return Domain.SIM.label if Domain.SIM.label in others else next(iter(others), None)


def report(sweep: Sweep) -> list[Path]:
    """Write `agreement.csv`, `agreement.md` and `agreement.png`; returns what was written.

    Nothing where policies were tested in one world, or there are fewer than four arms.
    """
    sim = predictor(sweep)
    if sim is None:
        return []
    others = [world for world in sweep.worlds if world != sim]
    names = ("score", sweep.success)
    found = [(world, compared(sweep, sim, world, name)) for name in names for world in others]
    found = [(world, panel) for world, panel in found if panel is not None]
    if not found:
        return []
    rows = [
        {
            "measure": panel.measure, "world": world, "arms": len(panel.points),
            "Pearson r": panel.agreement.pearson, "Spearman ρ": panel.agreement.spearman,
            "MMRV": panel.violation, "p, MMRV": panel.agreement.p_value,
        }
        for world, panel in found
    ]  # fmt: skip
    written = write_tables(sweep.path / "agreement", rows, [note.format(sim=sim) for note in NOTES])
    path = sweep.path / "agreement.png"
    arms = sweep.arms()
    shown = [panel for _, panel in found if panel.measure == found[0][1].measure]
    figures.save(
        figure_agreement([arm.label for arm in arms], shown, sim, sweep.title, families(sweep, arms)), path
    )
    return [*written, path]


def compared(sweep: Sweep, sim: str, world: str, name: str) -> Compared | None:
    """The arms in both worlds by one measure; None of fewer than four arms, or if all did alike."""
    metrics = [Metric("rollout", place, name) for place in (sim, world)]
    if not all(map(sweep.has, metrics)):
        return None
    points, tables = {}, []
    for i, arm in enumerate(sweep.arms()):
        both = [sweep.estimate(arm.runs, metric) for metric in metrics]
        if None not in both:
            points[i] = tuple(estimate.interval for estimate in both)
            tables.append((arm.label, [sweep.outcomes(arm.runs, metric) for metric in metrics]))
    values = [[point[side].value for point in points.values()] for side in (0, 1)]
    if len(points) < FEWEST or any(len(set(side)) == 1 for side in values):
        return None
    level = 1 - (1 - LEVEL) / (2 * len(points))
    wide = [
        [rate(table[side], sweep.scatter(metric).get(label), level) for label, table in tables]
        if all(table[side].shape[1] > 1 for _, table in tables)
        else None
        for side, metric in enumerate(metrics)
    ]
    violation = None if None in wide else rank_violation_range(*wide)
    return Compared(metrics[1].title, world, points, agreement(*values), violation)
