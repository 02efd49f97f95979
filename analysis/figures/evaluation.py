"""What trials of a lab show: arms with intervals, and their differences from a reference."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from align.analysis.figures import style as figures
from align.analysis.figures.series import Point
from align.analysis.statistics.intervals import Interval


@dataclass(frozen=True)
class Tried:
    """An arm as it was tried.

    Args:
        name: Of the arm.
        point: Its rate or score, and that of each of its trainings.
        single: Its difference from the reference, by itself; None of the reference.
        simultaneous: The same, among all comparisons at once.
        may_be_best: It cannot be told from the best.
    """

    name: str
    point: Point
    single: Interval | None
    simultaneous: Interval | None
    may_be_best: bool


def figure_evaluation(
    arms: Sequence[Tried], measure: str, reference: str, caption: str, title: str = ""
) -> Figure:
    """Arms as dots with intervals, a row each; beside them the differences from the reference.

    Filled dots are of arms that may be the best. Of a difference the thick line is the interval by itself,
    the thin one that which holds for all at once.

    Args:
        arms: The first on top.
        measure: What the outcomes are.
        reference: What the differences are from.
        caption: Below the figure.
        title: Above the figure.
    """
    rows = np.arange(len(arms))[::-1]
    names = [figures.wrap(arm.name, 7, 1.6) for arm in arms]
    lines = max(name.count("\n") + 1 for name in names)
    panels = 2 if len(arms) > 1 else 1
    with figures.style():
        size = (
            figures.DOUBLE if panels == 2 else figures.COLUMN,
            0.65 + max(0.3, 0.12 * lines + 0.06) * max(len(arms), 2),
        )
        figure, axes = figures.canvas(1, panels, *size, sharey=True)
        first = axes[0, 0]
        for y, arm in zip(rows, arms, strict=True):
            fill = figures.BLUE if arm.may_be_best else "white"
            look = {"color": figures.BLUE, "marker": "o", "markerfacecolor": fill}
            if len(arm.point.trainings) > 1:
                figures.trainings(first, y - 0.22, arm.point.trainings, figures.BLUE, horizontal=True)
            figures.whiskers(first, [y], [arm.point.interval], horizontal=True, **look)
            if arm.single is not None and arm.simultaneous is not None:
                if len(arms) > 2:
                    figures.whiskers(axes[0, 1], [y], [arm.simultaneous], horizontal=True, **look)
                thick = look | {"elinewidth": 2.2, "capsize": 0}
                figures.whiskers(axes[0, 1], [y], [arm.single], horizontal=True, **thick)
        first.set(xlim=(-0.03, 1.03), xlabel=measure, yticks=rows, ylim=(-0.6, len(arms) - 0.4))
        first.set_yticklabels(names)
        if panels == 2:
            figures.reference(axes[0, 1], x=0)
            axes[0, 1].set_xlabel(figures.wrap(f"{measure} − {reference}", 8, 2.4))
            figures.letter(axes[0])
        figures.finish(figure, title=title, caption=caption)
    return figure


def figure_sequence(
    difference: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    settled: int | None,
    label: str,
    caption: str,
    title: str = "",
) -> Figure:
    """The difference of two arms after each pair of trials, with the intervals that hold at all times.

    Args:
        difference, low, high: (pairs,) mean difference so far, and the ends.
        settled: Pairs after which the interval first left out zero; None where it never did.
        label: What the difference is.
        caption: Below the figure.
        title: Above the figure.
    """
    pairs = np.arange(1, len(difference) + 1)
    with figures.style():
        figure, axes = figures.canvas(1, 1, figures.COLUMN, 2.3)
        ax = axes[0, 0]
        ax.fill_between(pairs, low, high, step="mid", color=figures.BLUE, alpha=0.18, linewidth=0)
        ax.plot(pairs, difference, color=figures.BLUE, marker="o", markersize=2.2, linewidth=0.8)
        figures.reference(ax, y=0)
        if settled is not None:
            figures.reference(ax, x=settled, colour=figures.VERMILION, label=f"settled after {settled}")
        ax.set(xlabel="Pairs of trials", ylabel=figures.wrap(label, 8, 1.6), ylim=(-1.05, 1.05))
        figures.finish(figure, title=title, legend=figures.named([ax]), caption=caption)
    return figure
