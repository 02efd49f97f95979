"""Spectra: each curve under its own name, its frequencies in cycles a path."""

import numpy as np
from matplotlib.colors import same_color

from align.analysis.figures import style as figures
from align.analysis.figures.spectrum import figure_spectrum
from align.analysis.statistics.smoothness import velocity_spectrum


def power(scale: float) -> np.ndarray:
    return scale / (1 + np.arange(32.0)) ** 2


def test_a_panel_holds_a_family_over_the_plans_and_all_others_in_grey():
    plans = {"GCS plans, same queries": power(1), "GCS plans of the store": power(2)}
    arms = {"gated-.1": power(3), "never": None, "gated-.2": power(4), "alone": power(5)}
    figure = figure_spectrum(plans, arms)
    looks = dict(zip(arms, figures.arm_looks(["gated", "never", "gated", "alone"]), strict=True))
    for ax, own, others in zip(figure.axes, (["gated-.1", "gated-.2"], ["alone"]), (1, 2), strict=False):
        curves = {line.get_label(): line for line in ax.lines if not line.get_label().startswith("_")}
        assert set(curves) == {*plans, *own} and len(ax.lines) == len(curves) + others
        for name in curves:
            np.testing.assert_array_equal(curves[name].get_xdata(), np.arange(1, 32))
            np.testing.assert_array_equal(curves[name].get_ydata(), (plans | arms)[name][1:])
            assert curves[name].is_dashed() == (name in plans)
        for name in own:
            assert same_color(curves[name].get_color(), looks[name]["color"])
            assert curves[name].get_marker() == looks[name]["marker"]
        assert ax.get_xlabel() == "Cycles a path"
        assert ax.get_xscale() == ax.get_yscale() == "log"
    assert figure.axes[0].get_ylabel() == "Power of the velocity"
    shown = {text.get_text() for text in figure.legends[0].get_texts()}
    assert shown == {*plans, "gated-.1", "gated-.2", "alone"}


def test_a_wave_peaks_at_its_own_frequency():
    """Five waves of a line's width along a path are five cycles a path."""
    t = np.linspace(0, 1, 400)
    path = np.stack([t, 0.02 * np.sin(2 * np.pi * 5 * t)], axis=1)
    (curve,) = figure_spectrum({"wave": velocity_spectrum([path])}, {}).axes[0].lines
    assert curve.get_xdata()[np.argmax(curve.get_ydata())] == 5
