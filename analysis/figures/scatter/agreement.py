"""Scores in simulation against those in other worlds: does it tell which policies do well there?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from align.analysis.figures import style as figures
from align.analysis.statistics.intervals import Interval
from align.analysis.statistics.trials.agreement import Agreement


@dataclass(frozen=True)
class Compared:
    """Arms in two worlds.

    Args:
        measure: What was measured.
        world: The world that simulation is to predict.
        points: By the arm's number from 0, its mean in simulation and in that world.
        agreement: Of the means.
        violation: Mean maximum rank violation with its range, where that is known.
    """

    measure: str
    world: str
    points: Mapping[int, tuple[Interval, Interval]]
    agreement: Agreement
    violation: Interval | None


CAPTION = (
    "An arm (a setting, trained once for each seed) is a point, one hue for arms of one kind; lines: 95 % "
    "intervals over trainings and trials. Dashed: as good in both worlds. r: Pearson, ρ: Spearman [95 %, the "
    "arms as a sample]; MMRV: mean maximum rank violation, 0 is best [range by the arms' intervals]."
)


def figure_agreement(
    arms: Sequence[str],
    panels: Sequence[Compared],
    sim: str,
    title: str = "",
    families: Sequence[str] | None = None,
    caption: str = "",
) -> Figure:
    """A panel a world: simulation to the right, the world upwards, an arm a point with 95 % intervals.

    Args:
        arms: Their labels.
        panels: One or more, of one measure.
        sim: Name of the world that predicts.
        title: Above the figure.
        families: That of each arm, which gives it its hue; by default by their labels.
        caption: Below the figure, before what its marks mean.
    """
    families = families or figures.families(arms)
    looks = figures.arm_looks(families)
    with figures.style():
        width = figures.COLUMN if len(panels) == 1 else figures.DOUBLE
        figure, axes = figures.canvas(1, len(panels), width, 2.7, sharex=True)
        for ax, panel in zip(axes[0], panels, strict=True):
            for i, (x, y) in panel.points.items():
                figures.crossed(ax, x, y, arms[i], looks[i])
            shown = [v for both in panel.points.values() for each in both for v in each]
            figures.diagonal(ax, (min(shown), max(shown)))
            ax.set_xlabel(figures.wrap(f"{panel.measure} in {sim}", 8, 1.9))
            ax.set_ylabel(figures.wrap(f"{panel.measure} in {panel.world}", 8, 1.9))
            ax.set_title(_words(panel), fontsize=7)
        if len(panels) > 1:
            figures.letter(axes[0])
        legend = figures.by_family(figures.named(axes.flat), arms, families, looks)
        figures.finish(
            figure, title=title, legend=legend, caption=f"{caption}. {CAPTION}" if caption else CAPTION
        )
    return figure


def _words(panel: Compared) -> str:
    violation = panel.violation or Interval(panel.agreement.rank_violation, float("nan"), float("nan"))
    return "\n".join(
        f"{name} = {value:.2f}" + (f" [{low:.2f}, {high:.2f}]" if low == low else "")
        for name, (value, low, high) in (
            ("r", panel.agreement.pearson),
            ("ρ", panel.agreement.spearman),
            ("MMRV", violation),
        )
    ).replace("-", "−")
