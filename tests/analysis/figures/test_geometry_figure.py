"""A run's geometry: each panel's marks by site, colour and length."""

import numpy as np
import pytest
from matplotlib.colors import same_color

from align.analysis.figures import style as figures
from align.analysis.figures.geometry import geometry_figure
from align.analysis.statistics.geometry import CKA, Wasserstein, principal_components
from align.analysis.statistics.intervals import Interval
from align.analysis.statistics.neighbours import ActionNeighbours, Mixing
from align.analysis.statistics.permutation import TwoSampleTest
from align.analysis.statistics.probing.probe import Embeddings
from align.analysis.statistics.site_geometry import SiteGeometry
from align.domain import Domain

SIM, REAL = Domain
NAMES = ("image", "observation", "denoiser")


def interval(value: float) -> Interval:
    return Interval(value, value - 0.1, value + 0.2)


def site(i: int, **changes) -> SiteGeometry:
    rng = np.random.default_rng(i)
    domain = np.repeat([0, 1], 30)
    x = rng.normal(size=(60, 3)) * [3, 1, 1] + 4 * np.outer(domain, [1, 0, 0])
    null = rng.normal(0, 0.01, 200)
    found = {
        "tests": {"mmd": TwoSampleTest(0.3, 0.001 * (i + 1), 200, 20.0 * (i + 1), 1.0, null)},
        "a_distance": interval(0.5 * i + 0.2),
        "wasserstein": Wasserstein(1.0, 0.1, 0.2, 1.0),
        "mixing": Mixing(interval(1.5 + i), interval(0.5 + 0.1 * i), interval(0.4), 10),
        "actions": ActionNeighbours(
            {SIM: interval(0.2 + 0.1 * i), REAL: interval(0.7 - 0.1 * i)},
            {SIM: interval(0.45), REAL: interval(0.55)},
            {},
            {},
            10,
        ),
        "cka": CKA(0.95, 0.6 + 0.1 * i, 0.05 * i, 40),
    }
    data = Embeddings(NAMES[i], x, domain, np.repeat(np.arange(12), 5), np.arange(60))
    return SiteGeometry(data=data, **found | changes)


SITES = [site(i) for i in range(3)]


def label_of(ax) -> str:
    return " ".join(ax.get_xlabel().split()).split(" (")[0]


@pytest.fixture
def axes():
    """By label of the x axis."""
    return {label_of(ax): ax for ax in geometry_figure(SITES).axes}


def whiskers(ax):
    """By colour: data points, and segments."""
    found = {}
    for points, _, (bars,) in ax.containers:
        found[points.get_color()] = points.get_xydata(), np.array(bars.get_segments())
    return found


def test_every_panel_has_a_row_a_site_from_top_to_bottom(axes):
    assert list(axes) == [
        "MMD$^2$",
        "Proxy A-distance",
        "Real neighbours / chance",
        "Actions nearer to real",
        "CKA, same states",
        "PC 1",
    ]
    for name, ax in axes.items():
        if name != "PC 1":
            names = [ax.yaxis.get_major_formatter()(i, None) for i in range(3)]
            assert names == list(NAMES)
            np.testing.assert_array_equal(ax.get_yticks(), range(3))
            low, high = ax.get_ylim()
            assert low > 2 > 0 > high


def test_tests_are_effects_beside_what_permutations_give(axes):
    ax = axes["MMD$^2$"]
    points = sorted(
        tuple(line.get_xydata()[0]) for line in ax.lines if line.get_marker() == "o" and len(line.get_xdata())
    )
    assert points == [(20.0, 0.0), (40.0, 1.0), (60.0, 2.0)]
    bars = [p for c in ax.containers for p in c.patches]
    for i, bar in enumerate(bars):
        null = SITES[i].tests["mmd"].null
        low, high = np.quantile((null - null.mean()) / null.std(), [0.0, 0.95])
        assert (bar.get_x(), bar.get_x() + bar.get_width()) == pytest.approx((low, high))
        assert bar.get_y() + bar.get_height() / 2 == pytest.approx(i)
    corrected = ("p = 0.003", "p = 0.004", "p = 0.004")  # of .001, .002 and .003, by Holm
    assert tuple(t.get_text() for t in ax.texts) == corrected
    texts = [t.get_window_extent() for t in ax.texts]
    drawn = [shape.get_window_extent() for shape in (*bars, *(x for x in ax.lines if x.get_marker() == "o"))]
    assert not any(text.overlaps(shape) for text in texts for shape in drawn)
    rows = ax.transData.transform([(0, i) for i in range(3)])[:, 1]
    assert [int(np.abs(rows - text.y0).argmin()) for text in texts] == [0, 1, 2]


