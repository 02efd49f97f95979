"""The look of every figure: widths of a two-column paper, a colour-blind-safe palette, 300 dpi.

Figures are drawn without pyplot, so no state is shared and no display is needed.
"""

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from align.analysis.statistics.intervals import Interval
from align.domain import Domain
from align.files import atomic_path

COLUMN, DOUBLE = 3.4, 7.0  # inches: one column, both columns
DPI = 300
ROUNDS = 500  # after which numbers that still overlap stay so
NUMBER = 0.06, 0.06  # what a number beside a point takes, in units of the axes

# Okabe and Ito's palette, in an order that also differs in lightness.
BLUE, ORANGE, GREEN, VERMILION, SKY, PURPLE, YELLOW, BLACK = (
    "#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7", "#F0E442", "#000000",
)  # fmt: skip
GREY = "#7F7F7F"
CYCLE = (BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY, BLACK)
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
DOMAIN_COLOUR = {Domain.SIM: BLUE, Domain.REAL: VERMILION}


def look(i: int) -> dict[str, str]:
    """Colour and marker of arm number `i` of a sweep, or of another series; of 49 no two are alike."""
    n = len(MARKERS)
    return {"color": CYCLE[(i + i // n) % len(CYCLE)], "marker": MARKERS[i % n]}


_PLACES = {
    "sim": (BLUE, "s"), "real": (VERMILION, "o"), "gym-pusht": (PURPLE, "P"),
    "image": (GREEN, "^"), "observation": (ORANGE, "D"), "denoiser": (BLACK, "v"),
}  # fmt: skip


def place_look(name: str, i: int = 5) -> dict[str, str]:
    """Colour and marker of a world or a site, the same in every figure; of another those of number `i`."""
    return dict(zip(("color", "marker"), _PLACES.get(name, tuple(look(i).values())), strict=True))


_STYLE = {
    "font.size": 8, "axes.titlesize": 8, "axes.labelsize": 8, "xtick.labelsize": 7, "ytick.labelsize": 7,
    "legend.fontsize": 7, "legend.frameon": False, "legend.handlelength": 1.4, "legend.borderaxespad": 0.3,
    "axes.spines.top": False, "axes.spines.right": False, "axes.linewidth": 0.6, "axes.axisbelow": True,
    "xtick.major.width": 0.6, "ytick.major.width": 0.6, "xtick.major.size": 2.5, "ytick.major.size": 2.5,
    "lines.linewidth": 1.2, "lines.markersize": 4, "axes.grid": True, "grid.color": "#E6E6E6",
    "grid.linewidth": 0.5, "savefig.dpi": DPI, "figure.constrained_layout.use": True,
    "axes.prop_cycle": mpl.cycler(color=CYCLE), "mathtext.default": "regular",
}  # fmt: skip

DASHED, DOTTED = (0, (4, 3)), (0, (1, 2))
_REFERENCE = {"color": BLACK, "linewidth": 0.7, "linestyle": DASHED}


@contextlib.contextmanager
def style() -> Iterator[None]:
    """The project's style, for figures made inside the `with`."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)
        yield


def canvas(rows: int, columns: int, width: float, height: float, **subplots) -> tuple[Figure, np.ndarray]:
    """A figure of `width` x `height` inches and its axes (rows, columns); keywords as `Figure.subplots`."""
    figure = Figure(figsize=(width, height))
    return figure, figure.subplots(rows, columns, squeeze=False, **subplots)


def save(figure: Figure, path: str | os.PathLike) -> None:
    """Write a figure in the project's style, atomically; the format is that of the suffix."""
    with style(), atomic_path(path) as target:  # some of the style is looked up only when it is drawn
        figure.savefig(target)


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
    """What else is compared with, across the panel: its interval as a band, its estimate as a dotted line."""
    ax.axhspan(interval.low, interval.high, color=colour, alpha=0.1, linewidth=0)
    ax.axhline(interval.value, color=colour, linewidth=0.6, linestyle=(0, (1, 1.5)))


def trainings(ax: Axes, at: float, values: Sequence[float], colour: str, horizontal: bool = False) -> None:
    """Single trainings as small hollow dots at one position of the other axis."""
    points = (values, np.full(len(values), at)) if horizontal else (np.full(len(values), at), values)
    ax.scatter(*points, s=9, facecolors="white", edgecolors=colour, linewidths=0.6, alpha=0.9, zorder=1.9)


def cloud(ax: Axes, xy: np.ndarray, domain: np.ndarray) -> None:
    """Windows as small dots at `xy` (N, 2), coloured by `domain` (N,); there are no units to read."""
    colours = np.array([DOMAIN_COLOUR[Domain(d)] for d in domain])
    order = np.random.default_rng(0).permutation(len(xy))  # neither domain hides the other
    ax.scatter(*xy[order].T, s=3, c=colours[order], alpha=0.55, linewidths=0, rasterized=True)
    ax.set(xticks=(), yticks=())


def letter(axes: Sequence[Axes]) -> None:
    """Number panels a, b, c, ... in front of their titles."""
    for i, ax in enumerate(axes):
        title = ax.get_title(loc="left")
        ax.set_title(f"({chr(97 + i)}) {title}".rstrip(), loc="left")


def legend_above(ax: Axes, columns: int | None = None) -> None:
    """A legend at the right above the panel, in one row by default; none where nothing is named."""
    handles, labels = ax.get_legend_handles_labels()
    if handles:
        ax.legend(
            handles, labels, loc="lower right", bbox_to_anchor=(1.0, 0.99), ncols=columns or len(labels),
            columnspacing=0.8, handletextpad=0.3,
        )  # fmt: skip


def number_points(ax: Axes, points: Mapping[int, tuple[float, float]]) -> None:
    """Write its number beside each point of linear axes, moved up or down where numbers would overlap.

    Args:
        ax: With all its data; keeps its limits.
        points: (x, y) by number.
    """
    if not points:
        return
    ax.set(xlim=ax.get_xlim(), ylim=ax.get_ylim())
    at = ax.transLimits.transform(list(points.values()))  # in units of the axes
    left = at[:, 0] > 0.8
    x = at[:, 0] + np.where(left, -0.09, 0.09)
    y = spread(x, at[:, 1], *NUMBER)
    for i, (number, point) in enumerate(points.items()):
        ax.annotate(
            str(number), point, (x[i], y[i]), textcoords=ax.transAxes, fontsize=5.5, zorder=4, va="center",
            ha="right" if left[i] else "left", annotation_clip=False,
            arrowprops={"arrowstyle": "-", "linewidth": 0.3, "color": GREY, "shrinkA": 0, "shrinkB": 2},
        )  # fmt: skip


def spread(x: np.ndarray, y: np.ndarray, width: float, height: float) -> np.ndarray:
    """Heights (n,) of boxes of one size, moved from `y` as little as it takes until none overlap.

    Args:
        x: (n,) where they are; stays.
        y: (n,) where they should be.
        width, height: Of a box.
    """
    order = np.argsort(y, kind="stable")
    x, y = x[order], y[order].astype(float)
    beside = np.triu(np.abs(x[:, None] - x) < width, 1)
    for _ in range(ROUNDS):
        overlap = np.where(beside, height - (y - y[:, None]), 0).clip(min=0)  # [i, j]: j is above i
        if not (overlap > 1e-6).any():
            break
        y = y + (overlap.sum(0) - overlap.sum(1)) / (2 * max(1, (overlap > 0).sum(0).max()))
    return y[np.argsort(order)]


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


class BrokenLogAxis:
    """Positions of non-negative values on a log axis, with zero at the left of a break.

    Args:
        values: The values to be shown. Positive ones sit at their log10.
    """

    def __init__(self, values: Sequence[float]):
        self.values = sorted(set(map(float, values)))
        positive = np.log10([v for v in self.values if v > 0])
        self.span = max(float(np.ptp(positive)), 1.0) if len(positive) else 1.0
        self.gap = 0.22 * self.span
        self.zero = (float(positive.min()) if len(positive) else 0.0) - self.gap

    def __call__(self, value: float) -> float:
        """The position of `value` along the axis."""
        return float(np.log10(value)) if value > 0 else self.zero

    def apply(self, ax: Axes, label: str) -> None:
        """Set ticks, limits and label of the x axis, and draw the break behind zero."""
        shown = self.ticks()
        ax.set_xticks([self(v) for v in shown], [_tick(v) for v in shown])
        ax.set_xlim(self.zero - 0.09 * self.span, self(self.values[-1]) + 0.09 * self.span)
        ax.set_xlabel(label)
        if self.values[0] == 0 and len(self.values) > 1:
            low, high = ax.get_xlim()
            middle = (self.zero + 0.5 * self.gap - low) / (high - low)
            for shift in (-0.008, 0.008):
                ax.plot(
                    [middle + shift - 0.008, middle + shift + 0.008], [-0.02, 0.02],
                    transform=ax.transAxes, color=BLACK, linewidth=0.7, clip_on=False,
                )  # fmt: skip

    def ticks(self) -> list[float]:
        """Every value if their labels fit, else zero and the powers of ten among them."""
        near = np.diff([self(v) for v in self.values]) < 0.13 * (self.span + self.gap)
        if not near.any():
            return self.values
        powers = [v for v in self.values if v == 0 or float(np.log10(v)).is_integer()]
        return powers if len(powers) > 2 else [self.values[0], self.values[1], self.values[-1]]


def _tick(value: float) -> str:
    if value == 0:
        return "0"
    exponent = np.log10(value)
    if float(exponent).is_integer() and not -4 < exponent < 4:
        return f"$10^{{{int(exponent)}}}$"
    return f"{value:g}"
