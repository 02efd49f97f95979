"""Placement of what figures write."""

import numpy as np

from align.analysis.figures import style as figures


def test_spread_boxes_do_not_overlap_and_stay_near():
    rng = np.random.default_rng(0)
    x, y = rng.uniform(0, 0.2, 16), rng.uniform(0.45, 0.55, 16)
    moved = figures.spread(x, y, 0.06, 0.05)
    beside = np.abs(x[:, None] - x) < 0.06
    gap = np.abs(moved[:, None] - moved)
    np.fill_diagonal(gap, 1)
    assert gap[beside].min() > 0.05 - 1e-3
    assert abs(moved.mean() - y.mean()) < 1e-6 and np.abs(moved - y).max() < 0.5
    alone = figures.spread(np.array([0.1, 0.9]), np.array([0.5, 0.5]), 0.06, 0.05)
    assert (alone == 0.5).all()
