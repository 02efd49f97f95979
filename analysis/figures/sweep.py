"""Figures of a sweep: metrics against the weight of the alignment, and named arms side by side."""

import os
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

from align.analysis.figures import style as figures
from align.analysis.figures.style import BrokenLogAxis
from align.analysis.reports.sweep import Arm, Sweep
from align.analysis.reports.sweep.metric import CHANCE, TITLES, Metric
from align.errors import InputError

WORLD_COLOUR = {"sim": figures.BLUE, "real": figures.VERMILION, "gym-pusht": figures.PURPLE}
SITE_COLOUR = {"image": figures.GREEN, "observation": figures.ORANGE, "denoiser": figures.BLACK}
MARKER = dict(zip((*WORLD_COLOUR, *SITE_COLOUR), ("s", "o", "P", "^", "D", "v"), strict=True))


def figure_lambda(
    sweep: Sweep,
    path: str | os.PathLike,
    axis: str = "lambda",
    where: Mapping[str, object] | None = None,
    success: str | None = None,
    wide: bool = False,
) -> None:
    """Score, success, probe AUC and MMD^2 against λ; λ = 0 is the reference, with its interval as a band.

    Large markers are means with 95 % intervals over training seeds and trials (score, success) or over
    training seeds and held-out episodes (AUC, MMD^2); small ones are single trainings.

    Args:
        sweep: The sweep.
        path: Where to, a `.png` or `.pdf`.
        axis: The axis that is λ; its values are non-negative.
        where: Values of the other axes.
        success: Which success rate; by default the first that the worlds define.
        wide: Both columns of a page, two panels a row, instead of one column with panels stacked.

    Raises:
        InputError: No such axis, or another axis still has several values.
    """
    if axis not in sweep.axes:
        raise InputError(f"axis={axis!r}: expected one of {sweep.axes}")
    arms = sweep.arms(where)
    for other in sweep.axes:
        values = sorted({str(arm.point[other]) for arm in arms})
        if other != axis and len(values) > 1:
            raise InputError(f"where={where}: axis {other!r} has the values {values}, expected one of them")
    position = BrokenLogAxis([arm.point[axis] for arm in arms])
    panels = [("rollout", sweep.worlds, "score"), ("rollout", sweep.worlds, success or sweep.success)]
    panels += [("probe", sweep.sites, "auc"), ("probe", sweep.sites, "mmd2")]
    with figures.style():
        if wide:
            figure, axes = figures.canvas(2, 2, figures.DOUBLE, 4.4, sharex=True)
        else:
            figure, axes = figures.canvas(4, 1, figures.COLUMN, 6.6, sharex=True)
        for ax, (kind, series, name) in zip(axes.flat, panels, strict=True):
            _against(ax, sweep, arms, axis, position, [Metric(kind, s, name) for s in series])
            ax.set_ylabel(TITLES.get(name, name))
            if name == "auc":
                ax.axhline(0.5, color=figures.BLACK, linewidth=0.7, linestyle=(0, (4, 3)))
            if name == "mmd2":
                ax.axhline(0, color=figures.BLACK, linewidth=0.7, linestyle=(0, (4, 3)))
        for ax in axes.flat:
            position.apply(ax, "")
        for ax in axes[-1]:
            ax.set_xlabel("Alignment weight λ")
        figures.letter(axes.flat)
        for ax in (axes.flat[0], axes.flat[2]):
            figures.legend_above(ax)
        figure.supxlabel(_caption(sweep, arms), fontsize=7, color=figures.GREY)
        figures.save(figure, path)


