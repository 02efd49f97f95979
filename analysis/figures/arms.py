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
        differences: By title, each arm minus what it is compared with on shared trials, by itself.
        at_once: The same with intervals that hold for all arms at once.
    """

    world: str
    measured: Mapping[str, Sequence[Point | None]]
    differences: Mapping[str, Sequence[Interval | None]]
    at_once: Mapping[str, Sequence[Interval | None]]


CAPTION = (
    "An arm is a setting, trained once for each seed. Whiskers: 95 % intervals over trainings and trials; "
    "filled: the arm may be the best by this measure, hollow: it is not. Bars: difference on shared trials, "
    "thick the interval of each by itself, thin one that holds for all arms at once; dashed: none"
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
    """Arms as dots with 95 % intervals, a row each, a panel a metric; then paired differences, likewise.

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
        figure, axes = figures.canvas(1, 2 * len(titles), figures.DOUBLE, height, sharey=True)
        room = 2.3 / len(titles)
        panels, of_differences = axes[0, : len(titles)], axes[0, len(titles) :]
        for i, found in enumerate(worlds):
            look = figures.place_look(found.world)
            at = rows + (i - (len(worlds) - 1) / 2) * -0.7 / max(len(worlds), 2)
            for ax, metric in zip(panels, titles, strict=True):
                for y, point in zip(at, found.measured[metric], strict=True):
                    if point is not None:
                        figures.trainings(ax, y, point.trainings, look["color"], horizontal=True)
                        filled = look if point.best else look | {"markerfacecolor": "white"}
                        figures.whiskers(ax, [y], [point.interval], horizontal=True, **filled)
            bar = look | {"marker": "|", "markersize": 6}
            for ax, metric in zip(of_differences, titles, strict=True):
                for y, one, wide in zip(at, found.differences[metric], found.at_once[metric], strict=True):
                    if one is not None and wide is not None:
                        figures.whiskers(ax, [y], [wide], horizontal=True, **bar | {"elinewidth": 0.7})
                        thick = bar | {"elinewidth": 2.2, "capsize": 0}
                        figures.whiskers(ax, [y], [one], horizontal=True, **thick)
            panels[0].plot([], [], linestyle="none", label=found.world, **look)
        for ax, metric in zip(panels, titles, strict=True):
            ax.set_xlabel(figures.wrap(metric, 8, room))
            if not shares:
                ax.set_xlim(0, 1.05 * ax.dataLim.x1)
                continue
            top = min(max(0.1, np.ceil(10 * ax.dataLim.x1) / 10), 1.0)
            ax.set_xlim(-0.03 * top, 1.03 * top)  # from 0, and to no more than needed: success may be rare
        figures.reference(panels[0], x=nothing, dotted=True)
        for ax, metric in zip(of_differences, titles, strict=True):
            figures.reference(ax, x=0)
            ax.set_xlabel(figures.wrap(f"{metric} − {reference}", 8, room))
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
