"""Success against smoothness of a sweep's arms, beside the plans that they learnt from."""

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from matplotlib.ticker import LogLocator, NullFormatter

from align.analysis.figures import style as figures
from align.analysis.figures.paths import figure_rollouts
from align.analysis.reports.learnt_plans import plans_of
from align.analysis.reports.motion import MEASURES, measure, motion
from align.analysis.reports.sweep import Arm, Estimate, Metric, Sweep

DASHED = {"linewidth": 0.8, "linestyle": (0, (4, 3))}


def applies(sweep: Sweep) -> bool:
    """Whether rollouts of the sweep kept paths."""
    return any(_kept(sweep, world) for world in sweep.worlds)


def report_motion(sweep: Sweep) -> list[Path]:
    """Write what the worlds that kept paths allow; what was written.

    `smoothness_WORLD.png` needs a rollout that succeeded, `paths_WORLD.png` the plans that were learnt from.
    """
    written = []
    for world in filter(partial(_kept, sweep), sweep.worlds):
        for name, draw in (("smoothness", figure_motion), ("paths", figure_rollouts)):
            path = sweep.path / f"{name}_{world}.png".replace("/", "-")
            written += [path] * draw(sweep, path, world)
    return written


def _kept(sweep: Sweep, world: str) -> bool:
    return any(world in motion(sweep.path / run) for run in sweep.frame["run"])


def pareto(success: Sequence[float], roughness: Sequence[float]) -> list[int]:
    """Which points no other one beats: none has as much success and is smoother, or as smooth with more.

    Returns:
        Their numbers, the smoothest first.
    """
    order = sorted(range(len(success)), key=lambda i: (roughness[i], -success[i]))
    front, best = [], -np.inf
    for i in order:
        if success[i] > best:
            front.append(i)
            best = success[i]
    return front


def figure_motion(sweep: Sweep, path: str | os.PathLike, world: str, name: str = "acceleration") -> bool:
    """Success against smoothness: an arm a point, with 95 % intervals on both axes, and the Pareto front.

    Dashed lines are the medians of the plans that were learnt from. Arms that never succeeded are listed.

    Args:
        sweep: The sweep.
        path: Where to, a `.png` or `.pdf`.
        world: Whose rollouts; it keeps paths.
        name: A measure of `align.analysis.reports.motion`, on a log axis.

    Returns:
        False where no rollout succeeded: then nothing is drawn.
    """
    arms, never, metric = [], [], Metric("motion", world, name)
    for arm in sweep.arms():
        (arms if sweep.estimate(arm.runs, metric) else never).append(arm)
    if not arms:
        return False
    points = [(sweep.estimate(arm.runs, metric), _success(sweep, arm, world)) for arm in arms]
    with figures.style():
        figure, axes = figures.canvas(1, 1, figures.DOUBLE, 3.6)
        ax = axes[0, 0]
        for i, (arm, (x, y)) in enumerate(zip(arms, points, strict=True)):
            colour = figures.CYCLE[(i + i // len(figures.MARKERS)) % len(figures.CYCLE)]
            look = {"color": colour, "marker": figures.MARKERS[i % len(figures.MARKERS)]}
            figures.whiskers(ax, [x.interval.value], [y.interval], **look, label=arm.label)
            figures.whiskers(ax, [y.interval.value], [x.interval], horizontal=True, **look)
        values = [(x.interval.value, y.interval.value) for x, y in points]
        front = [values[i] for i in pareto([y for _, y in values], [x for x, _ in values])]
        ax.plot(
            *np.array(front).T, color=figures.GREY, linewidth=3, alpha=0.35, zorder=1, label="Pareto front"
        )
        for domain, plans in plans_of(sweep.path / arms[0].runs[0]).items():
            colour = figures.DOMAIN_COLOUR[domain]
            ax.axvline(
                measure(plans.paths)[name].median(),
                color=colour,
                **DASHED,
                label=f"{plans.title} plans",
            )
        for arm in never:
            ax.plot([], [], " ", label=f"{arm.label}: no success")
        ax.set_xscale("log")
        ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        ax.xaxis.set_major_formatter("{x:g}")
        ax.xaxis.set_minor_formatter(NullFormatter())
        ax.set(xlabel=f"{MEASURES[name]} of successful rollouts, median", ylabel=f"Success in {world}")
        figure.legend(loc="outside right center", fontsize=6)
        figures.save(figure, path)
    return True


def _success(sweep: Sweep, arm: Arm, world: str) -> Estimate:
    return sweep.estimate(arm.runs, Metric("rollout", world, sweep.success))
