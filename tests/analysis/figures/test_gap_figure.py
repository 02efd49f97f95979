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
    corners = [
        Panel("Score", [_series("told", [(0, 0.9), (3, 0.6)]), _series("not told", [(0, 0.8), (1, 0.5)])]),
        Panel("Success", [_series("told", [(0, 0.7), (3, 0.2)]), _series("not told", [(1, 0.3)])]),
    ]
    gaps = [
        _series("visual", [(0, 0.9), (1, 0.5)]),
        Series("physics", []),
        _series("expert", [(0, 0.9), (1, 0.7)]),
    ]
    levels = [Panel("Score", gaps), Panel("Success", gaps), Panel("Probe AUC", gaps, 0.5)]
    figure = figure_gap(corners, ["none", "visual", "physics", "both"], levels, "6 runs")
    shown_axes = [ax for ax in figure.axes if ax.get_visible()]
    for ax in shown_axes[:2]:
        assert [t.get_text() for t in ax.get_xticklabels()] == ["none", "visual", "physics", "both"]
    assert [ax.get_ylabel() for ax in shown_axes] == ["Score", "Success", "Score", "Success", "Probe AUC"]
    assert [references(ax)[1] for ax in shown_axes] == [[], [], [], [], [0.5]]
    for number, (ax, panel) in enumerate(zip(shown_axes, [*corners, *levels], strict=True)):
        assert len(whiskers(ax)) == sum(len(s.points) for s in panel.series)
        for i, series in enumerate(panel.series):
            look = figures.look(i if number < 2 else 2 + i)
            shown = [w for w in whiskers(ax) if w.label == series.name]
            for w, (x, point) in zip(shown, series.points, strict=True):
                assert (w.colour, w.marker) == (look["color"], look["marker"])
                assert w.x == pytest.approx(x, abs=0.1)
                assert (w.y, w.low, w.high) == pytest.approx(tuple(point.interval))
            if number >= 2 and series.points:
                assert curves(ax)[look["color"]] == [pytest.approx((w.x, w.y)) for w in shown]
