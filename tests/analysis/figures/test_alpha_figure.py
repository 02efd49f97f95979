"""The choice of α as it is drawn: which way it runs, and which one is ringed."""

import numpy as np
import pytest
from artists import curves, whiskers

from align.analysis.figures import style as figures
from align.analysis.figures.alpha import OfData, figure_alpha
from align.analysis.statistics.intervals import Interval
from align.analysis.statistics.selection import Selection


def _of_data(name, alphas, heights, gaps, notes):
    test = [Interval(h, h - 0.1, h + 0.05) for h in heights]
    behind = [Interval(g, min(g - 0.1, 0), max(g + 0.2, 0)) for g in gaps]
    plausible = np.array([i.high > 0 for i in behind])
    chosen = Selection(int(np.argmax(gaps)), np.array(heights), test, [], plausible, behind)
    return OfData(name, alphas, notes, chosen)


def test_success_and_what_each_is_behind_the_best_are_where_they_should_be():
    alphas, heights, gaps = [0.0, 1.0, 0.02, 0.5], [0.2, 0.4, 0.5, 0.8], [-0.6, -0.4, -0.15, 0.3]
    groups = [
        _of_data("10 real", alphas, heights, gaps, ["", "", "natural", ""]),
        _of_data("50 real", alphas, heights[::-1], gaps[::-1], [""] * 4),
    ]
    left, right = figure_alpha(groups, "Score in real").axes
    assert left.get_ylabel() == "Score in real, test trials" and right.get_ylabel().endswith(
        "best of the other α"
    )
    assert left.get_xlabel() == right.get_xlabel() and "Weight α of real data" in left.get_xlabel()
    for i, group in enumerate(groups):
        look = figures.look(i)
        shown = [w for w in whiskers(left) if w.label == group.name]
        assert {(w.colour, w.marker) for w in shown} == {(look["color"], look["marker"])}
        expected = zip(group.alphas, group.chosen.test, strict=True)
        assert [(w.x, w.y, w.low, w.high) for w in shown] == [pytest.approx((x, *t)) for x, t in expected]
        order = np.argsort(group.alphas)
        values = np.array([t.value for t in group.chosen.test])
        points = np.column_stack([np.array(group.alphas)[order], values[order]])
        np.testing.assert_allclose(curves(left)[look["color"]], points)
        behind = [w for w in whiskers(right) if w.colour == look["color"]]
        assert [(w.y, w.low, w.high) for w in behind] == [
            pytest.approx(tuple(b)) for b in group.chosen.behind
        ]
        hollow = [
            x for line in right.lines if line.get_mfc() == "white" and line.get_mec() == look["color"]
            for x in line.get_ydata()
        ]  # fmt: skip
        assert hollow == [b.value for b in group.chosen.behind if b.high == 0]
        (ring,) = [
            line for line in left.lines if line.get_markersize() == 9 and line.get_mec() == look["color"]
        ]
        best = group.chosen.best
        assert tuple(ring.get_xydata()[0]) == (group.alphas[best], values[best])
    (note,) = [text for text in left.texts if text.get_text()]
    assert (note.get_text(), note.xy) == ("natural", (0.02, 0.5))
