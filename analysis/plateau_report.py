"""Table and figures of a sweep over both data sizes: plateaus, the real data that equals them, power laws."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter

from align.errors import InputError
from analysis import figures
from analysis.figures import BrokenLogAxis
from analysis.intervals import Interval
from analysis.plateau import (
    Cells,
    Saturation,
    equivalent,
    fit_plateau,
    isotonic,
    outcome,
    pool,
    student_quantile,
    verdict,
)
from analysis.power_law import PowerLaw, fit_power_law
from analysis.sweep import Sweep
from analysis.sweep_figures import NAMES
from analysis.tables import write_tables

AXES = ("sim", "real")  # numbers of demonstrations; sim = 0 is real data alone
ERRORS = ("val_action_mse_real", "val_loss_real")
ERROR_NAMES = dict(zip(ERRORS, ("Action MSE", "Denoising loss"), strict=True))


class Curve(NamedTuple):
    """What |D_sim| does at one |D_real|; the fit is None where there are fewer than three sizes."""

    real: int
    sizes: np.ndarray  # (C,) |D_sim|, 0 first where real data alone was trained
    runs: list[np.ndarray]  # by size, the outcome of each run
    cells: Cells
    fit: Saturation | None
    luck: float  # standard deviation that the choice of trials gives all outcomes alike

    @property
    def plateau(self) -> Interval | None:
        """The plateau in any trials, not in these alone."""
        return None if self.fit is None else widened(self.fit.plateau, self.luck)


class Alone(NamedTuple):
    """Real data alone."""

    sizes: np.ndarray
    runs: list[np.ndarray]
    cells: Cells


def applies(sweep: Sweep) -> bool:
    """Whether the sweep is over both data sizes, with policies evaluated in the real world."""
    return (
        set(AXES) <= set(sweep.axes)
        and sweep.frame[list(AXES)].nunique().prod() > 1
        and "alpha" not in sweep.axes
        and bool(sweep.worlds)
    )


def report_plateau(sweep: Sweep) -> list[Path]:
    """Write `plateau.csv`, `plateau.md`, and a figure for score and for success; returns what was written."""
    world = "real" if "real" in sweep.worlds else sweep.worlds[0]
    laws = {name: law for name in ERRORS if (law := power_law(sweep, name)) is not None}
    rows, written = [], []
    for metric in dict.fromkeys(("score", sweep.success)):
        curves, alone = read(sweep, f"rollout/{world}/{metric}")
        rows += [{"measure": metric, **row(curve, alone)} for curve in curves]
        written.append(sweep.path / f"plateau_{metric}.png")
        figure_plateau(sweep, written[-1], f"{NAMES.get(metric, metric)} in {world}", curves, alone, laws)
    notes = [
        "Estimate [95 % interval]. Plateau: what a saturating curve tends to, over any trials; half: |D_sim| "
        "that makes half of the rise, ≤ or ≥ at the ends of what the fit tries. Equivalent: real data that "
        "alone reaches the plateau, over |D_real|; the same of the largest |D_sim| tested needs no curve. "
        "Flat: no change with |D_sim| is distinguishable. Rising: half of the change or more may lie beyond "
        "the sizes tested.",
        *(law_note(name, law) for name, law in laws.items()),
    ]
    in_words = ("equivalent ratio", "ratio at largest sim")
    return [*write_tables(sweep.path / "plateau", rows, notes, csv_only=in_words), *written]


def read(sweep: Sweep, metric: str) -> tuple[list[Curve], Alone | None]:
    """Curves over |D_sim|, one a |D_real|, and that of real data alone; cells are pooled over all of them."""
    found = {}
    for arm in sweep.arms():
        estimate = sweep.estimate(arm.runs, metric)
        if estimate is not None:
            found[tuple(arm.point[axis] for axis in AXES)] = estimate
    if not found:
        raise InputError(f"{sweep.path}: no run has {metric} yet")
    keys = sorted(found)
    cells = pool([found[key].runs for key in keys], max(e.trials for e in found.values()))
    luck = shared_luck(sweep.outcomes(list(sweep.frame["run"]), metric))
    curves = []
    for real in sorted({real for sim, real in keys if sim > 0}):
        at = [i for i, key in enumerate(keys) if key[1] == real]
        sizes = np.array([keys[i][0] for i in at])
        fit = fit_plateau(sizes, cells.of(at)) if len(at) > 2 else None
        curves.append(Curve(int(real), sizes, [found[keys[i]].runs for i in at], cells.of(at), fit, luck))
    at = [i for i, (sim, _) in enumerate(keys) if sim == 0]
    sizes = np.array([keys[i][1] for i in at])
    alone = Alone(sizes, [found[keys[i]].runs for i in at], cells.of(at)) if len(at) > 1 else None
    return curves, alone


def shared_luck(outcomes: np.ndarray) -> float:
    """Standard deviation that drawing other trials would give the means of all runs alike.

    The covariance between runs over their shared trials (runs, trials), by the number of trials.
    """
    runs, trials = outcomes.shape
    if runs < 2 or trials < 2:
        return 0.0
    total, own = outcomes.sum(0).var(ddof=1), outcomes.var(1, ddof=1).sum()
    return float(np.sqrt(max(total - own, 0) / (runs * (runs - 1)) / trials))


def widened(interval: Interval, luck: float) -> Interval:
    """The interval with a further, independent error of standard deviation `luck`, within [0, 1]."""
    more = student_quantile(np.inf, 0.95) * luck
    value, low, high = map(float, interval)
    return Interval(
        value, max(value - np.hypot(value - low, more), 0), min(value + np.hypot(high - value, more), 1)
    )


def row(curve: Curve, alone: Alone | None) -> dict[str, object]:
    """What the table says of one |D_real|."""
    largest = outcome(curve.cells, -1)
    found: dict[str, object] = {"real": curve.real, "largest sim": int(curve.sizes[-1])}
    if curve.fit is not None:
        fit = curve.fit
        found |= {"start": float(fit.start), "half": half_of(curve), "plateau": curve.plateau}
        found |= {"flat": "yes" if fit.flat else "no", "rising": "yes" if fit.rising else "no"}
        if alone is not None:
            ratio = ratio_of(fit.plateau, curve.real, alone)
            found |= {"equivalent ratio": ratio, "equivalent": words(ratio, curve.real, alone)}
    found["at largest sim"] = widened(largest, curve.luck)
    if alone is not None:
        ratio = ratio_of(largest, curve.real, alone)
        found |= {"ratio at largest sim": ratio, "equivalent at largest sim": words(ratio, curve.real, alone)}
    return found


def half_of(curve: Curve) -> float | str:
    """The size that makes half of the rise; at the ends of what the fit tries, it is known to be beyond."""
    half, positive = float(curve.fit.half), curve.sizes[curve.sizes > 0]
    if np.isclose(half, positive.min() / 10):
        return f"≤ {half:g}"
    return f"≥ {half:g}" if np.isclose(half, positive.max()) else half


def ratio_of(level: Interval, real: int, alone: Alone) -> Interval:
    """The equivalent of one level as an interval of plain numbers."""
    return Interval(*map(float, equivalent(level, real, alone.sizes, alone.cells)))


def words(ratio: Interval, real: int, alone: Alone) -> str:
    """The verdict on a ratio, given the largest size tested."""
    return verdict(ratio, alone.sizes[-1] / real)


def power_law(sweep: Sweep, error: str) -> PowerLaw | None:
    """The law of a validation error over the runs that had both kinds of data; None if there are too few."""
    column = f"summary/{error}"
    if column not in sweep.frame:
        return None
    frame = sweep.frame.dropna(subset=[column, *AXES])
    frame = frame[frame["sim"] > 0]
    try:
        return fit_power_law({axis: frame[axis].to_numpy(float) for axis in AXES}, frame[column].to_numpy())
    except InputError:  # a sweep in progress, or too small for this: there is no law to report
        return None


def law_note(name: str, law: PowerLaw) -> str:
    """The law in a line."""
    factors = " · ".join(f"|D_{axis}|^−({e})" for axis, e in law.exponents.items())
    counts = f"{law.cells} cells, {law.runs} runs"
    return f"{ERROR_NAMES[name]} ≈ {law.constant:.3g} · {factors}, R² {law.r2:.3f}, {counts}."


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
            "bar: real data alone as good"
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
        ax.scatter(predicted[of], frame.loc[of, f"summary/{name}"], s=10, color=figures.CYCLE[i % 7],
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
