"""Success against roughness: each arm's point, whiskers and colour, the front and the plans' lines."""

import numpy as np
import pytest
from matplotlib.colors import same_color

from align.analysis.figures import style as figures
from align.analysis.figures.smoothness import ArmMotion, PlanMotion, figure_smoothness
from align.analysis.statistics.intervals import Interval
from align.domain import Domain

ARMS = [
    ArmMotion("lost", Interval(0.0, 0.0, 0.1), None),
    ArmMotion("rough", Interval(0.9, 0.8, 0.95), Interval(40.0, 30.0, 60.0)),
    ArmMotion("smooth", Interval(0.5, 0.4, 0.65), Interval(4.0, 3.0, 5.0)),
    ArmMotion("beaten", Interval(0.3, 0.2, 0.4), Interval(50.0, 45.0, 55.0)),
]
PLANS = [PlanMotion("RRT", Domain.SIM, 80.0), PlanMotion("GCS", Domain.REAL, 2.0)]


LOOKS = figures.arm_looks([arm.label for arm in ARMS])


@pytest.fixture
def ax():
    return figure_smoothness(ARMS, PLANS, "Acceleration", "Success in maze").axes[0]


def test_each_arm_is_a_point_with_whiskers_both_ways(ax):
    assert len(ax.containers) == 6
    for i, arm in enumerate(ARMS[1:], start=1):
        up, across = ax.containers[2 * i - 2 : 2 * i]
        for bars, low, high in (
            (up, (arm.roughness.value, arm.success.low), (arm.roughness.value, arm.success.high)),
            (across, (arm.roughness.low, arm.success.value), (arm.roughness.high, arm.success.value)),
        ):
            point, _, (whisker,) = bars
            np.testing.assert_allclose(point.get_xydata(), [[arm.roughness.value, arm.success.value]])
            np.testing.assert_allclose(whisker.get_segments(), [[low, high]])
            assert same_color(point.get_color(), LOOKS[i]["color"])
            assert point.get_marker() == LOOKS[i]["marker"]
        assert up.get_label() == arm.label


def test_axes_say_what_they_show(ax):
    assert ax.get_xlabel() == "Acceleration of successful rollouts, median" and ax.get_xscale() == "log"
    assert ax.get_ylabel() == "Success in maze" and ax.get_yscale() == "linear"


def test_front_and_plans_are_lines(ax):
    named = {line.get_label(): line for line in ax.lines}
    np.testing.assert_allclose(named["Pareto front"].get_xydata(), [[4.0, 0.5], [40.0, 0.9]])
    for plan in PLANS:
        line = named[f"{plan.title} plans"]
        assert set(line.get_xdata()) == {plan.roughness}
        assert same_color(line.get_color(), figures.DOMAIN_COLOUR[plan.domain])
    assert len(named["lost: no success"].get_xdata()) == 0
    shown = [text.get_text() for text in ax.figure.legends[0].get_texts()]
    assert set(shown) == {
        "Pareto front",
        "RRT plans",
        "GCS plans",
        "lost: no success",
        "rough",
        "smooth",
        "beaten",
    }
