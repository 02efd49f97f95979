"""Published figures and ours side by side, a row a comparison, with what would settle each claim."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FixedLocator, NullLocator, StrMethodFormatter

from align.analysis.figures import style as figures
from align.analysis.statistics.intervals import Interval
from align.analysis.statistics.verdict import CONFIRMED, REFUTED

LOOKS = {
    CONFIRMED: {"color": figures.GREEN, "marker": "o"},
    REFUTED: {"color": figures.VERMILION, "marker": "s"},
}
OPEN = {"color": figures.BLACK, "marker": "o", "markerfacecolor": "white"}
EARLIER = {"color": figures.GREY, "marker": "v", "markerfacecolor": "white"}
PUBLISHED = {"color": figures.PURPLE, "marker": "D", "markerfacecolor": "white"}
LABELS = 2.4  # inches, of the names of rows
LOGARITHMIC, EDGE = "Ratio", 20.0  # a unit on a logarithmic axis, and where what lies beyond is drawn
CAPTION = (
    "Whiskers: intervals that hold at once for all comparisons of a sweep and measure, thick by "
    "themselves; an end beyond what was tried is drawn at the edge. Dashed: no effect. Shaded: where the "
    "claim says that ours lies, which is confirmed of a row whose interval lies there; tick: the smallest "
    "effect that would matter. Published figures have no intervals; a line is a range."
)


@dataclass(frozen=True)
class Row:
    """A comparison.

    Args:
        claim: What the rows from here on are about, and the verdict on it; empty within a claim.
        name: What is compared.
        unit: What the axis shows; rows of one unit share a panel.
        null: The number that says "no effect".
        where: Between which numbers the claim says that it lies.
        margin: The smallest effect that would matter.
        published: A figure, an interval without width, or a range; None without any.
        ours: With the interval that decides.
        single: Its interval by itself.
        earlier: A number of an earlier regime, where there is no other.
        verdict: On this comparison.
        lone: Of these trainings alone.
    """

    claim: str
    name: str
    unit: str
    null: float
    where: tuple[float, float]
    margin: float
    published: Interval | None
    ours: Interval | None
    single: Interval | None
    earlier: float | None
    verdict: str
    lone: bool = False


def figure_claims(rows: Sequence[Row], title: str = "") -> Figure:
    """A forest plot of claims: a panel a unit, a block of rows a claim.

    Args:
        rows: The first on top.
        title: Above the figure.
    """
    units = list(dict.fromkeys(row.unit for row in rows))
    names, lines = [], []
    for row in rows:
        if row.claim:
            names.append((figures.wrap(row.claim, 7, LABELS, "bold"), None))
        names.append((figures.wrap(row.name + ("†" if row.lone else ""), 7, LABELS), row))
    for name, _ in names:
        lines.append(name.count("\n") + 1)
    heights = 0.12 * np.array(lines) + 0.08  # inches a row
    at = -(np.cumsum(heights) - heights / 2)
    with figures.style():
        figure, axes = figures.canvas(
            1,
            len(units),
            figures.DOUBLE,
            0.8 + float(heights.sum()),
            sharey=True,
            width_ratios=_widths(units),
        )
        panels = dict(zip(units, axes[0], strict=True))
        for y, (_, row) in zip(at, names, strict=True):
            if row is not None:
                _draw(panels[row.unit], y, row)
        for unit, ax in panels.items():
            _scale(ax, unit, [row for row in rows if row.unit == unit])
        first = axes[0, 0]
        first.set_yticks(at, [name for name, _ in names])
        first.set_ylim(-float(heights.sum()) - 0.05, 0.05)
        for label, (_, row) in zip(first.get_yticklabels(), names, strict=True):
            label.set_weight("normal" if row is not None else "bold")
        for ax in axes[0]:
            ax.tick_params(axis="y", length=0)
            ax.grid(axis="y", visible=False)
        for (_, row), edge in zip(names, at + heights / 2, strict=True):
            if row is None and edge < 0:
                for ax in axes[0]:
                    ax.axhline(edge, color=figures.GREY, linewidth=0.3)
        figures.letter(axes[0])
        figures.finish(figure, title=title, legend=_legend(first, rows), caption=CAPTION + _daggers(rows))
    return figure


def _widths(units: Sequence[str]) -> list[float]:
    return [1.6 if i == 0 else 1.0 for i in range(len(units))]


def _draw(ax: Axes, y: float, row: Row) -> None:
    """One comparison: published above, ours below."""
    low, high = np.clip(row.where, 1e-9 if row.unit == LOGARITHMIC else -1e9, 1e9)
    ax.add_artist(Rectangle((low, y - 0.085), high - low, 0.17, color=figures.GREY, alpha=0.15, linewidth=0))
    if row.margin not in row.where:
        ax.plot([row.margin] * 2, [y - 0.085, y - 0.035], color=figures.BLACK, linewidth=0.8)
    if row.published is not None:
        figures.whiskers(
            ax, [y + 0.045], [row.published], horizontal=True, **PUBLISHED, elinewidth=2.0, capsize=0
        )
    if row.ours is not None:
        look = LOOKS.get(row.verdict, OPEN)
        edged = [_edged(row, interval) for interval in (row.ours, row.single) if interval is not None]
        figures.whiskers(ax, [y - 0.02], edged[:1], horizontal=True, **look | {"elinewidth": 0.8})
        figures.whiskers(
            ax, [y - 0.02], edged[1:], horizontal=True, **look | {"elinewidth": 2.2, "capsize": 0}
        )
    elif row.earlier is not None:
        value = float(np.clip(row.earlier, 1 / EDGE, EDGE)) if row.unit == LOGARITHMIC else row.earlier
        figures.whiskers(ax, [y - 0.02], [Interval(value, value, value)], horizontal=True, **EARLIER)


def _edged(row: Row, interval: Interval) -> Interval:
    """Of a ratio, ends within the panel."""
    if row.unit != LOGARITHMIC:
        return interval
    return Interval(*(float(np.clip(x, 1 / EDGE, EDGE)) for x in interval))


def _scale(ax: Axes, unit: str, rows: Sequence[Row]) -> None:
    """The axis of a panel, and its line of no effect."""
    ax.set_xlabel(figures.wrap(unit, 8, 1.5))
    for null in sorted({row.null for row in rows}):
        figures.reference(ax, x=null)
    if unit == LOGARITHMIC:
        low, high = ax.dataLim.intervalx
        ax.set_xscale("log")
        low, high = min(low, 0.9) / 1.15, max(high, 1.1) * 1.15
        ax.set_xlim(low, high)
        fine, coarse = [0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20], [0.1, 0.3, 1, 3, 10]
        ticks = fine if high / low < 120 else coarse  # 12 points a tick, in a third of both columns
        ax.xaxis.set_major_locator(FixedLocator(ticks))
        ax.xaxis.set_minor_locator(NullLocator())
        ax.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))


def _legend(ax: Axes, rows: Sequence[Row]) -> dict:
    """What the markers mean, those that are there."""
    shown = {}
    if any(row.published is not None for row in rows):
        shown["published"] = PUBLISHED
    for verdict, look in LOOKS.items():
        if any(row.ours is not None and row.verdict == verdict for row in rows):
            shown[f"ours, {verdict}"] = look
    if any(row.ours is not None and row.verdict not in LOOKS for row in rows):
        shown["ours, undecided"] = OPEN
    if any(row.ours is None and row.earlier is not None for row in rows):
        shown["ours, earlier regime, no interval"] = EARLIER
    return {name: ax.plot([], [], linestyle="none", **look)[0] for name, look in shown.items()}


def _daggers(rows: Sequence[Row]) -> str:
    return " †: of these trainings alone." if any(row.lone for row in rows) else ""