def figure_arms(
    sweep: Sweep,
    path: str | os.PathLike,
    reference: str | None = None,
    where: Mapping[str, object] | None = None,
    metrics: Sequence[str] | None = None,
) -> None:
    """Arms as dots with 95 % intervals, a panel a metric, and the paired difference to a reference arm.

    Args:
        sweep: The sweep; an arm is a combination of its axes other than the seed.
        path: Where to, a `.png` or `.pdf`.
        reference: Label of the arm to compare with; by default the grid's, or the first.
        where: Axes with the value to keep.
        metrics: Columns of `rollouts.csv`, by default score and success; the difference is of the first.

    Raises:
        InputError: No arm is called `reference`.
    """
    metrics = metrics or ("score", sweep.success)
    arms = sweep.arms(where)
    against, bases = sweep.references(arms, reference)
    rows = np.arange(len(arms))[::-1]  # the first arm on top
    height = 0.85 + 0.16 * max(2, len(sweep.worlds)) * len(arms)
    with figures.style():
        figure, axes = figures.canvas(1, len(metrics) + 1, figures.DOUBLE, height, sharey=True)
        for i, world in enumerate(sweep.worlds):
            look = {"color": _colour(world), "marker": MARKER.get(world, "o")}
            shift = (i - (len(sweep.worlds) - 1) / 2) * -0.7 / max(len(sweep.worlds), 2)
            for ax, name in zip(axes[0], metrics, strict=False):
                for y, arm in zip(rows + shift, arms, strict=True):
                    found = sweep.estimate(arm.runs, Metric("rollout", world, name))
                    if found:
                        _seeds(ax, found.runs, np.full(len(found.runs), y), look["color"])
                        figures.whiskers(ax, [y], [found.interval], horizontal=True, **look)
                ax.set_xlabel(TITLES.get(name, name))
            for y, arm, base in zip(rows + shift, arms, bases, strict=True):
                found = sweep.difference(arm.runs, base.runs, Metric("rollout", world, metrics[0]))
                if found and arm is not base:
                    figures.whiskers(axes[0, -1], [y], [found], horizontal=True, **look)
            axes[0, 0].plot([], [], linestyle="none", label=world, **look)
        for ax in axes[0, :-1]:  # from 0, and to no more than needed: success may be rare
            top = min(max(0.1, np.ceil(10 * ax.dataLim.x1) / 10), 1.0)
            ax.set_xlim(-0.03 * top, 1.03 * top)
        last = axes[0, -1]
        last.axvline(0, color=figures.BLACK, linewidth=0.7, linestyle=(0, (4, 3)))
        last.set_xlabel(f"{TITLES.get(metrics[0], metrics[0])} − {against}\n(paired)")
        axes[0, 0].set(yticks=rows, yticklabels=[arm.label for arm in arms], ylim=(-0.6, len(arms) - 0.4))
        figures.letter(axes[0])
        figures.legend_above(axes[0, 0])
        figure.supxlabel(_caption(sweep, arms), fontsize=7, color=figures.GREY)
        figures.save(figure, path)


def figure_discernibility(
    sweep: Sweep,
    path: str | os.PathLike,
    world: str,
    reference: str | None = None,
    metric: str = "score",
    statistics: Sequence[str] = ("auc", "mmd2"),
) -> None:
    """Success against how well sim and real can be told apart: an arm a point, a column a site.

    Whiskers are 95 % intervals on both axes, numbers are those of the legend; the band is the reference's,
    where all arms have one.

    Args:
        sweep: The sweep.
        path: Where to, a `.png` or `.pdf`.
        world: Where success is measured.
        reference: Label of the arm to compare with; by default the grid's, or the first.
        metric: Column of `rollouts.csv`.
        statistics: Statistics of the probes, a row each: where the AUC saturates, the MMD² does not.
    """
    arms = sweep.arms()
    bases = sweep.references(arms, reference)[1]
    base = bases[0] if all(b is bases[0] for b in bases) else None  # of several, no band
    with figures.style():
        height = 0.6 + 2.0 * len(statistics) + 0.16 * -(-len(arms) // 4)
        figure, axes = figures.canvas(len(statistics), len(sweep.sites), figures.DOUBLE, height, sharey=True)
        numbered = []
        for row, statistic in zip(axes, statistics, strict=True):
            for ax, site in zip(row, sweep.sites, strict=True):
                points = _success_against(
                    ax, sweep, arms, base, Metric("probe", site, statistic), Metric("rollout", world, metric)
                )
                ax.axvline(CHANCE[statistic], color=figures.BLACK, linewidth=0.7, linestyle=(0, (4, 3)))
                ax.set_xlabel(f"{TITLES[statistic]}, {site}")
                numbered.append((ax, points))
            row[0].set_ylabel(f"{TITLES.get(metric, metric)} in {world}")
        low, high = axes[0, 0].get_ylim()
        if high - low < 1e-6:  # no arm ever scored, say
            axes[0, 0].set_ylim(low - 0.05, high + 0.05)
        for ax, points in numbered:  # the panels share an axis, so not before all are drawn
            figures.number_points(ax, points)
        figures.letter(axes.flat)
        handles = {
            label: h for ax in axes[0] for h, label in zip(*ax.get_legend_handles_labels(), strict=True)
        }
        figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=4)
        figure.suptitle(_caption(sweep, arms), fontsize=7, color=figures.GREY, x=0.99, ha="right")
        figures.save(figure, path)


