"""Table and figure of a sweep over the weight α of real data: the best α, and how sure that choice is."""

from pathlib import Path

import numpy as np

from align.analysis.figures import style as figures
from align.analysis.reports.sweep import Arm, Metric, Sweep
from align.analysis.reports.tables import write_tables
from align.analysis.statistics.selection import Selection, select

AXIS = "alpha"


def applies(sweep: Sweep) -> bool:
    """Whether the sweep is over α, with policies evaluated somewhere."""
    return AXIS in sweep.axes and sweep.frame[AXIS].nunique() > 1 and bool(sweep.worlds)


def report_alpha(sweep: Sweep, metric: str = "score") -> list[Path]:
    """Write `alpha.csv`, `alpha.md` and `alpha.png`; returns what was written."""
    groups = _groups(sweep, Metric("rollout", sweep.target, metric))
    rows = []
    for name, (arms, chosen) in groups.items():
        plausible = chosen.plausible()
        for i, arm in enumerate(arms):
            rows.append({
                "data": name, "α": str(arm.point[AXIS]), "weight": _weight(sweep, arm),
                "trainings": len(arm.runs), f"{metric}, selection trials": float(chosen.selection[i]),
                "chosen": "yes" if i == chosen.best else "", "best in": float(chosen.wins[i]),
                "plausible": "yes" if i in plausible else "", f"{metric}, test trials": chosen.test[i],
                "chosen − this, test trials": chosen.gain[i],
            })  # fmt: skip
    notes = [
        f"In {sweep.target}. The α that does best on the first half of the trials is chosen, and judged on "
        "the second half. Best in: share of resamples of trainings and selection trials in which this α is "
        "best; plausible: the fewest α that hold 95 % of them. With two trainings this understates the luck "
        "of training. Mean [95 % interval] over trainings and trials; differences on shared trials."
    ]
    written = write_tables(sweep.path / "alpha", rows, notes)
    written.append(sweep.path / "alpha.png")
    _figure(sweep, written[-1], groups, f"{metric.capitalize()} in {sweep.target}")
    return written


def _groups(sweep: Sweep, metric: Metric) -> dict[str, tuple[list[Arm], Selection]]:
    """By size of the data (all axes but α), the arms that were evaluated and what was chosen of them."""
    groups: dict[str, list[Arm]] = {}
    for arm in sweep.arms():
        if sweep.estimate(arm.runs, metric) is not None:
            name = ", ".join(f"{k}={v}" for k, v in arm.point.items() if k != AXIS) or "all"
            groups.setdefault(name, []).append(arm)
    return {
        name: (arms, select([sweep.outcomes(arm.runs, metric) for arm in arms]))
        for name, arms in groups.items()
        if len(arms) > 1
    }


def _weight(sweep: Sweep, arm: Arm) -> float:
    """The realised α: the natural one is a number too."""
    if "summary/alpha" in sweep.frame:
        return float(sweep.frame.loc[sweep.frame["run"].isin(arm.runs), "summary/alpha"].mean())
    return float(arm.point[AXIS])


def _figure(sweep: Sweep, path: Path, groups: dict[str, tuple[list[Arm], Selection]], label: str) -> None:
    with figures.style():
        figure, axes = figures.canvas(1, 2, figures.DOUBLE, 2.6)
        for i, (name, (arms, chosen)) in enumerate(groups.items()):
            look = {"color": figures.CYCLE[i % 7], "marker": figures.MARKERS[i % 7]}
            x = np.array([_weight(sweep, arm) for arm in arms])
            order = np.argsort(x)
            figures.whiskers(axes[0, 0], x, chosen.test, label=name, **look)
            axes[0, 0].plot(x[order], [chosen.test[k].value for k in order], color=look["color"], lw=0.9)
            for k, arm in enumerate(arms):
                if isinstance(arm.point[AXIS], str) and arm.point[AXIS].isalpha():  # "natural": where is it?
                    at = (x[k], chosen.test[k].value)
                    axes[0, 0].annotate(arm.point[AXIS], at, (4, -8), textcoords="offset points", fontsize=6)
            best = chosen.best
            axes[0, 0].plot(x[best], chosen.test[best].value, "o", ms=9, mfc="none", mec=look["color"], mew=1)
            axes[0, 1].plot(x[order], chosen.wins[order], lw=0.9, **look)
        axes[0, 0].set(
            xlabel="Weight α of real data (0: sim data alone)",
            ylabel=f"{label}, test trials",
            xlim=(-0.03, 1.03),
        )
        axes[0, 1].set(
            xlabel="Weight α of real data (0: sim data alone)",
            ylabel="Share of resamples where best",
            ylim=(0, 1.03),
        )
        if groups:
            axes[0, 0].legend(loc="best")
        figures.letter(axes.flat)
        note = "95 % intervals over the second half of the trials; ringed: best in the first half"
        figure.supxlabel(note, fontsize=7, color=figures.GREY)
        figures.save(figure, path)
