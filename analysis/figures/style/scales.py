"""Axes for values that a linear one would squeeze."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator
from numpy.typing import ArrayLike
from scipy.special import ndtr, ndtri

from align.analysis.figures.style.looks import BLACK
from align.analysis.statistics.intervals import Interval

EDGE = 0.999  # an AUC beyond is drawn here: it is that of every pair told apart, but for the sample's size
OUTER = 0.9999  # where an axis of AUCs ends: markers at the edge have room
AUCS = (0.001, 0.01, 0.05, 0.2, 0.5, 0.8, 0.95, 0.99, 0.999)
LETTER = 0.034  # width of one, as a share of the narrowest panel

Scale = Literal["linear", "auc", "root"]
"""Of an axis of what tells sim from real: at equal steps, of d' for AUCs, of the square root for an MMD²."""


def scaled_axis(ax: Axes, scale: Scale) -> None:
    """Make the x axis one of this scale, for what has been drawn."""
    if scale == "auc":
        auc_axis(ax)
    elif scale == "root":
        root_axis(ax)


def auc_axis(ax: Axes) -> None:
    """Make the x axis one of AUCs at equal steps of d' = √2 Φ⁻¹(AUC), so that those near 1 can be told apart.

    AUCs beyond `EDGE`, and below 1 − `EDGE`, should be drawn there: `at_edge`.
    """
    ax.set_xscale("function", functions=(_probit, ndtr))
    low, high = np.clip(ax.dataLim.intervalx, 1 - EDGE, EDGE)
    low, high = min(low, 0.45), max(high, 0.9)
    pad = 0.06 * (_probit(high) - _probit(low))
    ax.set_xlim(ndtr(_probit(low) - pad), ndtr(_probit(high) + pad))
    shown = [auc for auc in AUCS if low <= auc <= high + 1e-9]
    texts = [f"{auc:g}" for auc in shown]
    if high >= EDGE:
        texts[-1] = f"≥ {EDGE:g}"
    if low <= 1 - EDGE:
        texts[0] = f"≤ {1 - EDGE:.3g}"
    room = np.diff(_probit(np.array(ax.get_xlim()))).item()
    fit = _apart(_probit(np.array(shown)) / room, texts, first=shown.index(0.5))
    _ticks(ax, [shown[i] for i in fit], [texts[i] for i in fit])


def at_edge(interval: Interval) -> Interval:
    """Where an axis of AUCs shows it: no end beyond the edge."""
    return Interval(*map(float, to_edge(interval)))


def to_edge(auc: ArrayLike) -> np.ndarray:
    """AUCs where an axis of them shows them."""
    return np.clip(auc, 1 - EDGE, EDGE)


def _probit(auc: np.ndarray) -> np.ndarray:
    return ndtri(np.clip(auc, 1 - OUTER, OUTER))


def root_axis(ax: Axes) -> None:
    """Make the x axis one at equal steps of the signed square root: of an MMD² the MMD, for small ones."""
    ax.set_xscale("function", functions=(_root, _square))
    low, high = _root(np.asarray(ax.dataLim.intervalx))
    low, high = min(low, 0.0), max(high, 0.02)
    pad = 0.06 * (high - low)
    ax.set_xlim(_square(low - pad), _square(high + pad))
    step = next(s for s in (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, np.inf) if s >= (high - low) / 5)
    steps = np.arange(np.ceil(low / step), np.floor(high / step) + 1) * step if np.isfinite(step) else [0.0]
    shown = [float(_square(s)) for s in steps]
    _ticks(ax, shown, [f"{x:.3g}".replace("-", "−") if x else "0" for x in shown])


def _root(x: np.ndarray) -> np.ndarray:
    return np.sign(x) * np.sqrt(np.abs(x))


def _square(x: np.ndarray) -> np.ndarray:
    return np.sign(x) * np.square(x)


def _apart(at: Sequence[float], texts: Sequence[str], first: int) -> list[int]:
    """Numbers of the texts that can stand beside each other: the outermost, one more, then what else fits.

    Args:
        at: Their middles, as shares of the panel's width.
        texts: What they say.
        first: The one more.
    """
    outwards = sorted(range(len(at)), key=lambda i: -abs(at[i] - at[first]))
    kept: list[int] = []
    for i in dict.fromkeys((0, len(at) - 1, first, *outwards)):
        if all(abs(at[i] - at[j]) >= LETTER * (len(texts[i] + texts[j]) / 2 + 0.6) for j in kept):
            kept.append(i)
    return sorted(kept)


def _ticks(ax: Axes, at: Sequence[float], texts: Sequence[str]) -> None:
    ax.xaxis.set_major_locator(FixedLocator(at))
    ax.xaxis.set_major_formatter(FixedFormatter(texts))
    ax.xaxis.set_minor_locator(NullLocator())


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
