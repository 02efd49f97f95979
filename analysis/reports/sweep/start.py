"""The score before the first action: that of a policy which does nothing, where a world stands still."""

from collections.abc import Sequence

import numpy as np

from align.analysis.reports.sweep.estimates import Sweep
from align.analysis.reports.sweep.metric import Metric
from align.worlds.batch import START


def start_score(sweep: Sweep, worlds: Sequence[str]) -> float | None:
    """The mean score at the start of the trials.

    Args:
        sweep: Its runs have all their trials begin alike.
        worlds: Those that share a panel.

    Returns:
        None where it was not recorded, as in older runs, or differs between runs or worlds: then no line is
        right for all of them.
    """
    columns = [str(Metric("rollout", world, START)) for world in worlds]
    scored = [str(Metric("rollout", world, "score")) for world in worlds]
    if not columns or not set(columns) <= set(sweep.frame.columns):
        return None
    found = sweep.frame[columns].to_numpy(float)[sweep.frame[scored].notna().to_numpy()]
    agree = len(found) > 0 and np.isfinite(found).all() and np.ptp(found) < 1e-4
    return float(found.mean()) if agree else None
