"""R² in four cells: each site's marks at their cell and height, hollow where untrained."""

import numpy as np
import pytest
from matplotlib.colors import same_color

from align.analysis.figures import style as figures
from align.analysis.figures.task_probe import FLOOR, task_figure
from align.analysis.statistics.intervals import Interval
from align.analysis.statistics.probing.task_probe import CELLS, Decoded
from align.domain import Domain

SIM, REAL = Domain
VALUES = {(SIM, SIM): 0.9, (SIM, REAL): 0.2, (REAL, SIM): -0.3, (REAL, REAL): 0.7}


def decoded(shift: float = 0.0, **changes: float) -> Decoded:
    values = {cell: v + shift for cell, v in VALUES.items()}
    values |= {
        cell: changes[f"{a.label}_{b.label}"]
        for cell in CELLS
        for a, b in [cell]
        if f"{a.label}_{b.label}" in changes
    }
    return Decoded({cell: Interval(v, v - 0.1, v + 0.05) for cell, v in values.items()}, {})


FOUND = {
    "image": {"action": decoded(), "block_pose": decoded(-0.1), "pusher": decoded(0.05)},
    "denoiser": {
        "action": decoded(-0.4),
        "block_pose": decoded(-0.5, sim_real=-4.0),
        "pusher": decoded(-0.3),
    },
}
UNTRAINED = {"image": {task: decoded(-0.25) for task in FOUND["image"]}}


@pytest.fixture
def axes():
    return task_figure(FOUND, UNTRAINED).axes


def marks(ax, colour, hollow: bool):
    """Data points of the series of one colour, filled or hollow, and its whiskers."""
    found = [
        c
        for c in ax.containers
        if same_color(c[0].get_color(), colour) and same_color(c[0].get_markerfacecolor(), "white") == hollow
    ]
    (container,) = found
    return container[0].get_xydata(), [s[:, 1] for s in container[2][0].get_segments() if len(s)]


def test_a_panel_is_a_task_and_a_tick_a_cell(axes):
    assert [ax.get_title() for ax in axes] == ["Action", "Block pose", "Pusher position"]
    ticks = [t.get_text() for t in axes[0].get_xticklabels()]
    assert ticks == ["sim\n→ sim", "sim\n→ real", "real\n→ sim", "real\n→ real"]
    assert axes[0].get_ylabel() == "$R^2$"
    for ax in axes:
        levels = {y for line in ax.lines if line.get_linestyle() == "--" for y in line.get_ydata()}
        assert levels == {0, 1}


def test_marks_stand_at_their_cell_and_height(axes):
    for ax, task in zip(axes, FOUND["image"], strict=True):
        for site, by_task in FOUND.items():
            xy, whiskers = marks(ax, figures.place_look(site)["color"], hollow=False)
            np.testing.assert_array_equal(np.round(xy[:, 0]), range(4))
            for j, cell in enumerate(CELLS):
                r2 = by_task[task].cells[cell]
                if r2.value < FLOOR:
                    assert np.isnan(xy[j, 1])
                    continue
                assert xy[j, 1] == pytest.approx(r2.value)
                assert any(np.allclose(w, r2[1:]) for w in whiskers)


def test_an_untrained_policys_marks_are_hollow_and_beside(axes):
    for ax in axes:
        xy, _ = marks(ax, figures.place_look("image")["color"], hollow=True)
        np.testing.assert_allclose(xy[:, 1], [VALUES[cell] - 0.25 for cell in CELLS])
        assert (xy[:, 0] > marks(ax, figures.place_look("image")["color"], hollow=False)[0][:, 0]).all()


def test_what_is_below_the_floor_is_a_triangle_on_it(axes):
    triangles = [[line for line in ax.lines if line.get_marker() == "v"] for ax in axes]
    assert [len(t) for t in triangles] == [0, 1, 0]
    (line,) = triangles[1]
    ((x, y),) = line.get_xydata()
    assert round(x) == CELLS.index((SIM, REAL)) and y == FLOOR
    assert same_color(line.get_color(), figures.place_look("denoiser")["color"])


def test_the_legend_names_sites_and_a_state_is_called_by_its_name():
    figure = task_figure(FOUND, UNTRAINED)
    assert [t.get_text() for t in figure.legends[0].get_texts()] == ["image", "denoiser"]
    other = task_figure({"image": {"state": decoded(), "pusher": decoded()}}, {})
    assert [ax.get_title() for ax in other.axes] == ["State", "Proprioception"]
