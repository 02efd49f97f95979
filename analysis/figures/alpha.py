"""Success against the weight α of real data, and how sure the choice of the best one is."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from align.analysis.figures import style as figures
from align.analysis.statistics.selection import Selection

X_LABEL = "Weight α of real data (0: sim data alone)"


@dataclass(frozen=True)
class OfData:
    """A choice of α for one size of the data.

    Args:
        name: The size, as the legend names it.
        alphas: (n,) realised α of each arm.
        notes: (n,) what to write beside an arm's point; mostly nothing.
        chosen: The selection among these arms.
    """

    name: str
    alphas: Sequence[float]
    notes: Sequence[str]
    chosen: Selection


def figure_alpha(groups: Sequence[OfData], success: str) -> Figure:
    """Left `success` on test trials, the chosen α ringed; right how often each α is best in resamples."""
    with figures.style():
        figure, axes = figures.canvas(1, 2, figures.DOUBLE, 2.6)
        left, right = axes[0]
        for i, group in enumerate(groups):
            look, chosen, x = figures.look(i), group.chosen, np.asarray(group.alphas)
            height, order = np.array([test.value for test in chosen.test]), np.argsort(x)
            figures.whiskers(left, x, chosen.test, label=group.name, **look)
            left.plot(x[order], height[order], color=look["color"], lw=0.9)
            for k, note in enumerate(group.notes):
                left.annotate(note, (x[k], height[k]), (4, -8), textcoords="offset points", fontsize=6)
            best = chosen.best
            left.plot(x[best], height[best], "o", ms=9, mfc="none", mec=look["color"], mew=1)
            right.plot(x[order], np.asarray(chosen.wins)[order], lw=0.9, **look)
        left.set(xlabel=X_LABEL, ylabel=f"{success}, test trials", xlim=(-0.03, 1.03))
        right.set(xlabel=X_LABEL, ylabel="Share of resamples where best", ylim=(0, 1.03))
        if groups:
            left.legend(loc="best")
        figures.letter(axes.flat)
        note = "95 % intervals over the second half of the trials; ringed: best in the first half"
        figure.supxlabel(note, fontsize=7, color=figures.GREY)
    return figure