def test_distances_run_along_x(axes):
    ((points, segments),) = whiskers(axes["Proxy A-distance"]).values()
    np.testing.assert_allclose(points, [(s.a_distance.value, i) for i, s in enumerate(SITES)])
    for i, s in enumerate(SITES):
        np.testing.assert_allclose(segments[i], [(s.a_distance.low, i), (s.a_distance.high, i)])
    assert set(axes["Proxy A-distance"].lines[-1].get_xdata()) == {0}


def test_neighbours_of_each_domain_have_its_colour(axes):
    found = whiskers(axes["Real neighbours / chance"])
    for domain in Domain:
        points, segments = found[figures.DOMAIN_COLOUR[domain]]
        mixing = [getattr(s.mixing, domain.label) for s in SITES]
        np.testing.assert_allclose(points[:, 0], [m.value for m in mixing])
        np.testing.assert_array_equal(np.round(points[:, 1]), range(3))
        np.testing.assert_allclose(segments[:, :, 0], [m[1:] for m in mixing])


def test_actions_of_each_domain_have_its_colour_and_crosses_are_anywhere(axes):
    ax = axes["Actions nearer to real"]
    found = whiskers(ax)
    for domain in Domain:
        colour = figures.DOMAIN_COLOUR[domain]
        near = [s.actions.closer_to_real[domain] for s in SITES]
        np.testing.assert_allclose(found[colour][0][:, 0], [n.value for n in near])
        (crosses,) = [
            line for line in ax.lines if line.get_marker() == "x" and same_color(line.get_color(), colour)
        ]
        np.testing.assert_allclose(crosses.get_xdata(), [s.actions.anywhere[domain].value for s in SITES])
        np.testing.assert_allclose(crosses.get_ydata(), found[colour][0][:, 1])


def test_cka_is_debiased_beside_states_that_do_not_match(axes):
    lines = [line for line in axes["CKA, same states"].lines if line.get_marker() in "ox"]
    found = {(line.get_marker(), *line.get_xydata()[0]) for line in lines if len(line.get_xdata()) == 1}
    expected = {("o", s.cka.debiased, i) for i, s in enumerate(SITES)}
    assert found == expected | {("x", s.cka.mismatched, i) for i, s in enumerate(SITES)}


def test_the_map_is_of_the_first_site_coloured_by_domain(axes):
    ax, data = axes["PC 1"], SITES[0].data
    xy, _ = principal_components(data.x)
    (dots,) = ax.collections
    for domain in Domain:
        own = [same_color(c[:3], figures.DOMAIN_COLOUR[domain]) for c in dots.get_facecolors()]
        drawn, expected = dots.get_offsets()[own], xy[data.domain == domain]
        np.testing.assert_allclose(sorted(map(tuple, drawn)), sorted(map(tuple, expected)))
    assert "image" in ax.get_title(loc="left")


def test_what_was_not_measured_has_no_panel():
    bare = [site(i, actions=None, cka=None, a_distance=None) for i in range(2)]
    panels = geometry_figure(bare).axes
    assert [label_of(ax) for ax in panels] == ["MMD$^2$", "Real neighbours / chance", "PC 1"]
    assert panels[2].get_position().width > 1.8 * panels[0].get_position().width, "no empty place"
    legend = geometry_figure(SITES).legends[0]
    for handle, text, domain in zip(legend.legend_handles, legend.get_texts(), Domain, strict=True):
        assert text.get_text() == domain.label
        assert same_color(handle.get_color(), figures.DOMAIN_COLOUR[domain])
