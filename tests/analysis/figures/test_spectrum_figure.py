"""Spectra: each curve under its own name, its frequencies in cycles a path."""

import numpy as np
from matplotlib.colors import same_color

from align.analysis.figures import style as figures
from align.analysis.figures.spectrum import figure_spectrum
from align.analysis.statistics.smoothness import velocity_spectrum


def power(scale: float) -> np.ndarray:
    return scale / (1 + np.arange(32.0)) ** 2


def test_each_curve_has_its_name_and_look():
    plans = {"GCS plans, same queries": power(1), "GCS plans of the store": power(2)}
    arms = {"first": power(3), "never": None, "third": power(4)}
    figure = figure_spectrum(plans, arms)
    ax = figure.axes[0]
    curves = {line.get_label(): line for line in ax.lines}
    assert list(curves) == [*plans, "first", "third"]
    for name, expected in (plans | {"first": power(3), "third": power(4)}).items():
        np.testing.assert_array_equal(curves[name].get_xdata(), np.arange(1, 32))
        np.testing.assert_array_equal(curves[name].get_ydata(), expected[1:])
        assert curves[name].is_dashed() == (name in plans)
    for i, name in ((0, "first"), (2, "third")):
        assert same_color(curves[name].get_color(), figures.look(i)["color"])
        assert curves[name].get_marker() == figures.look(i)["marker"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == list(curves)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("Cycles a path", "Power of the velocity")
    assert ax.get_xscale() == ax.get_yscale() == "log"


def test_a_wave_peaks_at_its_own_frequency():
    """Five waves of a line's width along a path are five cycles a path."""
    t = np.linspace(0, 1, 400)
    path = np.stack([t, 0.02 * np.sin(2 * np.pi * 5 * t)], axis=1)
    (curve,) = figure_spectrum({"wave": velocity_spectrum([path])}, {}).axes[0].lines
    assert curve.get_xdata()[np.argmax(curve.get_ydata())] == 5
