"""Success against how well sim and real can be told apart, over the runs of many sweeps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from align.analysis.figures import style as figures
from align.analysis.statistics.intervals import Interval


@dataclass(frozen=True)
class Association:
    """A statistic of one site against success.

    Attributes:
        label: What discernibility is, for the x axis.
        points: By stratum, discernibility and success of each run (n, 2); the same strata in every panel.
        correlation: Of ranks within all strata; None where there are too few arms.
        chance: What it is where sim and real are alike.
        scale: Of the axis.
    """

    label: str
    points: Mapping[str, np.ndarray]
    correlation: Interval | None
    chance: float
    scale: figures.Scale = "linear"


CAPTION = (
    "A run is a point; those of one colour are of one sweep, those of one marker of one gap between sim and "
    "the world of the trials, too, by its parts, of which 1 is a full one. ρ: Spearman's rank correlation "
    "within these groups [95 % interval, arms drawn anew]. To the right of the dashed line sim and real can "
    "be told apart: by a probe, at equal steps of d′, an AUC of .999 or more at the edge; or by their MMD², "
    "at equal steps of its root."
)


def figure_mechanism(
    panels: Sequence[Sequence[Association]],
    success: str,
    title: str = "",
    sweeps: Sequence[str] | None = None,
) -> Figure:
    """A statistic a row and a site a column; a look a stratum.

    Args:
        panels: (rows, columns), of the same strata.
        success: What the y axes show.
        title: Above the figure.
        sweeps: That of each stratum, which gives it its hue; by default each has its own.
    """
    strata = list(panels[0][0].points)
    with figures.style():
        height, looks = 2.1 * len(panels), figures.arm_looks(sweeps or strata)
        figure, axes = figures.canvas(len(panels), len(panels[0]), figures.DOUBLE, height, sharey=True)
        for line, row in zip(axes, panels, strict=True):
            for ax, panel in zip(line, row, strict=True):
                for i, stratum in enumerate(strata):
                    x, y = panel.points[stratum].T
                    x = figures.to_edge(x) if panel.scale == "auc" else x
                    ax.scatter(x, y, s=18, linewidths=0.3, edgecolors="white", label=stratum, **looks[i])
                found = panel.correlation
                text = "" if found is None else f"ρ = {found}".replace("-", "−")
                ax.set_title(text, loc="right", fontsize=7)
                figures.scaled_axis(ax, panel.scale)
                figures.reference(ax, x=panel.chance)
                ax.set_xlabel(figures.wrap(panel.label, 8, 1.9))
            line[0].set_ylabel(success)
        figures.letter(axes.flat)
        figures.finish(figure, title=title, legend=figures.named([axes[0, 0]]), caption=CAPTION)
    return figure
