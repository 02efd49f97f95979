"""The picture of one run's task probes: a panel a task, R² in the four cells of training and test domain."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from align.analysis.figures import style as figures
from align.analysis.statistics.intervals import Interval
from align.analysis.statistics.probing.task_probe import CELLS, Decoded

TITLES = {"action": "Action", "block_pose": "Block pose", "pusher": "Pusher position", "state": "State"}
FLOOR = -1.0  # R² below is drawn here, as a triangle


def task_figure(
    found: Mapping[str, Mapping[str, Decoded]],
    untrained: Mapping[str, Mapping[str, Decoded]],
    run: str = "",
) -> Figure:
    """The figure of a run's task probes, both columns wide.

    Args:
        found: By site and task.
        untrained: The same of an untrained policy, drawn hollow; sites may be missing.
        run: Its name, above the figure.
    """
    tasks = list(next(iter(found.values())))
    with figures.style():
        figure, axes = figures.canvas(1, len(tasks), figures.DOUBLE, 2.1, sharey=True)
        for ax, task in zip(axes[0], tasks, strict=True):
            for i, site in enumerate(found):
                at = np.arange(len(CELLS)) + (i - (len(found) - 1) / 2) * 0.7 / len(found)
                look = figures.look(i) | {"color": figures.place_look(site, i)["color"]}  # ▼ is taken
                if site in untrained:
                    _series(ax, at + 0.18 / len(found), untrained[site][task], look | {"mfc": "white"})
                _series(ax, at - 0.18 / len(found), found[site][task], look, label=site)
            for level in (0.0, 1.0):
                figures.reference(ax, y=level)
            ticks = [f"{train.label}\n→ {test.label}" for train, test in CELLS]
            pushing = "block_pose" in tasks
            title = "Proprioception" if task == "pusher" and not pushing else TITLES.get(task, task)
            ax.set(title=title, xticks=range(len(CELLS)), xticklabels=ticks)
            ax.set(ylim=(FLOOR - 0.1, 1.1), yticks=(-1, -0.5, 0, 0.5, 1))
            ax.grid(visible=False, axis="x")
        axes[0, 0].set_ylabel("$R^2$")
        title = run and f"{run}: what embeddings tell of the task"
        figures.finish(
            figure, title=title, legend=figures.named([axes[0, 0]]), caption=_caption(bool(untrained))
        )
        return figure


def _caption(untrained: bool) -> str:
    floor = f"{FLOOR:g}".replace("-", "−")
    return (
        "$R^2$ on held-out episodes of ridge regressions that read the task off the embeddings at a site, "
        "fitted on one domain → tested on that or the other. Dashed: 1, all is read off; 0, no better than "
        "the "
        f"mean. ▼: $R^2$ below {floor}, as far as that may be. Whiskers: 95 % intervals over episodes, cut "
        "off "
        f"at the panel's edge" + ("; hollow: the policy before training." if untrained else ".")
    )


def _series(ax: Axes, at: np.ndarray, decoded: Decoded, look: dict, label: str | None = None) -> None:
    """The cells of one task at one site; those below the floor as triangles on it."""
    intervals = [decoded.cells[cell] for cell in CELLS]
    below = np.array([interval.value < FLOOR for interval in intervals])
    shown = [
        Interval(np.nan, np.nan, np.nan) if low else Interval(i.value, max(i.low, FLOOR - 1), i.high)
        for i, low in zip(intervals, below, strict=True)
    ]
    look = {"markersize": 3, "capsize": 1.2, "elinewidth": 0.8} | look
    figures.whiskers(ax, at, shown, label=label, **look)
    if below.any():  # an empty line that is not clipped would have no extent to lay out
        face = look.get("mfc", look["color"])
        floor = np.full(below.sum(), FLOOR)
        ax.plot(at[below], floor, "v", color=look["color"], mfc=face, markersize=4, clip_on=False)
