"""How well scores in simulation tell which arms do well in the other worlds that a sweep was tested in."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from align.analysis.figures import style as figures
from align.analysis.figures.scatter.agreement import Compared, figure_agreement
from align.analysis.reports.arms import behind
from align.analysis.reports.sweep import Metric, Sweep
from align.analysis.reports.sweep.families import families
from align.analysis.reports.sweep.together import check_names
from align.analysis.reports.tables import write_tables
from align.analysis.statistics.intervals import LEVEL
from align.analysis.statistics.trials.agreement import agreement, rank_violation_range
from align.analysis.statistics.trials.rates import rate
from align.domain import Domain
from align.errors import InputError

FEWEST = 4  # arms, below which a correlation has no interval
NOTES = (
    "Means of the arms in {sim} against those in each other world. Pearson's r and Spearman's ρ [95 % "
    "interval with the arms as a sample of policies]; MMRV, the mean maximum rank violation (arXiv "
    "2405.05941): the mean over arms of the largest difference to one that {sim} ranks the other way "
    "round, in the unit of the measure, 0 is best [range over all that the arms may be by their intervals, "
    "which hold together in 95 % of sweeps]; p: probability of an MMRV as small if {sim} said nothing. All "
    "are of what was measured: the scatter of trainings and trials lowers r and ρ and raises the MMRV.",
)


def predictor(sweep: Sweep) -> str | None:
    """The world whose scores are to predict the others': that called sim, or the first beside the target."""
    others = [world for world in sweep.worlds if world != sweep.target]
    return Domain.SIM.label if Domain.SIM.label in others else next(iter(others), None)


def report(sweep: Sweep) -> list[Path]:
    """Write `agreement.csv`, `agreement.md` and `agreement.png`; returns what was written.

    Nothing where policies were tested in one world, or there are fewer than four arms.
    """
    return together([sweep], sweep.path)


def together(sweeps: Sequence[Sweep], out: str | Path) -> list[Path]:
    """As `report`, of several sweeps beside each other: a panel a sweep and world, arms of one label alike.

    Args:
        sweeps: One or more, whose simulations are called alike.
        out: Folder to write to.

    Raises:
        InputError: One has no two worlds, or they are predicted by worlds of different names; of several, one
            has too few arms, or all of its arms do alike, or two have the same name.
    """
    predictors = {sweep.path: predictor(sweep) for sweep in sweeps}
    if len(sweeps) > 1 and (len({*predictors.values()}) > 1 or None in predictors.values()):
        told = ", ".join(f"{path} {sim or 'none'}" for path, sim in predictors.items())
        raise InputError(f"sweeps: predicted by {told}; expected one world of all that predicts another")
    sim = next(iter(predictors.values()))
    if sim is None:
        return []
    kinds = {
        arm.label: family
        for sweep in sweeps
        for arm, family in zip(sweep.arms(), families(sweep, sweep.arms()), strict=True)
    }
    labels, names = list(kinds), [sweep.path.name for sweep in sweeps]
    check_names([sweep.path for sweep in sweeps])
    of = "" if len(sweeps) == 1 else " of {}"
    found = [
        (world + of.format(sweep.path.name), panel)
        for which in (lambda sweep: "score", lambda sweep: sweep.success)
        for sweep in sweeps
        for world in sweep.worlds
        if world != sim and (panel := compared(sweep, sim, world, which(sweep), labels)) is not None
    ]
    if not found:
        return []
    if lacking := [name for name in names if not any(world.endswith(of.format(name)) for world, _ in found)]:
        raise InputError(
            f"sweeps: {', '.join(lacking)}: expected {FEWEST} arms or more, that do not all do alike"
        )
    found = [(world, replace(panel, world=world)) for world, panel in found]
    rows = [
        {
            "measure": panel.measure, "world": world, "arms": len(panel.points),
            "Pearson r": panel.agreement.pearson, "Spearman ρ": panel.agreement.spearman,
            "MMRV": panel.violation, "p, MMRV": panel.agreement.p_value,
        }
        for world, panel in found
    ]  # fmt: skip
    written = write_tables(Path(out) / "agreement", rows, [note.format(sim=sim) for note in NOTES])
    path = Path(out) / "agreement.png"
    shown = [panel for _, panel in found if panel.measure == found[0][1].measure]
    title = sweeps[0].title if len(sweeps) == 1 else "How well sim predicts"
    caption = "; ".join(
        f"{len(sweep.arms())} arms of {behind(sweep, sweep.arms())}" + of.format(sweep.path.name)
        for sweep in sweeps
    )
    figures.save(figure_agreement(labels, shown, sim, title, list(kinds.values()), caption), path)
    return [*written, path]


def compared(
    sweep: Sweep, sim: str, world: str, name: str, labels: Sequence[str] | None = None
) -> Compared | None:
    """The arms in both worlds by one measure; None of fewer than four arms, or if all did alike.

    They are numbered by their places in `labels`, by default in the sweep.
    """
    metrics = [Metric("rollout", place, name) for place in (sim, world)]
    if not all(map(sweep.has, metrics)):
        return None
    points, tables = {}, []
    labels = labels or [arm.label for arm in sweep.arms()]
    for arm in sweep.arms():
        both = [sweep.estimate(arm.runs, metric) for metric in metrics]
        if None not in both:
            points[labels.index(arm.label)] = tuple(estimate.interval for estimate in both)
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
