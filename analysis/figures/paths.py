"""Paths in their scene: the plans that were learnt from, and rollouts of each arm beside them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.figure import Figure

from align.analysis.figures import style as figures
from align.domain import Domain
from align.worlds.planning.scene import Scene, View

SOLID, BEHIND = "#A0A0A0", "#F2F2F2"
COLUMNS = 4  # panels a row


@dataclass(frozen=True)
class PlanPaths:
    """Plans of one planner: their name, what they stand for, and their paths (T, D)."""

    title: str
    domain: Domain
    paths: Sequence[np.ndarray]


@dataclass(frozen=True)
class RolloutPaths:
    """Rollouts of an arm: its success over all trainings and trials, and some paths (T, D) by whether."""

    label: str
    success: float
    reached: Sequence[np.ndarray]
    failed: Sequence[np.ndarray]


CAPTION = (
    "Dot: start, cross: end of a path. Plans of one planner are blue if they stand for sim, vermilion if "
    "for real. "
    "Rollouts of the first training in the same few trials in each panel: green if they succeed, grey if "
    "not; in brackets the success over all trainings and trials."
)


def figure_paths(
    plans: Sequence[PlanPaths], arms: Sequence[RolloutPaths], scene: Scene, title: str = ""
) -> Figure:
    """A panel for each planner, in its domain's colour, and then for each arm: green, and grey what failed.

    Of a scene that is seen from several sides the views of a panel are one below the other.
    """
    panels = [(f"{p.title} plans", {figures.DOMAIN_COLOUR[p.domain]: p.paths}) for p in plans]
    panels += [
        (f"{arm.label} ({arm.success:.0%})", {figures.GREY: arm.failed, figures.GREEN: arm.reached})
        for arm in arms
    ]
    views = scene.views([path for _, groups in panels for paths in groups.values() for path in paths])
    blocks = -(-len(panels) // COLUMNS)
    heights = [view.aspect * figures.DOUBLE / COLUMNS for view in views] * blocks
    with figures.style():
        figure, axes = figures.canvas(
            len(heights), COLUMNS, figures.DOUBLE, sum(heights) + 0.15 * blocks, height_ratios=heights
        )
        for ax in axes.flat:
            ax.set_visible(False)
        for i, (name, groups) in enumerate(panels):
            block, column = divmod(i, COLUMNS)
            stack = axes[block * len(views) : (block + 1) * len(views), column]
            for ax, view in zip(stack, views, strict=True):
                ax.set_visible(True)
                draw_view(ax, view)
                for colour, paths in groups.items():
                    draw_paths(ax, [view.project(path) for path in paths], colour)
                if column > 0:
                    ax.set_ylabel("")
                    ax.tick_params(labelleft=False)
            stack[0].set_title(figures.wrap(name, 7, 0.95 * figures.DOUBLE / COLUMNS), loc="left", fontsize=7)
            for ax in stack[:-1]:
                ax.set_xlabel("")
                ax.tick_params(labelbottom=False)
        figures.finish(figure, title=title, caption=CAPTION)
    return figure


def draw_view(ax: Axes, view: View) -> None:
    """What is in the scene, to scale; without axes where its coordinates mean nothing."""
    for rectangles, colour, order in ((view.behind, BEHIND, 0), (view.solid, SOLID, 0.5)):
        corners = [[(x0, y0), (x1, y0), (x1, y1), (x0, y1)] for (x0, y0), (x1, y1) in rectangles]
        ax.add_collection(PolyCollection(corners, facecolors=colour, linewidths=0, zorder=order))
    ax.plot(*view.marks.T, linestyle="none", marker="s", markersize=4, color=SOLID, zorder=0.5)
    ax.set(xlim=(view.low[0], view.high[0]), ylim=(view.low[1], view.high[1]), aspect="equal")
    ax.grid(False)
    if view.axes is None:
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set_visible(False)
    else:
        ax.set(xlabel=view.axes[0], ylabel=view.axes[1])
        ax.locator_params(nbins=4)


def draw_paths(ax: Axes, paths: Sequence[np.ndarray], colour: str) -> None:
    """Paths (T, 2) with a dot where each starts and a cross where it ends."""
    if not paths:
        return
    ax.add_collection(LineCollection(paths, colors=colour, linewidths=0.6, alpha=0.75))
    starts, ends = (np.array([path[i] for path in paths]).T for i in (0, -1))
    ax.scatter(*starts, s=7, color=colour, linewidths=0, zorder=3)
    ax.scatter(*ends, s=10, color=colour, marker="x", linewidths=0.8, zorder=3)
