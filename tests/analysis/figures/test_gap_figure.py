"""The figure of gaps: corners at their names, and levels of each gap in a look of its own."""

import pytest
from artists import curves, references, whiskers

from align.analysis.figures import style as figures
from align.analysis.figures.gap import figure_gap
from align.analysis.figures.series import Panel, Point, Series
from align.analysis.statistics.intervals import Interval


def _series(name, points):
    return Series(name, [(x, Point(Interval(y, y - 0.1, y + 0.05))) for x, y in points])


def test_corners_and_levels_are_where_they_belong():
    corners = Panel(
        "Score", [_series("told", [(0, 0.9), (3, 0.6)]), _series("not told", [(0, 0.8), (1, 0.5)])]
    )
    gaps = [
        _series("visual", [(0, 0.9), (1, 0.5)]),
        Series("physics", []),
        _series("expert", [(0, 0.9), (1, 0.7)]),
    ]
    levels = [Panel("Score", gaps), Panel("Probe AUC", gaps, 0.5)]
    figure = figure_gap(corners, ["none", "visual", "physics", "both"], levels, "6 runs")
    left, *others = (ax for ax in figure.axes if ax.get_visible())
    assert [t.get_text() for t in left.get_xticklabels()] == ["none", "visual", "physics", "both"]
    assert [ax.get_ylabel() for ax in (left, *others)] == ["Score", "Score", "Probe AUC"]
    assert [references(ax)[1] for ax in (left, *others)] == [[], [], [0.5]]
    for ax, panel, first in ((left, corners, 0), *((ax, p, 2) for ax, p in zip(others, levels, strict=True))):
        assert len(whiskers(ax)) == sum(len(s.points) for s in panel.series)
        for i, series in enumerate(panel.series):
            look = figures.look(first + i)
            shown = [w for w in whiskers(ax) if w.label == series.name]
            for w, (x, point) in zip(shown, series.points, strict=True):
                assert (w.colour, w.marker) == (look["color"], look["marker"])
                assert w.x == pytest.approx(x, abs=0.1)
                assert (w.y, w.low, w.high) == pytest.approx(tuple(point.interval))
            if ax is not left and series.points:
                assert curves(ax)[look["color"]] == [pytest.approx((w.x, w.y)) for w in shown]
