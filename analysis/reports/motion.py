"""How rollouts move, where their paths were kept: success against smoothness, and the paths themselves."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from align.analysis.figures import style as figures
from align.analysis.figures.paths import PlanPaths, RolloutPaths, figure_paths
from align.analysis.figures.smoothness import ArmMotion, PlanMotion, figure_smoothness
from align.analysis.reports.sweep import Metric, Sweep
from align.analysis.reports.sweep.families import families
from align.analysis.reports.sweep.kept import PLANS, facts
from align.analysis.reports.sweep.run_paths import (
    MEASURES,
    Plans,
    learnt_plans,
    learnt_stores,
    measure,
    motion,
    with_paths,
)
from align.domain import Domain
from align.run.layout import PATHS
from align.run.paths import read_paths

MEASURE = "acceleration"
"""What roughness is in the figure."""
SHOWN = 12
"""Paths that are drawn of each planner and arm, the first ones."""


def report(sweep: Sweep) -> list[Path]:
    """Write what the worlds that kept paths allow; what was written.

    `smoothness_WORLD.png` needs a rollout that succeeded, `paths_WORLD.png` the plans that were learnt from.
    """
    written = []
    for world in sweep.worlds:
        if not any(world in motion(sweep.path / run) for run in sweep.frame["run"]):
            continue
        for name, figure in (
            ("smoothness", _smoothness(sweep, world, plan_lines(sweep, world))),
            ("paths", _paths(sweep, world, _learnt(sweep, world))),
        ):
            if figure is not None:
                written.append(sweep.path / f"{name}_{world}.png".replace("/", "-"))
                figures.save(figure, written[-1])
    return written


def plan_lines(sweep: Sweep, world: str) -> list[PlanMotion]:
    """How rough the plans are that the first run with paths in a world learnt from."""
    if kept := facts(sweep.path).get(PLANS, {}).get(world):
        return [PlanMotion(title, Domain(domain), rough) for title, domain, rough in kept]
    plans = _learnt(sweep, world)
    return [PlanMotion(p.title, d, float(measure(p.paths)[MEASURE].median())) for d, p in plans.items()]


def absent_plans(sweep: Sweep, world: str) -> list[Path]:
    """Stores that the first run with paths in a world learnt from, and that are no longer there."""
    run = _with_paths(sweep, world)
    stores = {} if run is None else learnt_stores(run)
    return [store for store in stores.values() if not store.exists()]


def _learnt(sweep: Sweep, world: str) -> Mapping[Domain, Plans]:
    """The plans that the first run with paths in a world learnt from; none where no run is there."""
    run = _with_paths(sweep, world)
    return {} if run is None else learnt_plans(run)


def _with_paths(sweep: Sweep, world: str) -> Path | None:
    return next(iter(with_paths(sweep.path, sweep.frame["run"], world)), None)


def _smoothness(sweep: Sweep, world: str, lines: Sequence[PlanMotion]) -> Figure | None:
    """Success against smoothness; None where no rollout succeeded."""
    arms, measured = [], []
    for arm in sweep.arms():
        success = sweep.estimate(arm.runs, Metric("rollout", world, sweep.success))
        rough = sweep.estimate(arm.runs, Metric("motion", world, MEASURE))
        if success is not None:
            measured.append(arm)
            arms.append(ArmMotion(arm.label, success.interval, rough and rough.interval))
    if all(arm.roughness is None for arm in arms):
        return None
    kinds = families(sweep, measured)
    return figure_smoothness(arms, lines, MEASURES[MEASURE], f"Success in {world}", sweep.title, kinds)


def _paths(sweep: Sweep, world: str, plans: Mapping[Domain, Plans]) -> Figure | None:
    """The plans and the first run of each arm that kept paths, the same trials in each panel; None without
    plans, which say what the scene is."""
    if not plans:
        return None
    rollouts = []
    for arm in sweep.arms():
        run = next(iter(with_paths(sweep.path, arm.runs, world)), None)
        if run is not None:
            reached = motion(run)[world][MEASURE].notna()
            some = list(read_paths(run / PATHS)[world].items())[:SHOWN]
            good, bad = ([path for s, path in some if reached[s] == which] for which in (True, False))
            success = sweep.estimate(arm.runs, Metric("rollout", world, sweep.success))
            share = reached.mean() if success is None else success.interval.value
            rollouts.append(RolloutPaths(arm.label, share, good, bad))
    shown = [PlanPaths(p.title, domain, p.paths[:SHOWN]) for domain, p in plans.items()]
    return figure_paths(shown, rollouts, next(iter(plans.values())).scene, sweep.title)
