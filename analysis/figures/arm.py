"""An arm's motion as a roboticist draws it: the path of its fingers, from the side and from above."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from align.worlds.planning.arm import ArmSpec
from align.worlds.planning.arm_kinematics import fingers

BOARD, SHELF = "#8C8C8C", "#F2F2F2"
AXES = ("x", "y", "z")
THIN = 0.1  # m; boards and walls seen edge-on
MARGIN = 0.05  # m


@dataclass(frozen=True)
class ArmView:
    """A projection of the scene onto two of its axes.

    Args:
        boxes: (B, 2, 3) centre, size of the shelf's boxes, m.
        across, up: Which axes lie across and up.
        low, high: (2,) corners of what is shown, m.
    """

    boxes: np.ndarray
    across: int
    up: int
    low: np.ndarray
    high: np.ndarray

    @property
    def aspect(self) -> float:
        """Height over width."""
        width, height = self.high - self.low
        return float(height / width)

    def draw(self, ax: Axes) -> None:
        """The shelf, its boards and walls where they are seen edge-on, and the robot's base, to scale."""
        shown = [self.across, self.up]
        centre, size = self.boxes[:, 0, shown], self.boxes[:, 1, shown]
        low, high = centre - size / 2, centre + size / 2
        corner, whole = low.min(0), high.max(0) - low.min(0)
        ax.add_patch(Rectangle(corner, *whole, color=SHELF, linewidth=0, zorder=0))
        for at, extent in zip(low, size, strict=True):
            if extent.min() < THIN:
                ax.add_patch(Rectangle(at, *extent, color=BOARD, linewidth=0, zorder=0.5))
        ax.plot(0, 0, marker="s", markersize=4, color=BOARD, zorder=0.5)
        ax.set(
            xlim=(self.low[0], self.high[0]),
            ylim=(self.low[1], self.high[1]),
            xlabel=f"{AXES[self.across]} (m)",
            ylabel=f"{AXES[self.up]} (m)",
        )
        ax.locator_params(nbins=4)
        ax.set_aspect("equal")
        ax.grid(False)

    def project(self, paths: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Where the fingers go along paths (T, 7), rad: (T, 2) m each."""
        return [fingers(path)[:, [self.across, self.up]] for path in paths]


def arm_views(spec: ArmSpec, paths: Sequence[np.ndarray]) -> tuple[ArmView, ArmView]:
    """The view from the side and that from above, both wide enough for all `paths` (T, 7), rad, the shelf and
    the robot's base."""
    shelf = spec.boxes[:-1]  # without the floor
    centre, size = shelf[:, 0], shelf[:, 1]
    points = np.concatenate(
        [np.zeros((1, 3)), centre - size / 2, centre + size / 2, *(fingers(path) for path in paths)]
    )
    low, high = points.min(0) - MARGIN, points.max(0) + MARGIN
    return tuple(
        ArmView(shelf, across, up, low[[across, up]], high[[across, up]]) for across, up in ((0, 2), (0, 1))
    )
