"""Figure of a sweep over both data sizes: success, the real data that equals it, and the power law."""

from pathlib import Path

import numpy as np
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter

from align.analysis.figures import style as figures
from align.analysis.figures.style import BrokenLogAxis
from align.analysis.reports.plateau_curves import AXES, ERROR_NAMES, Alone, Curve, ratio_of, words
from align.analysis.reports.sweep import Sweep
from align.analysis.statistics.plateau import isotonic, outcome
from align.analysis.statistics.power_law import PowerLaw


def figure_plateau(
    sweep: Sweep, path: Path, label: str, curves: list[Curve], alone: Alone | None, laws: dict[str, PowerLaw]
) -> None:
    """Success against |D_sim|, against |D_real| of real data alone, and the power law of the error.

    The legend says of each |D_real| what real data alone its plateau is worth.
    """
    with figures.style():
        figure, axes = figures.canvas(1, 3, figures.DOUBLE, 2.9 + 0.15 * len(curves))
        _over_sim(axes[0, 0], curves, label)
        _over_real(axes[0, 1], curves, alone)
        top = max(ax.get_ylim()[1] for ax in axes[0, :2])
        for ax in axes[0, :2]:  # one scale, whatever each shows
            ax.set_ylim(0, top)
        _law(axes[0, 2], sweep, laws)
        figures.letter(axes.flat)
        note = (
            f"{len(sweep.frame)} runs; 95 % intervals, noise pooled over cells; hollow: single trainings\n"
            "(a) right: plateau with interval, dotted where extrapolated; (b) ▲: real data co-trained, "
            "bar: real data alone as good; (c) but for a factor of each seed"
        )
        figure.supxlabel(note, fontsize=6, color=figures.GREY)
        handles, labels = axes[0, 0].get_legend_handles_labels()
        labels = [worth(curve, alone) for curve in curves]
        figure.legend(handles, labels, loc="outside upper center", ncols=1)
        figures.save(figure, path)


def worth(curve: Curve, alone: Alone | None) -> str:
    """What the legend says of one |D_real|: the real data alone that is worth as much."""
    if alone is None:
        return f"{curve.real} real"
    level, name = (
        (outcome(curve.cells, -1), f"with {curve.sizes[-1]:g} sim")
        if curve.fit is None
        else (curve.fit.plateau, "plateau" + (" (extrapolated)" if curve.fit.rising else ""))
    )
    flat = "; no change with sim" if curve.fit is not None and curve.fit.flat else ""
    found = words(ratio_of(level, curve.real, alone), curve.real, alone)
    return f"{curve.real} real, {name}: {found}" + (" real data alone" if "×" in found[:6] else "") + flat


def _over_sim(ax, curves: list[Curve], label: str) -> None:
    position = BrokenLogAxis([n for curve in curves for n in curve.sizes] or [1])
    for i, curve in enumerate(curves):
        look = {"color": figures.CYCLE[i % 7], "marker": figures.MARKERS[i % 7]}
        at = [position(n) for n in curve.sizes]
        for x, values in zip(at, curve.runs, strict=True):
            ax.scatter(
                np.full(len(values), x), values, s=6, facecolors="white", edgecolors=look["color"], lw=0.5
            )
        intervals = [outcome(curve.cells, c) for c in range(len(at))]
        figures.whiskers(ax, at, intervals, label=f"{curve.real} real", **look)
        if curve.fit is not None:
            n = np.geomspace(curve.sizes[curve.sizes > 0].min(), curve.sizes[-1], 100)
            ax.plot(np.log10(n), curve.fit(n), color=look["color"], linewidth=1.0)
            ax.axhline(
                float(curve.plateau.value), color=look["color"], linewidth=0.7, linestyle=_dashes(curve)
            )
    position.apply(ax, "Simulated demonstrations")
    ax.set_ylabel(label)
    edge = ax.get_xlim()[1]
    for i, curve in enumerate(curves):
        if curve.fit is not None:
            look = {"color": figures.CYCLE[i % 7], "marker": "_", "markersize": 6}
            figures.whiskers(ax, [edge + 0.06 * i * position.span], [curve.plateau], **look)
    ax.set_xlim(right=edge + 0.06 * len(curves) * position.span)


def _dashes(curve: Curve) -> tuple:
    """Dotted where the plateau is an extrapolation."""
    return (0, (1, 2)) if curve.fit.rising else (0, (4, 3))


def _over_real(ax, curves: list[Curve], alone: Alone | None) -> None:
    ax.set_xscale("log")
    ax.set_xlabel("Real demonstrations alone")
    if alone is None:
        return
    grey = figures.BLACK
    for n, values in zip(alone.sizes, alone.runs, strict=True):
        ax.scatter(np.full(len(values), n), values, s=6, facecolors="white", edgecolors=grey, lw=0.5)
    figures.whiskers(ax, alone.sizes, [outcome(alone.cells, c) for c in range(len(alone.sizes))], color=grey,
                     marker="o")  # fmt: skip
    ax.plot(alone.sizes, isotonic(alone.cells.mean, 1 / alone.cells.variance), color=grey, linewidth=1.0)
    for i, curve in enumerate(curves):
        if curve.fit is None:
            continue
        colour, level = figures.CYCLE[i % 7], float(curve.fit.plateau.value)
        ratio = ratio_of(curve.fit.plateau, curve.real, alone)
        ends = np.clip(np.array(ratio) * curve.real, alone.sizes[0], alone.sizes[-1])
        ax.axhline(level, color=colour, linewidth=0.7, linestyle=_dashes(curve))
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


def _law(ax, sweep: Sweep, laws: dict[str, PowerLaw]) -> None:
    """Measured against predicted error, of the first law there is."""
    ax.set(xlabel="Predicted by the power law", ylabel="Validation error")
    if not laws:
        ax.text(0.5, 0.5, "too few sizes for a power law", transform=ax.transAxes, ha="center", fontsize=7)
        return
    name, law = next(iter(laws.items()))
    frame = sweep.frame.dropna(subset=f"summary/{name}")
    frame = frame[frame["sim"] > 0]
    predicted = law({axis: frame[axis].to_numpy(float) for axis in AXES})
    for i, real in enumerate(sorted(frame["real"].unique())):
        of = (frame["real"] == real).to_numpy()
        ax.scatter(predicted[of], law.errors[of], s=10, color=figures.CYCLE[i % 7],
                   marker=figures.MARKERS[i % 7])  # fmt: skip
    ends = [predicted.min(), predicted.max()]
    ax.plot(ends, ends, color=figures.BLACK, linewidth=0.7, linestyle=(0, (4, 3)))
    ax.set(xscale="log", yscale="log", ylabel=f"{ERROR_NAMES[name]}, held-out real")
    for axis, (low, high) in ((ax.xaxis, ax.get_xlim()), (ax.yaxis, ax.get_ylim())):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)) if high > 5 * low else MaxNLocator(4))
        axis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axis.set_minor_formatter(NullFormatter())
    exponents = "\n".join(
        f"exponent of {axis} {-e.value:+.2f} [{-e.high:+.2f}, {-e.low:+.2f}]"
        for axis, e in law.exponents.items()
    )
    ax.set_xlabel(f"Predicted by the power law\n{exponents}\nR² {law.r2:.2f}")
