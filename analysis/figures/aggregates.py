"""Arms of a sweep as distributions of outcomes, beside two numbers that are no means of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from align.analysis.figures import style as figures
from align.analysis.statistics.intervals import Interval


@dataclass(frozen=True)
class Distribution:
    """What an arm did.

    Args:
        label: Its name.
        profile: At each threshold the share of trials that did better.
        middle: The interquartile mean.
        improvement: Probability that it does better than the reference; None of the reference itself.
        best: Whether it may be the best of the arms, by its mean.
    """

    label: str
    profile: Sequence[Interval]
    middle: Interval
    improvement: Interval | None
    best: bool


def figure_aggregates(
    arms: Sequence[Distribution],
    thresholds: Sequence[float],
    measured: str,
    against: str,
    reference: int | None,
) -> Figure:
    """Performance profiles at the left; interquartile means and probabilities of improvement, a row an arm.

    Args:
        arms: In the order of the sweep, the first on top.
        thresholds: Of the profiles.
        measured: What was measured, for the axes.
        against: What the arms are compared with.
        reference: Number of the arm that all are compared with, whose profile has a band; None if of several.
    """
    rows = np.arange(len(arms))[::-1]
    with figures.style():
        figure, axes = figures.canvas(1, 3, figures.DOUBLE, max(2.4, 1.0 + 0.17 * len(arms)))
        left, middle, right = axes[0]
        for i, (arm, y) in enumerate(zip(arms, rows, strict=True)):
            look = figures.look(i)
            shares = np.asarray(arm.profile, float)
            if i == reference:
                ends = shares[:, 1], shares[:, 2]
                left.fill_between(thresholds, *ends, color=look["color"], alpha=0.2, linewidth=0, step="mid")
            strong = {"linewidth": 1.1} if arm.best or i == reference else {"linewidth": 0.6, "alpha": 0.6}
            left.plot(thresholds, shares[:, 0], drawstyle="steps-mid", color=look["color"], **strong)
            filled = look if arm.best else look | {"markerfacecolor": "white"}
            figures.whiskers(middle, [y], [arm.middle], horizontal=True, **filled)
            if arm.improvement is not None:
                figures.whiskers(right, [y], [arm.improvement], horizontal=True, **filled)
        left.set(xlabel=f"{measured}, threshold", ylabel="Share of trials above it", ylim=(-0.02, 1.02))
        middle.set(xlabel=f"{measured},\ninterquartile mean", yticks=rows, ylim=(-0.6, len(arms) - 0.4))
        middle.set_yticklabels([arm.label for arm in arms])
        right.set(yticks=rows, ylim=(-0.6, len(arms) - 0.4), xlim=(-0.03, 1.03))
        right.set_yticklabels([])
        right.set_xlabel(f"Probability of doing better\nthan {against}".replace(",\n", ", "))
        figures.reference(right, x=0.5)
        figures.letter(axes[0])
        figure.supxlabel(CAPTION, fontsize=6.5, color=figures.GREY)
    return figure


CAPTION = (
    "95 % intervals over trainings and trials, of each by itself. Filled, strong lines: may be the best arm "
    "by its mean;\nhollow: is not. (a) Band: the arm that all are compared with. (b) Mean of the middle half "
    "of all trials.\n(c) One training of each in the same trial, ties half; dashed: as often as not."
)
