"""Two domains at one rate: of the faster one, every so many frames."""

import numpy as np

from align.data.signals import delta_columns
from align.errors import InputError


def kept_rows(ends: np.ndarray, rate_hz: float, wanted_hz: float) -> tuple[np.ndarray, np.ndarray]:
    """Which frames are kept of episodes at `rate_hz` to have them at `wanted_hz`, at most as many.

    Frame k of an episode is the one nearest to k / `wanted_hz` seconds after its first; where the ratio of
    the rates is whole, that is every so many frames.

    Args:
        ends: Where episodes end, (E,).
        rate_hz: Their frames a second.
        wanted_hz: The frames a second to keep.

    Returns:
        The rows, (T',) int64, increasing, and where the episodes end among them, (E,) int64.
    """
    ratio, begin, rows = rate_hz / wanted_hz, 0, []
    for end in ends:
        n = int(np.floor((end - begin - 1) / ratio + 1e-9)) + 1
        rows.append(
            begin + np.floor(np.arange(n) * ratio + 0.5 + 1e-9).astype(np.int64).clip(0, end - begin - 1)
        )
        begin = int(end)
    return np.concatenate(rows), np.cumsum([len(part) for part in rows])


def last_commands(rows: np.ndarray, ends: np.ndarray, all_ends: np.ndarray) -> np.ndarray:
    """The rows (T',) of the commands that are in force just before the next frame that is kept.

    A target is where to be at the next frame: of those between two frames that are kept, the last.

    Args:
        rows: Frames that are kept, (T',).
        ends: Where episodes end among them, (E,).
        all_ends: Where they end among all frames, (E,).
    """
    following = np.append(rows[1:], 0) - 1
    step = np.diff(rows, append=rows[-1])
    usual = int(np.median(step[step > 0])) if (step > 0).any() else 1
    following[ends - 1] = np.minimum(rows[ends - 1] + usual - 1, all_ends - 1)
    return following


def resampled(
    store: str,
    vectors: dict[str, np.ndarray],
    ends: np.ndarray,
    rate_hz: object,
    wanted_hz: float,
    actions: str | None = None,
) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray, str | None]:
    """Arrays at a lower rate.

    Args:
        store: Whose they are, for messages.
        vectors: "action", "agent_pos" and what else there is, (T, D).
        ends: Where episodes end, (E,).
        rate_hz: Their rate, as the store tells it.
        wanted_hz: The rate that is wanted.
        actions: What actions are, "targets" or "deltas", where that is known.

    Returns:
        The arrays, where episodes end, the rows that were kept, and what to say of it, if anything was done.

    Raises:
        InputError: The store does not tell its rate or has a lower one, or its actions are differences.
    """
    if not isinstance(rate_hz, int | float) or not rate_hz > 0:
        raise InputError(f"data.rate_hz={wanted_hz:g}: store {store} does not say what rate it has")
    if rate_hz < wanted_hz:
        raise InputError(
            f"data.rate_hz={wanted_hz:g}: store {store} has {rate_hz:g} Hz; expected at most that, as frames "
            "are left out, never made up"
        )
    if rate_hz == wanted_hz:
        return vectors, ends, np.arange(ends[-1]), None
    if actions == "deltas":
        raise InputError(
            f"data.rate_hz={wanted_hz:g}: store {store}: its actions are deltas, by its own word or "
            "data.actions, which would have to be added up over the frames that are left out; expected "
            f"targets, or a store at {wanted_hz:g} Hz"
        )
    columns = delta_columns(vectors["action"], vectors["agent_pos"], ends) if actions is None else []
    if 4 * len(columns) >= vectors["action"].shape[1]:  # a column among many may look so by chance
        raise InputError(
            f"data.rate_hz={wanted_hz:g}: store {store}: action {columns} looks like differences, which "
            "would have to be added up over the frames that are left out; expected targets, or a store at "
            f"{wanted_hz:g} Hz; data.actions=targets says that they are none"
        )
    rows, kept = kept_rows(ends, rate_hz, wanted_hz)
    commands = last_commands(rows, kept, ends)
    taken = {name: values[commands if name == "action" else rows] for name, values in vectors.items()}
    ratio = rate_hz / wanted_hz
    how = f"one frame in {ratio:g}" if ratio == int(ratio) else "the frames nearest in time"
    note = f"{rate_hz:g} Hz brought to {wanted_hz:g}: {how}, each with the last action before the next"
    if actions is None:
        note += ", which is taken for a target; differences would have to be added up (see data.actions)"
    note = f"{'note' if actions else 'warning'}: store {store}: {note}"
    return taken, kept, rows, note
