"""What arrays of numbers look like: differences rather than targets, angles that wrap."""

import math
from dataclasses import dataclass

import numpy as np

PERIODS = {2 * math.pi: "2π", 360.0: "360"}
"""By how much an angle jumps where it wraps."""
_TOLERANCE = 0.1  # of a period, by which a frame's own motion changes the jump
_RARE = 0.1  # share of frames: what jumps more often is no angle


@dataclass(frozen=True)
class Wrap:
    """A column that jumps as an angle does.

    Attributes:
        column: Which.
        period: By how much it wraps, "2π" or "360".
        frame: The first frame after a jump.
        jump: How large that is.
    """

    column: int
    period: str
    frame: int
    jump: float


def measured_rate(times: np.ndarray, ends: np.ndarray) -> float | None:
    """Frames a second, by the median time between two frames; None if times stand still.

    Args:
        times: When each frame was recorded, (T,) in seconds.
        ends: Where episodes end, (E,).
    """
    steps = np.delete(np.diff(times), ends[:-1] - 1)
    usual = float(np.median(steps)) if len(steps) else 0.0
    return round(1 / usual, 3) if usual > 0 else None


def find_wraps(values: np.ndarray, ends: np.ndarray) -> list[Wrap]:
    """The columns of (T, D) that jump by a period of an angle within an episode, from a frame to the next."""
    steps = np.abs(np.diff(values.astype(np.float64), axis=0))
    steps[ends[:-1] - 1] = 0  # between episodes
    found = []
    for column, step in enumerate(steps.T):
        reach = np.ptp(values[:, column])
        for period, label in PERIODS.items():
            jumps = np.flatnonzero(np.abs(step - period) < _TOLERANCE * period)
            others = np.delete(step, jumps)
            if (
                0 < len(jumps) <= _RARE * len(step)
                and reach <= (1 + _TOLERANCE) * period
                and others.max(initial=0) < 0.5 * period
            ):
                found.append(Wrap(column, label, int(jumps[0]) + 1, float(step[jumps[0]])))
    return found


def delta_columns(action: np.ndarray, agent_pos: np.ndarray, ends: np.ndarray) -> list[int]:
    """Columns of the action, with one of agent_pos beside each, that are differences to it.

    Actions are explained by the position and by the step to the next one, in a linear regression. Of targets
    the position explains most. Of differences it explains next to nothing; they are about zero, and the step
    explains much of them or they are small beside how far the position moves.
    """
    found = []
    whole = np.ones(len(action), bool)
    whole[ends - 1] = False  # there is no next frame
    for column in range(min(action.shape[1], agent_pos.shape[1])):
        effect, position = (x[:, column].astype(np.float64) for x in (action, agent_pos))
        step = np.diff(position, append=position[-1])
        spread, moves = effect.std(), position.std()
        if min(spread, moves, step[whole].std() if whole.any() else 0) <= 1e-6 * np.abs(position).max():
            continue  # one of them stands still
        if abs(effect.mean()) > spread:
            continue  # not about zero
        causes, caused = (_standard(x[whole]) for x in (np.stack([position, step], 1), effect))
        by_position, by_step = np.linalg.lstsq(causes, caused, rcond=None)[0]
        if abs(by_position) < 0.3 and (spread < 0.5 * moves or by_step > 0.5):
            found.append(column)
    return found


def _standard(x: np.ndarray) -> np.ndarray:
    return (x - x.mean(0)) / np.maximum(x.std(0), 1e-12)
