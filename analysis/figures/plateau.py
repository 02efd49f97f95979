"""Figure of a sweep over both data sizes: success, the real data that equals it, and the power law."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter

from align.analysis.figures import style as figures
from align.analysis.figures.style import BrokenLogAxis
from align.analysis.statistics.equivalent import equivalent, isotonic, verdict
from align.analysis.statistics.intervals import Interval
from align.analysis.statistics.plateau import Cells, Saturation, outcome, widened
from align.analysis.statistics.power_law import PowerLaw


@dataclass(frozen=True)
class Curve:
    """What |D_sim| does at one |D_real|.

    Attributes:
        real: |D_real|.
        sizes: (C,) |D_sim|, 0 first where real data alone was trained.
        runs: By size, the outcome of each run.
        intervals: By size, the outcome in any trials, as other figures show it.
        cells: The same, pooled, in these trials.
        fit: None where there are fewer than three sizes.
        luck: Standard deviation that the choice of trials gives all outcomes alike.
    """

    real: int
    sizes: np.ndarray
    runs: Sequence[np.ndarray]
    intervals: Sequence[Interval]
    cells: Cells
    fit: Saturation | None
    luck: float

    @property
    def plateau(self) -> Interval | None:
        """The plateau in any trials, not in these alone."""
        return None if self.fit is None else widened(self.fit.plateau, self.luck)

    @property
    def level(self) -> Interval:
        """What is compared with real data alone, in these trials: the plateau, or most sim data."""
        return outcome(self.cells, -1) if self.fit is None else self.fit.plateau

    @property
    def rising(self) -> bool:
        """Whether the level is extrapolated."""
        return self.fit is not None and self.fit.rising


@dataclass(frozen=True)
class Alone:
    """Real data alone: its sizes (C,), at least two, and by size what `Curve` has."""

    sizes: np.ndarray
    runs: Sequence[np.ndarray]
    intervals: Sequence[Interval]
    cells: Cells

    def ratio(self, level: Interval, real: int) -> Interval:
        """The real data that reaches a level alone, over the `real` that it was reached with."""
        return Interval(*map(float, equivalent(level, real, self.sizes, self.cells)))

    def words(self, ratio: Interval, real: int) -> str:
        """What such a ratio says, given the largest size tested."""
        return verdict(ratio, self.sizes[-1] / real)


@dataclass(frozen=True)
class Law:
    """A power law of an error, and the sizes (n,) of the runs that it was fitted to, "sim" and "real".

    `unit` says what the error is measured in.
    """

    title: str
    fit: PowerLaw
    sizes: Mapping[str, np.ndarray]
    unit: str = ""


def figure_plateau(
    curves: Sequence[Curve],
    alone: Alone | None,
    law: Law | None,
    label: str,
    caption: str,
    title: str = "",
    nothing: float | None = None,
) -> Figure:
    """Success against |D_sim|, against |D_real| of real data alone, and the power law of the error.

    The legend says of each |D_real| what real data alone its plateau is worth, or its largest |D_sim|. Each
    |D_real| has one colour.

    Args:
        curves: One a |D_real|.
        alone: Real data alone; None where fewer than two sizes were trained.
        law: None where there are too few sizes for one; it has no panel then.
        label: What success is, for the y axes.
        caption: Below the figure, before what its marks mean.
        title: Above the figure.
        nothing: Success of a policy that does nothing, if that is known.
    """
    reals = sorted({*(c.real for c in curves), *([] if law is None else law.sizes["real"])})
    looks = {real: figures.look(i) for i, real in enumerate(reals)}
    with figures.style():
        figure, axes = figures.canvas(1, 2 if law is None else 3, figures.DOUBLE, 2.3)
        _over_sim(axes[0, 0], curves, looks, label)
        _over_real(axes[0, 1], curves, looks, alone)
        top = max(ax.get_ylim()[1] for ax in axes[0, :2])
        for ax in axes[0, :2]:  # one scale, whatever each shows
            ax.set_ylim(0, top)
        if law is not None:
            _law(axes[0, 2], law, looks)
        figures.letter(axes.flat)
        for ax in axes[0, :2]:
            figures.reference(ax, y=nothing, dotted=True)
        handles = figures.named([axes[0, 0]])
        legend = {worth(curve, alone): handle for curve, handle in zip(curves, handles.values(), strict=True)}
        caption = _caption(caption, curves, alone, law) + (
            "" if nothing is None else " Dotted, black: doing nothing."
        )
        figures.finish(figure, title=title, legend=legend, caption=caption)
    return figure


def _caption(behind: str, curves: Sequence[Curve], alone: Alone | None, law: Law | None) -> str:
    text = f"{behind}. " if behind else ""
    text += "Whiskers: 95 % intervals, from the noise of all cells together; hollow: "
    text += "single trainings. "
    fitted = [curve.fit is not None for curve in curves]
    if any(fitted):
        text += (
            "(a) lines: saturating fits; at the right the plateau with its interval, the line across dotted "
            "where it is extrapolated. "
        )
    if alone is not None:
        most = "co-training with the most sim data"
        level = "the plateau" if any(fitted) else most
        if any(fitted) and not all(fitted):
            level += f", or as {most} where nothing was fitted"
        text += (
            "(b) black: real data alone, and the line nearest to it that never falls; ▲: the real data that "
            "sim was added to; bar and ◆: the real data alone that is as good as "
            f"{level}, < or > where that is beyond what was tested. "
        )
    if law is not None:
        exponents = ", ".join(
            f"of {axis} {-e.value:+.2f} [{-e.high:+.2f}, {-e.low:+.2f}]"
            for axis, e in law.fit.exponents.items()
        ).replace("-", "−")
        text += "(c) each seed has a factor of its own; dashed: as predicted; exponent "
        text += f"{exponents}, R² {law.fit.r2:.2f}. "
        text += f"{law.title}: {law.unit}. " if law.unit else ""
    return text.strip()


def worth(curve: Curve, alone: Alone | None) -> str:
    """What the legend says of one |D_real|: the real data alone that is worth as much."""
    if alone is None:
        return f"{curve.real} real"
    fitted = "plateau" + (" (extrapolated)" if curve.rising else "")
    name = f"with {curve.sizes[-1]:g} sim" if curve.fit is None else fitted
    flat = "; no change with sim" if curve.fit is not None and curve.fit.flat else ""
    found = alone.words(alone.ratio(curve.level, curve.real), curve.real)
    return f"{curve.real} real, {name}: {found}" + (" real data alone" if "×" in found[:6] else "") + flat


def _over_sim(ax: Axes, curves: Sequence[Curve], looks: Mapping[int, dict], label: str) -> None:
    position = BrokenLogAxis([n for curve in curves for n in curve.sizes] or [1])
    for curve in curves:
        look = looks[curve.real]
        at = [position(n) for n in curve.sizes]
        for x, values in zip(at, curve.runs, strict=True):
            figures.trainings(ax, x, values, look["color"])
        figures.whiskers(ax, at, curve.intervals, label=f"{curve.real} real", **look)
        if curve.fit is not None:
            n = np.geomspace(curve.sizes[curve.sizes > 0].min(), curve.sizes[-1], 100)
            ax.plot(np.log10(n), curve.fit(n), color=look["color"], linewidth=1.0)
            _level(ax, curve, look["color"])
    position.apply(ax, "Simulated demonstrations")
    ax.set_ylabel(label)
    edge = ax.get_xlim()[1]
    for i, curve in enumerate(curves):
        if curve.fit is not None:
            look = looks[curve.real] | {"marker": "_", "markersize": 6}
            figures.whiskers(ax, [edge + 0.06 * i * position.span], [curve.plateau], **look)
    ax.set_xlim(right=edge + 0.06 * len(curves) * position.span)


def _level(ax: Axes, curve: Curve, colour: str) -> None:
    """A line at what is compared, dotted where it is an extrapolation."""
    figures.reference(ax, y=float(curve.level.value), colour=colour, dotted=curve.rising)


def _over_real(ax: Axes, curves: Sequence[Curve], looks: Mapping[int, dict], alone: Alone | None) -> None:
    ax.set_xscale("log")
    ax.set_xlabel("Real demonstrations alone")
    if alone is None:
        return
    black = figures.BLACK
    for n, values in zip(alone.sizes, alone.runs, strict=True):
        figures.trainings(ax, n, values, black)
    figures.whiskers(ax, alone.sizes, alone.intervals, color=black, marker="o")
    ax.plot(alone.sizes, isotonic(alone.cells.mean, 1 / alone.cells.variance), color=black, linewidth=1.0)
    for curve in curves:
        colour, level = looks[curve.real]["color"], float(curve.level.value)
        ratio = alone.ratio(curve.level, curve.real)
        ends = np.clip(np.array(ratio) * curve.real, alone.sizes[0], alone.sizes[-1])
        _level(ax, curve, colour)
        ax.plot(ends[1:], [level, level], color=colour, linewidth=2.0, alpha=0.5)
        for end, reached, mark in ((ends[1], ratio.low > 0, "<"), (ends[2], np.isfinite(ratio.high), ">")):
            if not reached:
                ax.plot([end], [level], marker=mark, color=colour, markersize=4, clip_on=False)
        if 0 < ratio.value < np.inf:
            ax.plot([ends[0]] * 2, [0, level], color=colour, linewidth=0.8)
            ax.plot([ends[0]], [level], marker="D", color=colour, markersize=3.5)
        ax.plot([curve.real], [0.0], marker="^", color=colour, markersize=4, clip_on=False)
    ax.set_xticks(alone.sizes, [f"{n:g}" for n in alone.sizes])
    ax.minorticks_off()


def _law(ax: Axes, law: Law, looks: Mapping[int, dict]) -> None:
    """Measured against predicted error."""
    ax.set_xlabel("Predicted by the power law")
    predicted = law.fit(law.sizes)
    for real in np.unique(law.sizes["real"]):
        of = law.sizes["real"] == real
        ax.scatter(predicted[of], law.fit.errors[of], s=10, **looks[real])
    figures.diagonal(ax, (predicted.min(), predicted.max()))
    ax.set(xscale="log", yscale="log", ylabel=figures.wrap(f"{law.title}, held-out real", 8, 1.9))
    for axis, (low, high) in ((ax.xaxis, ax.get_xlim()), (ax.yaxis, ax.get_ylim())):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)) if high > 5 * low else MaxNLocator(4))
        axis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axis.set_minor_formatter(NullFormatter())
