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


CAPTION = (
    "Whiskers: 95 % intervals over trainings and trials, of each by itself. Filled, and strong lines: the "
    "arm may be the best by its mean; hollow, and weak lines: it is not. (a) trials that did better than a "
    "threshold"
)
BAND = "; band: the arm that all are compared with"
REST = (
    ". (b) mean of the middle half of all trials. (c) how often one training does better in a trial than one "
    "of the other arm, ties counting half; dashed: as often as not."
)


def figure_aggregates(
    arms: Sequence[Distribution],
    thresholds: Sequence[float],
    measured: str,
    against: str,
    reference: int | None,
    caption: str = "",
    title: str = "",
    families: Sequence[str] | None = None,
) -> Figure:
    """Performance profiles at the left; interquartile means and probabilities of improvement, a row an arm.

    Args:
        arms: In the order of the sweep, the first on top.
        thresholds: Of the profiles.
        measured: What was measured, for the axes.
        against: What the arms are compared with.
        reference: Number of the arm that all are compared with, whose profile has a band; None if of several.
        caption: Below the figure, before what its marks mean.
        title: Above the figure.
        families: That of each arm, which gives it its hue; by default by their labels.
    """
    rows = np.arange(len(arms))[::-1]
    looks = figures.arm_looks(families or figures.families([arm.label for arm in arms]))
    with figures.style():
        figure, axes = figures.canvas(1, 3, figures.DOUBLE, max(2.2, 0.65 + 0.32 * len(arms)))
        left, middle, right = axes[0]
        for i, (arm, y, look) in enumerate(zip(arms, rows, looks, strict=True)):
            shares = np.asarray(arm.profile, float)
            if i == reference:
                ends = shares[:, 1], shares[:, 2]
                left.fill_between(thresholds, *ends, color=look["color"], alpha=0.2, linewidth=0, step="post")
            strong = {"linewidth": 1.1} if arm.best or i == reference else {"linewidth": 0.6, "alpha": 0.6}
            left.plot(thresholds, shares[:, 0], drawstyle="steps-post", color=look["color"], **strong)
            filled = look if arm.best else look | {"markerfacecolor": "white"}
            figures.whiskers(middle, [y], [arm.middle], horizontal=True, **filled)
            if arm.improvement is not None:
                figures.whiskers(right, [y], [arm.improvement], horizontal=True, **filled)
        left.set_xlabel(figures.wrap(f"{measured}, threshold", 8, 1.7))
        left.set(ylabel="Share of trials", ylim=(-0.02, 1.02))
        middle.set(yticks=rows, ylim=(-0.6, len(arms) - 0.4))
        middle.set_xlabel(figures.wrap(f"{measured}, interquartile mean", 8, 1.7))
        middle.set_yticklabels([figures.wrap(arm.label, 7, 2.0) for arm in arms])
        right.set(yticks=rows, ylim=(-0.6, len(arms) - 0.4), xlim=(-0.03, 1.03))
        right.set_yticklabels([])
        right.set_xlabel(figures.wrap(f"Probability of doing better than {against}", 8, 1.7))
        figures.reference(right, x=0.5)
        figures.letter(axes[0])
        notes = CAPTION + (BAND if reference is not None else "") + REST
        figures.finish(figure, title=title, caption=f"{caption}. {notes}" if caption else notes)
    return figure
