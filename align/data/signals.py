"""What arrays of numbers look like: differences and not targets, angles that wrap, quaternions that flip."""

import math
from dataclasses import dataclass

import numpy as np

PERIODS = {2 * math.pi: "2π", 360.0: "360"}
"""By how much an angle jumps where it wraps."""
_TOLERANCE = 0.1  # of a period, by which a frame's own motion changes the jump
_UNIT = 0.02  # by which the norm of a quaternion may be off: recorders round
_FLIPPED = 0.2  # of the distance to what it was, at most that to the negative of it
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


@dataclass(frozen=True)
class Flip:
    """Four columns that jump as a quaternion does whose sign changes, which is the same rotation.

    Attributes:
        column: The first of them.
        frame: The first frame after a flip.
        count: How often it flips.
    """

    column: int
    frame: int
    count: int


def find_flips(values: np.ndarray, ends: np.ndarray) -> list[Flip]:
    """Where four columns side by side of (T, D), of unit norm, become all but their negative in one frame."""
    values, found = values.astype(np.float64), []
    for column in range(values.shape[1] - 3):
        if found and column < found[-1].column + 4:
            continue
        four = values[:, column : column + 4]
        if (np.abs(np.linalg.norm(four, axis=1) - 1) > _UNIT).any():
            continue
        kept, turned = (np.linalg.norm(four[1:] + sign * four[:-1], axis=1) for sign in (-1, 1))
        kept[ends[:-1] - 1] = 0  # between episodes
        if len(flips := np.flatnonzero(turned < _FLIPPED * kept)):
            found.append(Flip(column, int(flips[0]) + 1, len(flips)))
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
