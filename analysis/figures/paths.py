"""Rollouts of a sweep's arms drawn beside the plans that they learnt from: in a maze, or an arm's fingers."""

import os
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from align.analysis.figures import style as figures
from align.analysis.figures.arm import arm_views
from align.analysis.figures.maze import draw_maze, draw_paths
from align.analysis.reports.learnt_plans import plans_of
from align.analysis.reports.motion import motion
from align.analysis.reports.sweep import Sweep
from align.paths import PATHS, read_paths
from align.worlds.planning.arm import ArmSpec
from align.worlds.planning.maze import Maze

Groups = dict[str, list[np.ndarray]]
"""Paths by the colour that they are drawn in."""


def figure_rollouts(
    sweep: Sweep, path: str | os.PathLike, world: str, shown: int = 12, columns: int = 4
) -> bool:
    """The plans and the first run of each arm, the same trials in each panel.

    Args:
        sweep: The sweep.
        path: Where to, a `.png` or `.pdf`.
        world: Whose rollouts; it keeps paths.
        shown: Paths a panel; failed ones are grey.
        columns: Panels a row.

    Returns:
        False where the runs' plans, which say what the scene is, are gone: then nothing is drawn.
    """
    arms = [arm for arm in sweep.arms() if (sweep.path / arm.runs[0] / PATHS).is_file()]
    plans = plans_of(sweep.path / arms[0].runs[0], shown)
    if not plans:
        return False
    panels = [(f"{p.title} plans", {figures.DOMAIN_COLOUR[domain]: p.paths}) for domain, p in plans.items()]
    for arm in arms:
        run = sweep.path / arm.runs[0]
        table, paths = motion(run)[world], read_paths(run / PATHS)[world]
        some = list(paths)[:shown]
        reached = table["acceleration"].notna()
        failed, good = ([paths[s] for s in some if reached[s] == which] for which in (False, True))
        title = f"{arm.label} ({reached.mean():.0%})"
        panels.append((title, {figures.GREY: failed, figures.GREEN: good}))
    _draw(panels, next(iter(plans.values())).scene, path, columns)
    return True


def _draw(
    panels: Sequence[tuple[str, Groups]], scene: Maze | ArmSpec, path: str | os.PathLike, columns: int
) -> None:
    """A panel each, `columns` in a row; of an arm its views, one below the other."""
    everything = [p for _, groups in panels for paths in groups.values() for p in paths]
    views = arm_views(scene, everything) if isinstance(scene, ArmSpec) else (_MazeView(scene),)
    blocks = -(-len(panels) // columns)
    width = figures.DOUBLE / columns
    heights = [view.aspect * width for view in views] * blocks
    with figures.style():
        figure, axes = figures.canvas(
            len(heights), columns, figures.DOUBLE, sum(heights) + 0.15 * blocks, height_ratios=heights
        )
        for ax in axes.flat:
            ax.set_visible(False)
        for i, (title, groups) in enumerate(panels):
            block, column = divmod(i, columns)
            for k, view in enumerate(views):
                ax = axes[block * len(views) + k, column]
                ax.set_visible(True)
                view.draw(ax)
                for colour, paths in groups.items():
                    if paths:
                        draw_paths(ax, view.project(paths), colour, 0.6)
                if column > 0:
                    ax.set_ylabel("")
                    ax.tick_params(labelleft=False)
                if k == 0:
                    ax.set_title(title, loc="left", fontsize=7)
                if k < len(views) - 1:
                    ax.set_xlabel("")
                    ax.tick_params(labelbottom=False)
        figures.save(figure, path)


class _MazeView:
    """A maze from above."""

    aspect = 1.0

    def __init__(self, maze: Maze):
        self._maze = maze

    def draw(self, ax: Axes) -> None:
        """The walls."""
        draw_maze(ax, self._maze)

    def project(self, paths: Sequence[np.ndarray]) -> Sequence[np.ndarray]:
        """Paths (T, 2) as they are drawn."""
        return paths
