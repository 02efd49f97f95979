"""The choice of α as it is drawn: which way it runs, and which one is ringed."""

import numpy as np
import pytest
from artists import curves, whiskers

from align.analysis.figures import style as figures
from align.analysis.figures.alpha import OfData, figure_alpha
from align.analysis.statistics.intervals import Interval
from align.analysis.statistics.selection import Selection


def _of_data(name, alphas, heights, wins, notes):
    test = [Interval(h, h - 0.1, h + 0.05) for h in heights]
    best = int(np.argmax(wins))
    return OfData(name, alphas, notes, Selection(best, np.array(wins), np.array(heights), test, []))


def test_success_and_how_often_each_is_best_rise_and_fall_where_they_do():
    alphas, heights, wins = [0.0, 1.0, 0.02, 0.5], [0.2, 0.4, 0.5, 0.8], [0.0, 0.1, 0.2, 0.7]
    groups = [
        _of_data("10 real", alphas, heights, wins, ["", "", "natural", ""]),
        _of_data("50 real", alphas, heights[::-1], wins[::-1], [""] * 4),
    ]
    left, right = figure_alpha(groups, "Score in real").axes
    assert left.get_ylabel() == "Score in real, test trials" and right.get_ylabel().startswith("Share")
    assert left.get_xlabel() == right.get_xlabel() and "Weight α of real data" in left.get_xlabel()
    for i, group in enumerate(groups):
        look = figures.look(i)
        shown = [w for w in whiskers(left) if w.label == group.name]
        assert {(w.colour, w.marker) for w in shown} == {(look["color"], look["marker"])}
        expected = zip(group.alphas, group.chosen.test, strict=True)
        assert [(w.x, w.y, w.low, w.high) for w in shown] == [pytest.approx((x, *t)) for x, t in expected]
        order = np.argsort(group.alphas)
        values = np.array([t.value for t in group.chosen.test])
        for ax, heights_of in ((left, values), (right, group.chosen.wins)):
            points = np.column_stack([np.array(group.alphas)[order], heights_of[order]])
            np.testing.assert_allclose(curves(ax)[look["color"]], points)
        (ring,) = [
            line for line in left.lines if line.get_markersize() == 9 and line.get_mec() == look["color"]
        ]
        best = group.chosen.best
        assert tuple(ring.get_xydata()[0]) == (group.alphas[best], values[best])
    (note,) = [text for text in left.texts if text.get_text()]
    assert (note.get_text(), note.xy) == ("natural", (0.02, 0.5))
