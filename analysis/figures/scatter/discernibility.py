"""Success against how well sim and real can be told apart."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from align.analysis.figures import style as figures
from align.analysis.statistics.intervals import Interval


@dataclass(frozen=True)
class Scatter:
    """Arms in one panel.

    Args:
        title: What tells sim from real, and where.
        chance: What it is where they are alike.
        points: By the arm's number from 0, what tells sim from real, and success.
        scale: Of the axis.
    """

    title: str
    chance: float
    points: Mapping[int, tuple[Interval, Interval]]
    scale: figures.Scale = "linear"


CAPTION = (
    "An arm (a setting, trained once for each seed) is a point, one hue for arms of one kind. To the right "
    "of the "
    "dashed line sim and real can be told apart: by a probe, at equal steps of d′, an AUC of .999 or "
    "more at the "
    "edge; or by their MMD², at equal steps of its root. Lines: 95 % intervals"
)


def figure_discernibility(
    arms: Sequence[str],
    panels: Sequence[Sequence[Scatter]],
    success: str,
    reference: int | None,
    caption: str,
    title: str = "",
    families: Sequence[str] | None = None,
    nothing: float | None = None,
) -> Figure:
    """Success upwards, discernibility to the right: an arm a point with 95 % intervals on both axes.

    Args:
        arms: Their labels; a few are written beside their points, too.
        panels: (rows, columns), a statistic a row and a site a column.
        success: What success is called.
        reference: Number of the arm whose success is a band, if all are compared with one.
        caption: Below the figure, before what its marks mean.
        title: Above the figure.
        families: That of each arm, which gives it its hue; by default by their labels.
        nothing: Success of a policy that does nothing, if that is known.
    """
    families = families or figures.families(arms)
    looks = figures.arm_looks(families)
    with figures.style():
        figure, axes = figures.canvas(
            len(panels), len(panels[0]), figures.DOUBLE, 2.0 * len(panels), sharey=True
        )
        for line, row in zip(axes, panels, strict=True):
            for ax, panel in zip(line, row, strict=True):
                _scatter(ax, panel, arms, looks, reference)
                figures.reference(ax, y=nothing, dotted=True)
            line[0].set_ylabel(success)
        low, high = axes[0, 0].get_ylim()
        if high - low < 1e-6:  # no arm ever scored, say
            axes[0, 0].set_ylim(low - 0.05, high + 0.05)
        figures.letter(axes.flat)
        legend = figures.named(axes.flat)
        notes = CAPTION + (f"; band: that of {arms[reference]}" if reference is not None else "")
        notes += "; dotted, black: doing nothing" if nothing is not None else ""
        text = f"{caption}. {notes}." if caption else f"{notes}."
        legend = figures.by_family(legend, arms, families, looks)
        figures.finish(figure, title=title, legend=legend, caption=text)
        for ax, panel in zip(axes.flat, [p for row in panels for p in row], strict=True):
            at = {i: (x.value, y.value) for i, (x, y) in panel.points.items()}
            if panel.scale == "auc":
                at = {i: (figures.at_edge(x).value, y.value) for i, (x, y) in panel.points.items()}
            figures.name_points(ax, at, {i: arms[i] for i in _told(at, reference)})
    return figure


def _scatter(
    ax: Axes, panel: Scatter, arms: Sequence[str], looks: Sequence[figures.Look], reference: int | None
) -> None:
    for i, (x, y) in panel.points.items():
        x = figures.at_edge(x) if panel.scale == "auc" else x
        if i == reference:
            figures.band(ax, y, looks[i]["color"])
        figures.crossed(ax, x, y, arms[i], looks[i])
    figures.scaled_axis(ax, panel.scale)
    figures.reference(ax, x=panel.chance)
    ax.set_xlabel(figures.wrap(panel.title, 8, 1.9))


def _told(at: Mapping[int, tuple[float, float]], reference: int | None) -> list[int]:
    """The arms to name in a panel: the reference, the best and the worst, and the least discernible."""
    if not at:
        return []
    by_success = sorted(at, key=lambda i: at[i][1])
    wanted = [reference, by_success[-1], by_success[0], min(at, key=lambda i: at[i][0])]
    return [i for i in dict.fromkeys(wanted) if i in at]
