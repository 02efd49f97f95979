"""Success against discernibility: the right statistic and site in each panel, a colour a stratum."""

import numpy as np
import pytest
from matplotlib.colors import same_color

from align.analysis.figures import style as figures
from align.analysis.figures.scatter.mechanism import Association, figure_mechanism
from align.analysis.statistics.intervals import Interval

RNG = np.random.default_rng(0)


def association(label: str, correlation: Interval | None = None) -> Association:
    strata = {"one": RNG.random((5, 2)), "two": RNG.random((7, 2))}
    strata["two"][0, 0] = 1.0  # beyond the edge of an axis of AUCs
    of_auc = label.startswith("AUC")
    return Association(label, strata, correlation, 0.5 if of_auc else 0.0, "auc" if of_auc else "root")


@pytest.fixture
def panels():
    return [
        [association(f"{statistic}, {site}", found) for site, found in (("image", RHO), ("denoiser", None))]
        for statistic in ("AUC", "MMD²")
    ]


RHO = Interval(-0.5, -0.8, -0.1)


def test_panels_are_in_order_and_hold_their_points(panels):
    figure = figure_mechanism(panels, "Score in real", "two sweeps")
    assert figure.texts[0].get_text() == "two sweeps"
    for ax, panel in zip(figure.axes, [p for row in panels for p in row], strict=True):
        assert ax.get_xlabel() == panel.label
        for i, (name, drawn) in enumerate(zip(("one", "two"), ax.collections, strict=True)):
            expected = panel.points[name].copy()
            if panel.scale == "auc":
                expected[:, 0] = np.clip(expected[:, 0], 0.001, 0.999)
            np.testing.assert_allclose(drawn.get_offsets(), expected)
            assert same_color(drawn.get_facecolor()[0], figures.look(i)["color"])
            assert drawn.get_label() == name
        assert np.unique(ax.lines[-1].get_xdata()) == panel.chance and ax.get_xscale() == "function"
        assert ax.get_title(loc="right") == ("ρ = −0.50 [−0.80, −0.10]" if panel.correlation else "")
    assert [ax.get_ylabel() for ax in figure.axes] == ["Score in real", ""] * 2
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["one", "two"]
