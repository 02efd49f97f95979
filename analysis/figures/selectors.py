"""What rules cost that choose an arm without rollouts in the target."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from align.analysis.figures import style as figures
from align.analysis.statistics.intervals import Interval


@dataclass(frozen=True)
class Measured:
    """What a rule's choices cost.

    Attributes:
        rule: Its name.
        sweeps: Of how many the tasks are in which it can choose.
        regret: By measure, the mean over sweeps with its interval.
        by_sweep: By measure, that of each sweep.
        chance: By measure, what a random choice costs in the same tasks.
    """

    rule: str
    sweeps: int
    regret: Mapping[str, Interval]
    by_sweep: Mapping[str, Sequence[float]]
    chance: Mapping[str, float]


CAPTION = (
    "Regret: by how much the chosen arm is worse than the arm that the target's own score would have chosen, "
    "both by one training of each arm and judged on the others. Whiskers: 95 % intervals over sweeps; small: "
    "single sweeps; grey bars: any arm at random, in the tasks where the rule can choose, of fewer sweeps "
    "where it says so; dashed: as good as rollouts in the target. Sweeps share trainings and a benchmark, so "
    "that intervals are too narrow"
)


def figure_selectors(rules: Sequence[Measured], measures: Sequence[str], caption: str) -> Figure:
    """Rules as dots with intervals, a row each, a panel a measure.

    Args:
        rules: The first on top.
        measures: What regret is of.
        caption: Below the figure, before what its marks mean.
    """
    rows = np.arange(len(rules))[::-1]
    with figures.style():
        height = 0.55 + 0.3 * len(rules)
        figure, axes = figures.canvas(1, len(measures), figures.DOUBLE, height, sharey=True)
        look = figures.look(0)
        for ax, measure in zip(axes[0], measures, strict=True):
            for y, rule in zip(rows, rules, strict=True):
                ax.plot([rule.chance[measure]] * 2, [y - 0.32, y + 0.32], color=figures.GREY, linewidth=1.8)
                figures.trainings(ax, y, rule.by_sweep[measure], look["color"], horizontal=True)
                figures.whiskers(ax, [y], [rule.regret[measure]], horizontal=True, **look)
            figures.reference(ax, x=0)
            ax.set_xlabel(f"Regret in {measure}")
        axes[0, 0].set(yticks=rows, ylim=(-0.6, len(rules) - 0.4))
        most = max(rule.sweeps for rule in rules)
        few = {r.rule: "" if r.sweeps == most else f" ({r.sweeps} of {most} sweeps)" for r in rules}
        axes[0, 0].set_yticklabels([figures.wrap(r.rule + few[r.rule], 7, 1.9) for r in rules])
        figures.letter(axes[0])
        figures.finish(figure, title="Choosing an arm without rollouts", caption=f"{caption}. {CAPTION}.")
    return figure
