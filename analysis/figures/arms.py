"""Arms of a sweep side by side."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from align.analysis.figures import style as figures
from align.analysis.figures.series import Point
from align.analysis.statistics.intervals import Interval


@dataclass(frozen=True)
class OfWorld:
    """What all arms did in one world, in their order; None where it was not measured.

    Args:
        world: Its name.
        measured: By title of the metric, an entry an arm.
        differences: Of the first metric, each arm minus what it is compared with on shared trials, by itself.
        at_once: The same with intervals that hold for all arms at once.
    """

    world: str
    measured: Mapping[str, Sequence[Point | None]]
    differences: Sequence[Interval | None]
    at_once: Sequence[Interval | None]


CAPTION = (
    "An arm is a setting, trained once for each seed. Whiskers: 95 % intervals over trainings and trials; "
    "filled: the arm may be the best, hollow: it is not. Last panel: difference on shared trials, thick the "
    "interval of each by itself, thin one that holds for all arms at once; dashed: none"
)


def figure_arms(
    arms: Sequence[str],
    worlds: Sequence[OfWorld],
    titles: Sequence[str],
    reference: str,
    caption: str,
    title: str = "",
    nothing: float | None = None,
    shares: bool = True,
) -> Figure:
    """Arms as dots with 95 % intervals, a row each, a panel a metric; the last is the paired difference.

    Filled dots are of arms that may be the best. Of a difference the thick line is the interval by itself,
    the thin one that which holds for all at once.

    Args:
        arms: Their labels, the first on top.
        worlds: A colour each.
        titles: The metrics, a panel each.
        reference: What the differences are from.
        caption: Below the figure, before what its marks mean.
        title: Above the figure.
        nothing: The first metric of a policy that does nothing, if that is known.
        shares: Whether the metrics are shares of 1.
    """
    rows = np.arange(len(arms))[::-1]  # the first arm on top
    height = 0.65 + 0.16 * max(2, len(worlds)) * len(arms)
    with figures.style():
        figure, axes = figures.canvas(1, len(titles) + 1, figures.DOUBLE, height, sharey=True)
        *panels, last = axes[0]
        for i, found in enumerate(worlds):
            look = figures.place_look(found.world)
            at = rows + (i - (len(worlds) - 1) / 2) * -0.7 / max(len(worlds), 2)
            for ax, metric in zip(panels, titles, strict=True):
                for y, point in zip(at, found.measured[metric], strict=True):
                    if point is not None:
                        figures.trainings(ax, y, point.trainings, look["color"], horizontal=True)
                        filled = look if point.best else look | {"markerfacecolor": "white"}
                        figures.whiskers(ax, [y], [point.interval], horizontal=True, **filled)
            for y, difference, wide in zip(at, found.differences, found.at_once, strict=True):
                if difference is not None and wide is not None:
                    figures.whiskers(last, [y], [wide], horizontal=True, **look | {"elinewidth": 0.7})
                    thick = look | {"elinewidth": 2.2, "capsize": 0}
                    figures.whiskers(last, [y], [difference], horizontal=True, **thick)
            panels[0].plot([], [], linestyle="none", label=found.world, **look)
        for ax, metric in zip(panels, titles, strict=True):
            ax.set_xlabel(figures.wrap(metric, 8, 1.7))
            if not shares:
                ax.set_xlim(0, 1.05 * ax.dataLim.x1)
                continue
            top = min(max(0.1, np.ceil(10 * ax.dataLim.x1) / 10), 1.0)
            ax.set_xlim(-0.03 * top, 1.03 * top)  # from 0, and to no more than needed: success may be rare
        figures.reference(panels[0], x=nothing, dotted=True)
        figures.reference(last, x=0)
        last.set_xlabel(figures.wrap(f"{titles[0]} − {reference}", 8, 1.7))
        panels[0].set(yticks=rows, ylim=(-0.6, len(arms) - 0.4))
        panels[0].set_yticklabels([figures.wrap(arm, 7, 2.0) for arm in arms])
        figures.letter(axes[0])
        points = [
            p for found in worlds for points in found.measured.values() for p in points if p is not None
        ]
        notes = CAPTION
        notes += "; small: single trainings" if any(len(p.trainings) > 1 for p in points) else ""
        notes += "; dotted: doing nothing" if nothing is not None else ""
        text = f"{caption}. {notes}." if caption else f"{notes}."
        figures.finish(figure, title=title, legend=figures.named(panels[:1]), caption=text)
    return figure
