"""Success against smoothness of a sweep's arms, beside the plans that they learnt from."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from align.analysis.figures import style as figures
from align.analysis.statistics.intervals import Interval
from align.analysis.statistics.selection import pareto
from align.domain import Domain


@dataclass(frozen=True)
class ArmMotion:
    """An arm's success, and how rough its successful rollouts are; None where none succeeded."""

    label: str
    success: Interval
    roughness: Interval | None


@dataclass(frozen=True)
class PlanMotion:
    """Plans of one planner: their name, what they stand for, and their median roughness."""

    title: str
    domain: Domain
    roughness: float


def figure_smoothness(
    arms: Sequence[ArmMotion], plans: Sequence[PlanMotion], measure: str, success: str
) -> Figure:
    """An arm a point, with intervals on both axes, and the Pareto front.

    Dashed lines are the plans that were learnt from. Arms that never succeeded are listed.

    Args:
        arms: All arms of the sweep, in its order; at least one succeeded.
        plans: Those that were learnt from.
        measure: What roughness is, for the x axis, which is a log axis.
        success: What success is, for the y axis.
    """
    with figures.style():
        figure, axes = figures.canvas(1, 1, figures.DOUBLE, 3.6)
        ax = axes[0, 0]
        points = []
        for i, arm in enumerate(arms):
            if arm.roughness is None:
                continue
            look = figures.look(i)
            x, y = arm.roughness, arm.success
            figures.whiskers(ax, [x.value], [y], label=arm.label, **look)
            figures.whiskers(ax, [y.value], [x], horizontal=True, **look)
            points.append((x.value, y.value))
        front = [points[i] for i in pareto([y for _, y in points], [x for x, _ in points])]
        front_look = {"color": figures.GREY, "linewidth": 3, "alpha": 0.35, "zorder": 1}
        ax.plot(*np.array(front).T, label="Pareto front", **front_look)
        for p in plans:
            colour = figures.DOMAIN_COLOUR[p.domain]
            figures.reference(ax, x=p.roughness, colour=colour, label=f"{p.title} plans")
        for arm in arms:
            if arm.roughness is None:
                ax.plot([], [], " ", label=f"{arm.label}: no success")
        ax.set_xscale("log")
        ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        ax.xaxis.set_major_formatter("{x:g}")
        ax.xaxis.set_minor_formatter(NullFormatter())
        ax.set(xlabel=f"{measure} of successful rollouts, median", ylabel=success)
        figure.legend(loc="outside right center", fontsize=6)
    return figure
