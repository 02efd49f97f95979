"""Success against the weight α of real data, and how sure the choice of the best one is."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
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


CAPTION = (
    "(a) whiskers: 95 % intervals over trainings and the second half of the trials; ringed: the α that is "
    "best in the first half. (b) all trials, intervals that hold for all α at once; filled: may be the best, "
    "hollow: is not; dashed: as good as the best of the others"
)
NAMED = "natural: α is the share of real windows in the data"


def figure_alpha(
    groups: Sequence[OfData], success: str, title: str = "", nothing: float | None = None
) -> Figure:
    """Left `success` on test trials, the chosen α ringed; right each α minus the best of the others.

    Args:
        groups: A size of the data each.
        success: What it is called.
        title: Above the figure.
        nothing: `success` of a policy that does nothing, if that is known.
    """
    with figures.style():
        figure, axes = figures.canvas(1, 2, figures.DOUBLE, 2.4)
        left, right = axes[0]
        for i, group in enumerate(groups):
            look, chosen, x = figures.look(i), group.chosen, np.asarray(group.alphas)
            height, order = np.array([test.value for test in chosen.test]), np.argsort(x)
            figures.whiskers(left, x, chosen.test, label=group.name, **look)
            left.plot(x[order], height[order], color=look["color"], lw=0.9)
            best = chosen.best
            left.plot(x[best], height[best], "o", ms=9, mfc="none", mec=look["color"], mew=1)
            shift = 0.012 * (i - (len(groups) - 1) / 2)
            figures.whiskers(right, x + shift, chosen.behind, **look)
            out = ~np.asarray(chosen.plausible)
            gaps = np.array([behind.value for behind in chosen.behind])
            right.plot((x + shift)[out], gaps[out], linestyle="none", **look | {"mfc": "white", "zorder": 3})
        left.set(xlabel=X_LABEL, ylabel=f"{success}, test trials", xlim=(-0.03, 1.03))
        right.set(xlabel=X_LABEL, ylabel=f"{success}\n− best of the other α", xlim=(-0.03, 1.03))
        figures.reference(right, y=0)
        figures.reference(left, y=nothing, dotted=True)
        figures.letter(axes.flat)
        caption = CAPTION + ("; dotted, black: doing nothing" if nothing is not None else "")
        if any(note for group in groups for note in group.notes):
            caption += f". {NAMED}"
        figures.finish(figure, title=title, legend=figures.named([left]), caption=f"{caption}.")
        for group in groups:
            _write_notes(left, group)
    return figure


def _write_notes(ax: Axes, group: OfData) -> None:
    """What to write beside an arm's point, where there is room."""
    heights = [test.value for test in group.chosen.test]
    at = dict(enumerate(zip(group.alphas, heights, strict=True)))
    figures.name_points(ax, at, {k: note for k, note in enumerate(group.notes) if note})