def _success_against(
    ax: Axes, sweep: Sweep, arms: Sequence[Arm], base: Arm | None, across: Metric, up: Metric
) -> dict[int, tuple[float, float]]:
    """One panel of `figure_discernibility`; its points by number."""
    points = {}
    for i, arm in enumerate(arms):
        x, y = sweep.estimate(arm.runs, across), sweep.estimate(arm.runs, up)
        if not (x and y):
            continue
        look = figures.look(i)
        look |= {"ecolor": (look["color"], 0.35), "elinewidth": 0.7, "capsize": 0}  # many arms lie close
        if arm is base:
            ax.axhspan(y.interval.low, y.interval.high, color=look["color"], alpha=0.1, linewidth=0)
        figures.whiskers(ax, [x.interval.value], [y.interval], **look, label=f"{i + 1} {arm.label}")
        figures.whiskers(ax, [y.interval.value], [x.interval], horizontal=True, **look)
        points[i + 1] = x.interval.value, y.interval.value
    return points


def _against(
    ax: Axes, sweep: Sweep, arms: Sequence[Arm], axis: str, position: BrokenLogAxis, metrics: Sequence[Metric]
) -> None:
    """One panel: each metric as a series over the axis, its value at zero as a band."""
    for i, metric in enumerate(metrics):
        found = [(arm.point[axis], sweep.estimate(arm.runs, metric)) for arm in arms]
        found = [(value, estimate) for value, estimate in found if estimate]
        if not found:
            continue
        name = metric.place
        look = {"color": _colour(name), "marker": MARKER.get(name, "o")}
        shift = (i - (len(metrics) - 1) / 2) * 0.035 * position.span
        at = np.array([position(value) + shift for value, _ in found])
        zero = [estimate.interval for value, estimate in found if value == 0]
        if zero:
            ax.axhspan(zero[0].low, zero[0].high, color=look["color"], alpha=0.1, linewidth=0)
            ax.axhline(zero[0].value, color=look["color"], linewidth=0.6, linestyle=(0, (1, 1.5)))
        for x, (_, estimate) in zip(at, found, strict=True):
            _seeds(ax, np.full(len(estimate.runs), x), estimate.runs, look["color"])
        figures.whiskers(ax, at, [estimate.interval for _, estimate in found], label=name, **look)
        rising = [k for k, (value, _) in enumerate(found) if value > 0]
        ax.plot(at[rising], [found[k][1].interval.value for k in rising], color=look["color"], linewidth=0.9)


def _seeds(ax: Axes, x: np.ndarray, y: np.ndarray, colour: str) -> None:
    ax.scatter(x, y, s=9, facecolors="white", edgecolors=colour, linewidths=0.6, alpha=0.9, zorder=1.9)


def _colour(name: str) -> str:
    return (WORLD_COLOUR | SITE_COLOUR).get(name, figures.SKY)


def _caption(sweep: Sweep, arms: Sequence[Arm]) -> str:
    """How many trainings and trials are behind the figure, and how many runs are not in it."""
    trainings = sorted({len(arm.runs) for arm in arms})
    span = f"{trainings[0]}" if len(trainings) == 1 else f"{trainings[0]}–{trainings[-1]}"
    trials = sweep.estimate(arms[0].runs, Metric("rollout", sweep.target, "score")) if sweep.worlds else None
    text = f"{span} training{'s' if span != '1' else ''}" + (f" × {trials.trials} trials" if trials else "")
    missing = len(sweep.incomplete)
    return text + (
        "; 95 % intervals" if not missing else f"; {missing} of {len(sweep.frame)} runs incomplete"
    )
