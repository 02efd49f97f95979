"""Success against smoothness of a sweep's arms, and their rollouts drawn in the maze beside the plans."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import yaml
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullFormatter

from align.data.episodes import read_store
from align.domain import Domain
from align.paths import PATHS, read_paths
from align.worlds.planning.maze import Maze, MazeSpec
from align.worlds.planning.plans import path_of
from analysis import figures
from analysis.maze_figures import draw_maze, draw_paths
from analysis.motion import MEASURES, measure, motion
from analysis.sweep import Arm, Estimate, Sweep

PLANS = 100  # of each store, at most, behind a reference line
DASHED = {"linewidth": 0.8, "linestyle": (0, (4, 3))}


@dataclass(frozen=True)
class Plans:
    """Plans that runs were trained on: `paths` of one `planner` in a `maze`."""

    planner: str
    paths: list[np.ndarray]
    maze: Maze


def applies(sweep: Sweep) -> bool:
    """Whether rollouts of the sweep kept paths that were measured."""
    return any(name.startswith("motion/") for name in sweep.frame.dropna(axis=1, how="all"))


def report_motion(sweep: Sweep) -> list[Path]:
    """Write `smoothness_WORLD.png` and `paths_WORLD.png` of each world that keeps paths; what was written."""
    written = []
    for world in sweep.worlds:
        if f"motion/{world}/acceleration" in sweep.frame.dropna(axis=1, how="all"):
            written.append(sweep.path / f"smoothness_{world}.png".replace("/", "-"))
            figure_motion(sweep, written[-1], world)
            drawn = sweep.path / f"paths_{world}.png".replace("/", "-")
            written += [drawn] * figure_rollouts(sweep, drawn, world)
    return written


def plans_of(run: str | os.PathLike, limit: int = PLANS) -> dict[Domain, Plans]:
    """The plans that a run was trained on, by domain; without stores that are gone or hold no plans."""
    config = Path(run) / "config.yaml"
    data = yaml.safe_load(config.read_text()).get("data", {}) if config.is_file() else {}
    found = {}
    for domain in Domain:
        store = data.get(domain.label)
        if store is None or not Path(store).exists():
            continue
        episodes = read_store(store, data.get(f"{domain.label}_keys"), images=False)
        if not {"planner", "maze"} <= set(episodes.attrs):
            continue
        ends = [0, *episodes.ends[:limit]]
        paths = [path_of(episodes.state[a:b]) for a, b in pairwise(ends)]
        found[domain] = Plans(episodes.attrs["planner"], paths, MazeSpec(**episodes.attrs["maze"]).maze())
    return found


def pareto(success: Sequence[float], roughness: Sequence[float]) -> list[int]:
    """Which points no other one beats: none has as much success and is smoother, or as smooth with more.

    Returns:
        Their numbers, the smoothest first.
    """
    order = sorted(range(len(success)), key=lambda i: (roughness[i], -success[i]))
    front, best = [], -np.inf
    for i in order:
        if success[i] > best:
            front.append(i)
            best = success[i]
    return front


def figure_motion(sweep: Sweep, path: str | os.PathLike, world: str, name: str = "acceleration") -> None:
    """Success against smoothness: an arm a point, with 95 % intervals on both axes, and the Pareto front.

    Dashed lines are the medians of the plans that were learnt from.

    Args:
        sweep: The sweep.
        path: Where to, a `.png` or `.pdf`.
        world: Whose rollouts; it keeps paths.
        name: A measure of `analysis.motion`, on a log axis.
    """
    arms = [arm for arm in sweep.arms() if sweep.estimate(arm.runs, f"motion/{world}/{name}")]
    points = [
        (sweep.estimate(arm.runs, f"motion/{world}/{name}"), _success(sweep, arm, world)) for arm in arms
    ]
    with figures.style():
        figure, axes = figures.canvas(1, 1, figures.DOUBLE, 3.6)
        ax = axes[0, 0]
        for i, (arm, (x, y)) in enumerate(zip(arms, points, strict=True)):
            colour = figures.CYCLE[(i + i // len(figures.MARKERS)) % len(figures.CYCLE)]
            look = {"color": colour, "marker": figures.MARKERS[i % len(figures.MARKERS)]}
            figures.whiskers(ax, [x.interval.value], [y.interval], **look, label=arm.label)
            figures.whiskers(ax, [y.interval.value], [x.interval], horizontal=True, **look)
        values = [(x.interval.value, y.interval.value) for x, y in points]
        front = [values[i] for i in pareto([y for _, y in values], [x for x, _ in values])]
        ax.plot(
            *np.array(front).T, color=figures.GREY, linewidth=3, alpha=0.35, zorder=1, label="Pareto front"
        )
        for domain, plans in plans_of(sweep.path / arms[0].runs[0]).items():
            colour = figures.DOMAIN_COLOUR[domain]
            ax.axvline(
                measure(plans.paths)[name].median(),
                color=colour,
                **DASHED,
                label=f"{plans.planner.upper()} plans",
            )
        ax.set_xscale("log")
        ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        ax.xaxis.set_major_formatter("{x:g}")
        ax.xaxis.set_minor_formatter(NullFormatter())
        ax.set(xlabel=f"{MEASURES[name]} of successful rollouts, median", ylabel=f"Success in {world}")
        figure.legend(loc="outside right center", fontsize=6)
        figures.save(figure, path)


def figure_rollouts(
    sweep: Sweep, path: str | os.PathLike, world: str, shown: int = 12, columns: int = 4
) -> bool:
    """The plans and the first run of each arm in the maze, the same trials in each panel.

    Args:
        sweep: The sweep.
        path: Where to, a `.png` or `.pdf`.
        world: Whose rollouts; it keeps paths.
        shown: Paths a panel; failed ones are grey.
        columns: Panels a row.

    Returns:
        False where the runs' plans, which say what the maze is, are gone: then nothing is drawn.
    """
    arms = [arm for arm in sweep.arms() if (sweep.path / arm.runs[0] / PATHS).is_file()]
    plans = plans_of(sweep.path / arms[0].runs[0], shown)
    if not plans:
        return False
    maze = next(iter(plans.values())).maze
    panels: list[tuple[str, Mapping[str, Sequence[np.ndarray]]]] = [
        (f"{p.planner.upper()} plans", {figures.DOMAIN_COLOUR[domain]: p.paths})
        for domain, p in plans.items()
    ]
    for arm in arms:
        run = sweep.path / arm.runs[0]
        table, paths = motion(run)[world], read_paths(run / PATHS)[world]
        some = list(paths)[:shown]
        reached = table["acceleration"].notna()
        panels.append(
            (
                f"{arm.label} ({reached.mean():.0%})",
                {
                    figures.GREY: [paths[s] for s in some if not reached[s]],
                    figures.GREEN: [paths[s] for s in some if reached[s]],
                },
            )
        )
    rows = -(-len(panels) // columns)
    with figures.style():
        figure, axes = figures.canvas(rows, columns, figures.DOUBLE, 1.1 * figures.DOUBLE / columns * rows)
        for ax, panel in zip(axes.flat, panels, strict=False):
            _panel(ax, maze, *panel)
        for ax in axes.flat[len(panels) :]:
            ax.axis("off")
        figures.save(figure, path)
    return True


def _panel(ax: Axes, maze: Maze, title: str, groups: Mapping[str, Sequence[np.ndarray]]) -> None:
    draw_maze(ax, maze)
    for colour, paths in groups.items():
        if len(paths):
            draw_paths(ax, paths, colour, 0.6)
    ax.set_title(title, loc="left", fontsize=7)


def _success(sweep: Sweep, arm: Arm, world: str) -> Estimate:
    return sweep.estimate(arm.runs, f"rollout/{world}/{sweep.success}")
