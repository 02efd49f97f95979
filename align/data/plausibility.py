"""What of a store may be meant, but seldom is: said in a line, as training would take it without a word."""

import math
from collections.abc import Sequence

import numpy as np

from align.data.episodes import Episodes

PERIODS = {2 * math.pi: "2π", 360.0: "360"}
"""By how much an angle jumps where it wraps."""
_TOLERANCE = 0.1  # of a period, by which a frame's own motion changes the jump
_RARE = 0.1  # share of frames: what jumps more often is no angle


def doubts(sim: Episodes, real: Episodes, relative_actions: bool, others: Sequence[str] = ()) -> list[str]:
    """Warnings, a line each, of actions that are differences already and of angles that wrap.

    Args:
        sim: The sim demonstrations.
        real: The real ones.
        relative_actions: Whether a policy takes actions relative to the position.
        others: Names of the arrays that are used beside agent_pos and action.
    """
    deltas = {e.path: delta_columns(e) for e in (sim, real)}
    told = []
    for path, columns in deltas.items():
        others_too = all(deltas.values())
        if columns and (relative_actions or not others_too):
            meant = "; expected targets, or relative_actions=false" if relative_actions else ""
            mixed = "" if others_too else ", unlike those of the other store; expected one kind in both"
            told.append(
                f"warning: store {path}: action {_columns(columns)} looks like differences, not like targets "
                f"on the scale of agent_pos{mixed or meant}"
            )
    for episodes in (sim, real):
        for name in dict.fromkeys(("agent_pos", "action", *others)):
            told += _wraps(episodes, name)
    return told


def delta_columns(episodes: Episodes) -> list[int]:
    """Columns of the action, with one of agent_pos beside each, that are differences to it.

    Actions are explained by the position and by the step to the next one, in a linear regression. Of targets
    the position explains most. Of differences it explains next to nothing; they are about zero, and the step
    explains much of them or they are small beside how far the position moves.
    """
    found = []
    whole = np.ones(len(episodes.action), bool)
    whole[episodes.ends - 1] = False  # there is no next frame
    for column in range(min(episodes.action.shape[1], episodes.agent_pos.shape[1])):
        action, position = (x[:, column].astype(np.float64) for x in (episodes.action, episodes.agent_pos))
        step = np.diff(position, append=position[-1])
        spread, moves = action.std(), position.std()
        if min(spread, moves, step[whole].std() if whole.any() else 0) <= 1e-6 * np.abs(position).max():
            continue  # one of them stands still
        if abs(action.mean()) > spread:
            continue  # not about zero
        causes, effect = (_standard(x[whole]) for x in (np.stack([position, step], 1), action))
        by_position, by_step = np.linalg.lstsq(causes, effect, rcond=None)[0]
        if abs(by_position) < 0.3 and (spread < 0.5 * moves or by_step > 0.5):
            found.append(column)
    return found


def _standard(x: np.ndarray) -> np.ndarray:
    return (x - x.mean(0)) / np.maximum(x.std(0), 1e-12)


def _wraps(episodes: Episodes, name: str) -> list[str]:
    """A warning for each column that jumps by a period of an angle, from one frame to the next."""
    values = getattr(episodes, name)
    if values is None:
        return []
    steps = np.abs(np.diff(values.astype(np.float64), axis=0))
    steps[episodes.ends[:-1] - 1] = 0  # between episodes
    told = []
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
                told.append(
                    f"warning: store {episodes.path}: {name} [{column}] jumps by {step[jumps[0]]:.3g} at "
                    f"frame {jumps[0] + 1}, as an angle that wraps by {label}, and differences are "
                    "wrong there; expected no jumps (numpy.unwrap, an episode at a time), or sine and cosine"
                )
    return told


def _columns(columns: Sequence[int]) -> str:
    return f"[{', '.join(map(str, columns))}]"
