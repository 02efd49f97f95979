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


CAPTION = (
    "An arm (a setting, trained once for each seed) is a point, one hue for arms of one kind; lines: 95 % "
    "intervals. "
    "Paths are brought to unit length and unit duration, so that the square of an acceleration has no "
    "unit; rougher "
    "is to the right. Dashed: the plans that were learnt from. Pareto front: no other arm is both smoother "
    "and better."
)


def figure_smoothness(
    arms: Sequence[ArmMotion],
    plans: Sequence[PlanMotion],
    measure: str,
    success: str,
    title: str = "",
    families: Sequence[str] | None = None,
) -> Figure:
    """An arm a point, with intervals on both axes, and the Pareto front.

    Dashed lines are the plans that were learnt from. Arms that never succeeded are listed.

    Args:
        arms: All arms of the sweep, in its order; at least one succeeded.
        plans: Those that were learnt from.
        measure: What roughness is, for the x axis, which is a log axis.
        success: What success is, for the y axis.
        title: Above the figure.
        families: That of each arm, which gives it its hue; by default by their labels.
    """
    labels = [arm.label for arm in arms]
    families = families or figures.families(labels)
    looks = figures.arm_looks(families)
    with figures.style():
        figure, axes = figures.canvas(1, 1, figures.DOUBLE, 3.2)
        ax = axes[0, 0]
        points = {}
        for i, (arm, look) in enumerate(zip(arms, looks, strict=True)):
            if arm.roughness is None:
                continue
            x, y = arm.roughness, arm.success
            figures.crossed(ax, x, y, arm.label, look)
            points[i] = x.value, y.value
        at, numbers = list(points.values()), list(points)
        best = pareto([y for _, y in at], [x for x, _ in at])
        front = [at[i] for i in best]
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
        legend = figures.by_family(figures.named([ax]), labels, families, looks)
        figures.finish(figure, title=title, legend=legend, caption=CAPTION)
        figures.name_points(ax, points, {numbers[i]: labels[numbers[i]] for i in best})
    return figure
