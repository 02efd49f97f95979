"""Metrics against the weight of the alignment."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import offset_copy

from align.analysis.figures import style as figures
from align.analysis.figures.series import Panel, Series, marks_of
from align.analysis.figures.style import BrokenLogAxis

STAR = {"marker": (6, 2, 0), "markersize": 4, "markeredgewidth": 0.7, "linestyle": "none", "clip_on": False}
CAPTION = (
    "λ: weight of the alignment in the loss. Whiskers: 95 % intervals over trainings and over trials or "
    "held-out episodes; bands: the same at λ = 0, with the estimate dotted. (a), (b): filled where λ "
    "may be the best, hollow where it is not; ∗: differs from λ = 0, all λ compared at once"
)


def figure_weights(
    panels: Sequence[Panel], weights: Sequence[float], caption: str, wide: bool, title: str = ""
) -> Figure:
    """Four panels over λ on a log axis; λ = 0, left of a break, is the reference: its interval is a band.

    Large markers are estimates with 95 % intervals, filled where the weight may be the best, small ones
    single trainings. A star is at weights that differ from λ = 0, all compared at once.

    Args:
        panels: Four; points of a series are at values of λ.
        weights: All values of λ, not negative.
        caption: Below the figure, before what its marks mean.
        wide: Both columns of a page, two panels a row, instead of one column with panels stacked.
        title: Above the figure.
    """
    position = BrokenLogAxis(weights)
    with figures.style():
        if wide:
            figure, axes = figures.canvas(2, 2, figures.DOUBLE, 4.2, sharex=True)
        else:
            figure, axes = figures.canvas(4, 1, figures.COLUMN, 6.2, sharex=True)
        for ax, panel in zip(axes.flat, panels, strict=True):
            looks = figures.place_looks([series.name for series in panel.series])
            for i, (series, look) in enumerate(zip(panel.series, looks, strict=True)):
                shift = (i - (len(panel.series) - 1) / 2) * 0.035 * position.span
                _curve(ax, series, look, position, shift)
            ax.set_ylabel(panel.title)
            figures.reference(ax, y=panel.chance)
            figures.reference(ax, y=panel.nothing, dotted=True)
            position.apply(ax, "")
        for ax in axes[-1]:
            ax.set_xlabel("Alignment weight λ")
        figures.letter(axes.flat)
        notes = CAPTION + marks_of(panels)
        text = f"{caption}. {notes}." if caption else f"{notes}."
        figures.finish(figure, title=title, legend=figures.named(axes.flat), caption=text)
    return figure


def _curve(ax: Axes, series: Series, look: figures.Look, position: BrokenLogAxis, shift: float) -> None:
    """One series, moved a little so that several can be told apart; where λ > 0, its estimates are joined."""
    if not series.points:
        return
    at = np.array([position(value) + shift for value, _ in series.points])
    for x, (value, point) in zip(at, series.points, strict=True):
        figures.trainings(ax, x, point.trainings, look["color"])
        if value == 0:
            figures.band(ax, point.interval, look["color"])
    figures.whiskers(ax, at, [point.interval for _, point in series.points], label=series.name, **look)
    hollow = look | {"markerfacecolor": "white", "linestyle": "none", "zorder": 3}
    for x, (_, point) in zip(at, series.points, strict=True):
        if not point.best:
            ax.plot([x], [point.interval.value], **hollow)
        if point.clear:
            above = offset_copy(ax.transData, ax.figure, y=4, units="points")
            top = max([point.interval.high, *point.trainings])  # no ring lies on it
            ax.plot([x], [top], transform=above, **STAR, color=look["color"])
    rising = [k for k, (value, _) in enumerate(series.points) if value > 0]
    heights = [series.points[k][1].interval.value for k in rising]
    ax.plot(at[rising], heights, color=look["color"], linewidth=0.9)
