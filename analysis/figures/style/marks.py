"""What is drawn in panels: estimates with intervals, single trainings, bands, reference lines, clouds."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb

from align.analysis.figures.style.looks import BLACK, DOMAIN_COLOUR, Look
from align.analysis.statistics.intervals import Interval
from align.domain import Domain

DASHED, DOTTED = (0, (4, 3)), (0, (1, 2))
_REFERENCE = {"color": BLACK, "linewidth": 0.7, "linestyle": DASHED}


def reference(
    ax: Axes,
    *,
    x: float | None = None,
    y: float | None = None,
    colour: str = BLACK,
    label: str | None = None,
    dotted: bool = False,
) -> None:
    """A dashed line across the panel at `x`, or at `y`: chance, a boundary, what to compare with.

    Args:
        ax: Where.
        x, y: One of them.
        colour: That of the series whose line it is, black for all of them.
        label: Its name in the legend, if it has one.
        dotted: Dots for dashes: the line is an extrapolation.
    """
    look = _REFERENCE | {"color": colour, "label": label, "linestyle": DOTTED if dotted else DASHED}
    if x is not None:
        ax.axvline(x, **look)
    if y is not None:
        ax.axhline(y, **look)


def diagonal(ax: Axes, ends: Sequence[float] = (0, 1)) -> None:
    """A dashed line where x is y, between `ends`."""
    ax.plot(ends, ends, **_REFERENCE)


def band(ax: Axes, interval: Interval, colour: str) -> None:
    """What else is compared with, across the panel: its interval as a band, its estimate as a dotted line.

    Bands are opaque and have lines at both ends, so that where two overlap neither turns grey.
    """
    pale = [0.12 * c + 0.88 for c in to_rgb(colour)]
    ax.axhspan(interval.low, interval.high, color=pale, linewidth=0, zorder=0.1)
    for end in interval[1:]:
        ax.axhline(end, color=colour, linewidth=0.4, alpha=0.5, zorder=0.9)
    ax.axhline(interval.value, color=colour, linewidth=0.6, linestyle=(0, (1, 1.5)))


def trainings(ax: Axes, at: float, values: Sequence[float], colour: str, horizontal: bool = False) -> None:
    """Single trainings as small hollow dots at one position of the other axis; one alone is the estimate."""
    if len(values) < 2:
        return
    points = (values, np.full(len(values), at)) if horizontal else (np.full(len(values), at), values)
    ax.scatter(*points, s=9, facecolors="white", edgecolors=colour, linewidths=0.6, alpha=0.9, zorder=1.9)


def cloud(ax: Axes, xy: np.ndarray, domain: np.ndarray) -> None:
    """Windows as small dots at `xy` (N, 2), coloured by `domain` (N,); there are no units to read."""
    colours = np.array([DOMAIN_COLOUR[Domain(d)] for d in domain])
    order = np.random.default_rng(0).permutation(len(xy))  # neither domain hides the other
    ax.scatter(*xy[order].T, s=3, c=colours[order], alpha=0.55, linewidths=0, rasterized=True)
    ax.set(xticks=(), yticks=())


def crossed(ax: Axes, x: Interval, y: Interval, label: str, look: Look) -> None:
    """An estimate with its intervals along both axes, which are thin, so as not to hide its marker."""
    look = look | {"ecolor": (look["color"], 0.5), "elinewidth": 0.7, "capsize": 0, "markersize": 5}
    whiskers(ax, [x.value], [y], **look, label=label)
    whiskers(ax, [y.value], [x], horizontal=True, **look)


def whiskers(
    ax: Axes, at: Sequence[float], intervals: Sequence[Interval], horizontal: bool = False, **look
) -> None:
    """Draw estimates with their intervals.

    Args:
        ax: Where.
        at: Position of each on the other axis.
        intervals: The estimates. An end that is not finite is not drawn.
        horizontal: Estimates run along x.
        **look: Passed to `Axes.errorbar`.
    """
    value, low, high = np.asarray(intervals, float).reshape(-1, 3).T
    error = np.nan_to_num(np.maximum([value - low, high - value], 0))
    look = {"linestyle": "none", "capsize": 1.8, "elinewidth": 1.0, "markeredgewidth": 0.6} | look
    if horizontal:
        ax.errorbar(value, at, xerr=error, **look)
    else:
        ax.errorbar(at, value, yerr=error, **look)
