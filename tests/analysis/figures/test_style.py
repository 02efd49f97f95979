"""Placement of what figures write."""

import numpy as np
import pytest

from align.analysis.figures import style as figures
from align.domain import Domain


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


def test_sim_and_real_have_one_colour_each_in_every_figure():
    assert figures.DOMAIN_COLOUR == {Domain.SIM: figures.BLUE, Domain.REAL: figures.VERMILION}
    assert all(figures.place_look(d.label)["color"] == figures.DOMAIN_COLOUR[d] for d in Domain)


def test_arms_are_told_apart():
    looks = [tuple(figures.look(i).items()) for i in range(49)]
    assert len(set(looks)) == 49


@pytest.mark.parametrize("values", [[0], [0, 1], [0, 1e-4, 1e-3, 1e-2, 1e-1, 0.3, 1], [0.1, 0.2], [1]])
def test_the_broken_axis_keeps_order_and_spaces_its_labels(values):
    axis = figures.BrokenLogAxis(values)
    at = [axis(v) for v in values]
    assert (np.diff(at) > 0).all()
    shown = np.array([axis(v) for v in axis.ticks()])
    assert set(axis.ticks()) <= set(values)
    assert len(shown) < 3 or np.diff(shown).min() >= 0.1 * np.ptp(shown)
