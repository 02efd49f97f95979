"""Published figures and ours: ticks of ratios that a claim about a few times as much can be read from."""

import itertools

import numpy as np
import pytest

from align.analysis.figures.claims import Row, figure_claims
from align.analysis.statistics.intervals import Interval


def row(unit, ours):
    published, where = Interval(2.5, 2.0, 3.0), (2.0, 3.0)
    return Row("A claim", "a row", unit, 1.0, where, 2.0, published, ours, ours, None, "undecided")


@pytest.mark.parametrize(
    ("low", "high", "shown"),
    [(0.27, np.inf, {"1", "2", "5", "20"}), (1.5, 3.0, {"1", "2"}), (0.0, np.inf, {"0.1", "1", "3", "10"})],
)
def test_ratios_have_ticks_that_can_be_read_and_do_not_touch(low, high, shown):
    others = [row(unit, Interval(0.7, 0.6, 0.8)) for unit in ("Difference", "Probe accuracy")]
    rows = [others[0], row("Ratio", Interval(2.4, low, high)), others[1]]
    figure = figure_claims(rows, "Claims")
    ax = figure.axes[1]
    figure.draw_without_rendering()
    left, right = ax.get_xlim()
    ticks = [t for t in ax.get_xticklabels() if left <= t.get_position()[0] <= right]
    assert shown <= {t.get_text() for t in ticks}
    boxes = [t.get_window_extent() for t in ticks]
    assert all(a.x1 + 2 < b.x0 for a, b in itertools.pairwise(boxes))
    assert figure.texts[0].get_text() == "Claims"
