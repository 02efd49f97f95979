"""The figure of both data sizes: all is where its numbers are, in the colour of its |D_real|."""

import numpy as np
import pytest
from matplotlib.colors import same_color

from align.analysis.figures import style as figures
from align.analysis.figures.plateau import Alone, Curve, Law, figure_plateau
from align.analysis.statistics.intervals import Interval
from align.analysis.statistics.plateau import fit_plateau, outcome, pool
from align.analysis.statistics.power_law import fit_power_law
from align.seeding import numpy_rng

SIM, REAL = np.array([0, 20, 60, 200, 600]), np.array([5, 10, 20, 40, 80, 160])


def outcomes(means: np.ndarray) -> list[np.ndarray]:
    """Two runs a size whose mean is as asked."""
    return [np.array([mean - 0.01, mean + 0.01]) for mean in means]


def spread(runs: list[np.ndarray]) -> list[Interval]:
    """Some interval of each size, not that of its neighbours."""
    return [Interval(r.mean(), r.mean() - 0.02 - 0.001 * i, r.mean() + 0.03) for i, r in enumerate(runs)]


def curve(real: int, start: float, top: float, half: float) -> Curve:
    runs = outcomes(start + (top - start) * SIM / (SIM + half))
    cells = pool(runs, 1000)
    return Curve(real, SIM, runs, spread(runs), cells, fit_plateau(SIM, cells), luck=0.02)


def real_alone() -> Alone:
    runs = outcomes(0.1 + 0.75 * REAL / (REAL + 60))
    return Alone(REAL, runs, spread(runs), pool(runs, 1000))


def law() -> Law:
    sim, real = (a.ravel().astype(float) for a in np.meshgrid([20, 60, 200, 600], [10, 20, 40]))
    error = 40 * sim**-0.3 * real**-0.5 * np.exp(numpy_rng(0, "law").normal(0, 0.05, len(sim)))
    return Law("Action MSE", fit_power_law({"sim": sim, "real": real}, error), {"sim": sim, "real": real})


CURVES = [curve(10, 0.25, 0.45, 30), curve(20, 0.3, 0.6, 400)]
COLOURS = [figures.look(i)["color"] for i in range(3)]


@pytest.fixture(scope="module")
def figure():
    return figure_plateau(CURVES, real_alone(), law(), "Score in real", "36 runs")


def points(container) -> np.ndarray:
    return container[0].get_xydata()


def whiskers(container) -> np.ndarray:
    """(n, 2) both ends of each."""
    return np.array(container[2][0].get_segments())[:, :, 1]


