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
    """

    label: str
    points: Mapping[str, np.ndarray]
    correlation: Interval | None


CAPTION = (
    "A run a point; of one colour: runs of one sweep, of one marker: those alike in worlds and data. "
    "ρ: rank correlation within these groups [95 % interval]."
)


def figure_mechanism(panels: Sequence[Sequence[Association]], success: str) -> Figure:
    """A statistic a row and a site a column; a look a stratum. `success` is what the y axes show."""
    strata = list(panels[0][0].points)
    with figures.style():
        height, looks = 2.1 * len(panels), figures.arm_looks([s.split(", ")[0] for s in strata])
        figure, axes = figures.canvas(len(panels), len(panels[0]), figures.DOUBLE, height, sharey=True)
        for line, row in zip(axes, panels, strict=True):
            for ax, panel in zip(line, row, strict=True):
                for i, stratum in enumerate(strata):
                    ax.scatter(*panel.points[stratum].T, s=9, label=stratum, **looks[i])
                found = panel.correlation
                text = "" if found is None else f"ρ = {found}".replace("-", "−")
                ax.set_title(text, loc="right", fontsize=7)
                ax.set_xlabel(figures.wrap(panel.label, 8, 1.9))
            line[0].set_ylabel(success)
        figures.letter(axes.flat)
        figures.finish(figure, legend=figures.named([axes[0, 0]]), caption=CAPTION)
    return figure
