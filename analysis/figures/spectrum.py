"""The spectrum of rollouts' velocity beside that of plans: at which scale a motion is jagged."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from align.analysis.figures import style as figures

PLANS = ((figures.BLACK, 1.0), (figures.GREY, 1.0), (figures.GREY, 0.7))
"""Colour and opacity of plans: those for the same queries first, then those that were learnt from."""


def figure_spectrum(plans: Mapping[str, np.ndarray], arms: Mapping[str, np.ndarray | None]) -> Figure:
    """Power against frequency: plans dashed, arms over them.

    Args:
        plans: By name, the power at 0, 1, 2, ... cycles a path (K,), as `velocity_spectrum` returns it; the
            first is what rollouts are compared with.
        arms: The same of each arm of the sweep, in its order; None where no rollout succeeded.
    """
    with figures.style():
        figure, axes = figures.canvas(1, 1, figures.DOUBLE, 3.4)
        ax = axes[0, 0]
        for (name, power), (colour, alpha) in zip(plans.items(), PLANS, strict=False):
            _curve(ax, power, label=name, color=colour, alpha=alpha, linestyle=(0, (4, 2)), linewidth=1.6)
        for i, (name, power) in enumerate(arms.items()):
            if power is not None:
                look = {"linewidth": 0.8, "markersize": 2.5, "markevery": (i % 4, 4)}
                _curve(ax, power, label=name, **figures.look(i), **look)
        ax.set(xscale="log", yscale="log", xlabel="Cycles a path", ylabel="Power of the velocity")
        figure.legend(loc="outside right center", fontsize=6)
    return figure


def _curve(ax, power: np.ndarray, **look) -> None:
    """All but the mean velocity, which a log axis has no place for."""
    ax.plot(np.arange(1, len(power)), power[1:], **look)