def test_success_over_simulated_data(figure):
    ax = figure.axes[0]
    zero, *ticks = ax.get_xticks()
    np.testing.assert_allclose(ticks, np.log10(SIM[1:]))
    assert zero < ticks[0]
    assert [t.get_text() for t in ax.get_xticklabels()] == ["0", "20", "60", "200", "600"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("Simulated demonstrations", "Score in real")
    assert len(ax.containers) == 4
    for i, (shown, cells) in enumerate(zip(CURVES, ax.containers[:2], strict=True)):
        np.testing.assert_allclose(points(cells)[:, 0], [zero, *np.log10(SIM[1:])])
        np.testing.assert_allclose(points(cells)[:, 1], [runs.mean() for runs in shown.runs])
        np.testing.assert_allclose(whiskers(cells), [ends[1:] for ends in shown.intervals])
        assert same_color(cells[0].get_color(), COLOURS[i])
        plateau = ax.containers[2 + i]
        ((x, y),) = points(plateau)
        assert x > np.log10(SIM[-1]) and y == pytest.approx(shown.plateau.value)
        np.testing.assert_allclose(whiskers(plateau), [shown.plateau[1:]])
        assert same_color(plateau[0].get_color(), COLOURS[i])
        fitted = [line for line in ax.lines if len(line.get_xdata()) == 100][i]
        np.testing.assert_allclose(fitted.get_ydata(), shown.fit(10 ** fitted.get_xdata()))
        assert same_color(fitted.get_color(), COLOURS[i])
    hollow = np.concatenate([c.get_offsets() for c in ax.collections if len(c.get_offsets()) == 2])
    np.testing.assert_allclose(
        np.sort(hollow[:, 1]), np.sort(np.concatenate([r for c in CURVES for r in c.runs]))
    )


def test_a_plateau_beyond_the_sizes_tested_is_dotted(figure):
    assert [bool(shown.fit.rising) for shown in CURVES] == [False, True]
    for ax in figure.axes[:2]:
        levels = [line for line in ax.lines if list(line.get_xdata()) == [0, 1]]
        assert len(levels) == 2
        gaps = []
        for i, (shown, line) in enumerate(zip(CURVES, levels, strict=True)):
            assert line.get_ydata()[0] == pytest.approx(float(shown.fit.plateau.value))
            assert same_color(line.get_color(), COLOURS[i])
            gaps.append(line._unscaled_dash_pattern[1][0])
        assert gaps == [4, 1]


def test_the_real_data_that_equals_it(figure):
    ax, alone = figure.axes[1], real_alone()
    assert ax.get_xscale() == "log" and ax.get_xlabel() == "Real demonstrations alone"
    (cells,) = ax.containers
    np.testing.assert_allclose(points(cells), np.stack([REAL, [r.mean() for r in alone.runs]], axis=1))
    marks = {mark: [line for line in ax.lines if line.get_marker() == mark] for mark in ("^", "D")}
    for i, (shown, triangle, diamond) in enumerate(zip(CURVES, marks["^"], marks["D"], strict=True)):
        ratio = alone.ratio(shown.fit.plateau, shown.real)
        np.testing.assert_allclose(triangle.get_xydata(), [[shown.real, 0]])
        np.testing.assert_allclose(
            diamond.get_xydata(), [[ratio.value * shown.real, shown.fit.plateau.value]]
        )
        assert same_color(triangle.get_color(), COLOURS[i]) and same_color(diamond.get_color(), COLOURS[i])
    assert figure.axes[0].get_ylim() == ax.get_ylim(), "one scale"


def test_the_power_law(figure):
    ax, fitted = figure.axes[2], law()
    for i, (real, drawn) in enumerate(zip((10, 20, 40), ax.collections, strict=True)):
        of = fitted.sizes["real"] == real
        assert of.sum() == len(drawn.get_offsets())
        np.testing.assert_allclose(drawn.get_offsets()[:, 0], fitted.fit(fitted.sizes)[of])
        np.testing.assert_allclose(drawn.get_offsets()[:, 1], fitted.fit.errors[of])
        assert (np.diff(drawn.get_offsets()[:, 0]) < 0).all(), "more simulated data, a lower error"
        assert same_color(drawn.get_facecolor()[0], COLOURS[i])
    assert ax.get_ylabel() == "Action MSE, held-out real"
    exponents = {axis: f"{-e.value:+.2f}".replace("-", "−") for axis, e in fitted.fit.exponents.items()}
    caption = " ".join(text.get_text() for text in figure.texts).replace("\n", " ")
    assert f"exponent of sim {exponents['sim']} [" in caption and f"of real {exponents['real']} [" in caption


def test_the_legend_says_what_a_plateau_is_worth(figure):
    (legend,) = figure.legends
    alone = real_alone()
    assert len(legend.get_texts()) == 2
    for i, (shown, text) in enumerate(zip(CURVES, legend.get_texts(), strict=True)):
        said = alone.words(alone.ratio(shown.fit.plateau, shown.real), shown.real)
        extrapolated = " (extrapolated)" if shown.fit.rising else ""
        assert text.get_text().startswith(f"{shown.real} real, plateau{extrapolated}: {said}")
        assert same_color(legend.legend_handles[i].get_color()[0], COLOURS[i])


def test_colours_are_those_of_the_sizes_whatever_else_is_there():
    """The law's 10 real, of which there is no curve yet, takes no other's colour."""
    figure = figure_plateau(CURVES[1:], None, law(), "Score", "")
    (cells, plateau) = figure.axes[0].containers
    assert same_color(cells[0].get_color(), COLOURS[1]) and same_color(plateau[0].get_color(), COLOURS[1])
    assert same_color(figure.axes[2].collections[1].get_facecolor()[0], COLOURS[1])
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["20 real"]


def test_few_sizes_are_shown_without_curves():
    cells = pool(outcomes(np.array([0.2, 0.4])), 1000)
    runs = outcomes(np.array([0.2, 0.4]))
    few = Curve(10, SIM[:2], runs, spread(runs), cells, None, 0.0)
    figure = figure_plateau([few], real_alone(), None, "Score", "")
    assert len(figure.axes[0].containers) == 1
    assert figure.legends[0].get_texts()[0].get_text().startswith("10 real, with 20 sim: ")
    assert len(figure.axes) == 2, "no law, and no panel of it"
    caption = " ".join(text.get_text() for text in figure.texts).replace("\n", " ")
    assert "as good as co-training with the most sim data, <" in caption
    assert "fits" not in caption and "plateau" not in caption


def test_without_a_curve_the_most_simulated_data_is_what_real_data_alone_equals():
    runs, alone = outcomes(np.array([0.2, 0.4])), real_alone()
    few = Curve(10, SIM[:2], runs, spread(runs), pool(runs, 1000), None, 0.0)
    figure = figure_plateau([CURVES[1], few], alone, None, "Score", "")
    (_, diamond) = [line for line in figure.axes[1].lines if line.get_marker() == "D"]
    ratio = alone.ratio(outcome(few.cells, -1), 10)
    np.testing.assert_allclose(diamond.get_xydata(), [[10 * ratio.value, 0.4]])
    assert 10 < 10 * ratio.value < 160 and same_color(diamond.get_color(), COLOURS[0])
    caption = " ".join(text.get_text() for text in figure.texts).replace("\n", " ")
    most = "as co-training with the most sim data where nothing was fitted"
    assert f"as good as the plateau, or {most}, <" in caption
