"""How well pushing goes: what a trial is judged by, kept up to date step by step."""

import numpy as np

from align.worlds.pushing.geometry import coverage, pose_error

POSITION_TOLERANCE = 15.0  # mm
ANGLE_TOLERANCE = 5.0  # degrees


class Outcomes:
    """The outcomes of N trials so far; see `columns`.

    Args:
        states: States at the start, (N, 5).
    """

    def __init__(self, states: np.ndarray):
        n = len(states)
        self._best, self._last = np.zeros(n), np.zeros(n)
        self._reached, self._held = np.zeros(n, bool), np.zeros(n, bool)  # the goal's pose: once, and now
        self._steps, self._first = np.zeros(n, int), np.full(n, -1)  # control steps; those until 0.90
        self._judge(states)

    def step(self, states: np.ndarray) -> None:
        """Take in the states (N, 5) after a control step."""
        self._steps += 1
        self._judge(states)

    def _judge(self, states: np.ndarray) -> None:
        covered, (position, angle) = coverage(states[:, 2:5]), pose_error(states[:, 2:5])
        self._best = np.maximum(self._best, covered)
        self._last = covered
        self._held = (position <= POSITION_TOLERANCE) & (angle <= ANGLE_TOLERANCE)
        self._reached |= self._held
        self._first = np.where((covered >= 0.90) & (self._first < 0), self._steps, self._first)

    def columns(self) -> dict[str, np.ndarray]:
        """A row a trial, by column, (N,) each.

        Returns:
            score: Largest coverage / 0.95, clipped to 1, as Diffusion Policy reports it.
            coverage: Largest coverage of the goal by the block.
            success_90: Coverage reached 0.90.
            success_95: Coverage reached 0.95.
            success_pose: The pose was once within 15 mm and 5° of the goal.
            held: It is within them now.
            final_coverage: Coverage now.
            steps: Control steps until coverage first reached 0.90, or all of them.
        """
        return {
            "score": np.minimum(self._best / 0.95, 1.0),
            "coverage": self._best.copy(),
            "success_90": self._best >= 0.90,
            "success_95": self._best >= 0.95,
            "success_pose": self._reached.copy(),
            "held": self._held.copy(),
            "final_coverage": self._last.copy(),
            "steps": np.where(self._first < 0, self._steps, self._first),
        }
