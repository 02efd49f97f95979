"""Placement of what figures write."""

import itertools

import numpy as np
import pytest
from matplotlib.colors import rgb_to_hsv, to_rgb
from matplotlib.lines import Line2D
from matplotlib.text import Text
from PIL import Image

from align.analysis.figures import style as figures
from align.analysis.figures.style.looks import luminance
from align.analysis.statistics.intervals import Interval
from align.domain import Domain


def test_names_of_points_cover_nothing_and_those_without_room_are_left_out():
    with figures.style():
        figure, axes = figures.canvas(1, 1, figures.COLUMN, 2)
        ax, rng = axes[0, 0], np.random.default_rng(0)
        points = {i: (x, y) for i, (x, y) in enumerate(rng.uniform(0.4, 0.6, (12, 2)))}
        ax.plot(*np.array(list(points.values())).T, "o")
        ax.set(xlim=(0, 1), ylim=(0, 1))
        figures.finish(figure)
        figures.name_points(ax, points, {i: f"arm {i}" for i in range(6)} | {6: "far too long a name " * 5})
        figure.draw_without_rendering()
        boxes = [Text.get_window_extent(text, figure.canvas.get_renderer()) for text in ax.texts]
        told = [text.get_text() for text in ax.texts]
        assert 2 <= len(told) and set(told) <= {f"arm {i}" for i in range(6)}
        assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
        at = ax.transData.transform(list(points.values()))
        assert not any(box.contains(*point) for box in boxes for point in at)


def test_a_word_longer_than_a_line_is_broken_where_it_may_be():
    lines = figures.wrap("a/long/path/of/a/user, and words", 8, 0.6).split("\n")
    assert "".join(lines).replace(" ", "") == "a/long/path/of/a/user,andwords" and len(lines) > 2
    assert lines[0].endswith("/")


def test_one_family_has_one_hue_and_no_two_arms_are_alike():
    labels = ["co-training", "gated-.1", "gated-annotated", "adda, lambda=0.1", "adda+guidance, lambda=0.1"]
    assert figures.families(labels) == ["co", "gated", "gated", "adda", "adda"]
    assert figures.families(["alpha=0, real=10", "alpha=1, real=10"]) == ["real=10"] * 2
    many = [f"{name}-{i}" for name in "abcdefghijkl" for i in range(1 + (name < "e"))]
    looks = figures.arm_looks(figures.families(many))
    assert len({tuple(look.values()) for look in looks}) == len(many)
    for family in "abcd":
        of = [rgb_to_hsv(to_rgb(looks[i]["color"]))[0] for i, m in enumerate(many) if m.startswith(family)]
        assert np.ptp(of) < 0.02


@pytest.mark.parametrize("panels", [4, 5, 6])
@pytest.mark.parametrize("low", [-0.16, -0.0162, -0.5, 0.0, -1600.0])
def test_labels_along_x_do_not_run_together(panels, low):
    with figures.style():
        figure, axes = figures.canvas(1, panels, figures.DOUBLE, 1, sharey=True)
        for ax in axes[0]:
            ax.plot([low, -low / 3 if low else 1e-3], [0, 1])
        figures.finish(figure)
        for ax in axes[0]:
            left, right = ax.get_xlim()
            labels = [t for t in ax.get_xticklabels() if left <= t.get_position()[0] <= right]
            boxes = [Text.get_window_extent(t) for t in labels]
            space = 0.4 * 7 / 72 * figure.dpi
            assert len(boxes) > 1
            assert all(b.x0 - a.x1 > space for a, b in itertools.pairwise(boxes)), labels


@pytest.mark.parametrize("n", [1, 2, 9])
def test_no_arm_is_so_pale_that_it_vanishes_on_paper(n):
    """By the contrast of its colour with white (WCAG 2.2)."""
    for look in figures.arm_looks([f"family {i}" for i in range(9) for _ in range(n)]):
        assert 1.05 / (luminance(to_rgb(look["color"])) + 0.05) > 1.6, look


def test_nine_arms_of_one_family_have_nine_markers():
    assert len({look["marker"] for look in figures.arm_looks(["a family"] * 9)}) == 9


def test_the_cross_of_intervals_does_not_make_a_disk_of_an_x():
    pictures, whole = [], Interval(0.5, 0.0, 1.0)
    for marker in "oX":
        with figures.style():
            figure, axes = figures.canvas(1, 1, 2, 2)
            figures.crossed(axes[0, 0], whole, whole, "an arm", {"color": "#332288", "marker": marker})
            figures.finish(figure)
            figure.canvas.draw()
            x, y = axes[0, 0].transData.transform((0.5, 0.5)).round().astype(int)
            pixels = np.asarray(figure.canvas.buffer_rgba())[::-1, :, 0]
        pictures.append(pixels[y - 11 : y + 11, x - 11 : x + 11] < 100)
    assert (pictures[0] != pictures[1]).mean() > 0.1


def test_a_single_training_has_no_ring_of_its_own():
    with figures.style():
        _, axes = figures.canvas(1, 1, 2, 2)
        figures.trainings(axes[0, 0], 0.0, [0.5], figures.BLUE)
        assert not axes[0, 0].collections
        figures.trainings(axes[0, 0], 0.0, [0.5, 0.6], figures.BLUE)
        assert len(axes[0, 0].collections[0].get_offsets()) == 2


def test_bands_that_overlap_turn_no_other_colour():
    with figures.style():
        figure, axes = figures.canvas(1, 1, 2, 2)
        for low, colour in ((0.0, figures.BLUE), (0.3, figures.VERMILION)):
            figures.band(axes[0, 0], Interval(low + 0.2, low, low + 0.5), colour)
        axes[0, 0].set(ylim=(0, 1), xlim=(0, 1))
        axes[0, 0].axis("off")
        figures.finish(figure)
        seen = {}
        figure.canvas.draw()
        pixels = np.asarray(figure.canvas.buffer_rgba())
        for y in (0.15, 0.45, 0.7):
            x, row = axes[0, 0].transData.transform((0.5, y)).round().astype(int)
            seen[y] = tuple(pixels[len(pixels) - row, x, :3].tolist())
    assert seen[0.45] == seen[0.7] != seen[0.15], "the upper band, where both are"


def test_an_auc_axis_spreads_what_is_near_1():
    with figures.style():
        _, axes = figures.canvas(1, 1, 3, 2)
        ax = axes[0, 0]
        ax.plot([0.5, 0.95, 0.99, 0.999], [0, 1, 2, 3], "o")
        figures.auc_axis(ax)
        x = ax.transData.transform([(auc, 0) for auc in (0.5, 0.95, 0.99, 0.999)])[:, 0]
    np.testing.assert_allclose(
        np.diff(x) / (x[-1] - x[0]), np.diff([0, 1.645, 2.326, 3.09]) / 3.09, atol=1e-3
    )
    assert [t.get_text() for t in ax.get_xticklabels()][-1] == "≥ 0.999"
    assert figures.at_edge(Interval(1.0, 0.97, 1.0)) == Interval(0.999, 0.97, 0.999)


@pytest.mark.parametrize("low", [0.0, 0.03, 0.3, 0.5])
def test_numbers_of_an_auc_axis_do_not_run_into_each_other(low):
    """In the narrowest panel, one of three; the ends and chance are always there."""
    with figures.style():
        figure, axes = figures.canvas(1, 3, figures.DOUBLE, 2)
        ax = axes[0, 1]
        ax.plot(figures.to_edge([low, 1]), [0, 1])
        figures.auc_axis(ax)
        figure.draw_without_rendering()
        boxes = [label.get_window_extent() for label in ax.get_xticklabels()]
    shown = [label.get_text() for label in ax.get_xticklabels()]
    assert "0.5" in shown and shown[-1] == "≥ 0.999" and (shown[0] == "≤ 0.001") == (low == 0)
    assert all(a.x1 + 2 < b.x0 for a, b in itertools.pairwise(boxes)), shown


def test_sim_and_real_have_one_colour_each_in_every_figure():
    assert figures.DOMAIN_COLOUR == {Domain.SIM: figures.BLUE, Domain.REAL: figures.VERMILION}
    assert all(figures.place_look(d.label)["color"] == figures.DOMAIN_COLOUR[d] for d in Domain)


def test_series_are_told_apart_and_take_no_domains_or_sites_colour():
    looks = [tuple(figures.look(i).values()) for i in range(49)]
    assert len(set(looks)) == 49
    places = {
        figures.place_look(name)["color"] for name in ("sim", "real", "image", "observation", "denoiser")
    }
    assert not places & {colour for colour, _ in looks}


@pytest.mark.parametrize("values", [[0], [0, 1], [0, 1e-4, 1e-3, 1e-2, 1e-1, 0.3, 1], [0.1, 0.2], [1]])
def test_the_broken_axis_keeps_order_and_spaces_its_labels(values):
    axis = figures.BrokenLogAxis(values)
    at = [axis(v) for v in values]
    assert (np.diff(at) > 0).all()
    shown = np.array([axis(v) for v in axis.ticks()])
    assert set(axis.ticks()) <= set(values)
    assert len(shown) < 3 or np.diff(shown).min() >= 0.1 * np.ptp(shown)


def test_a_legend_of_many_arms_has_an_entry_a_family_with_the_marks_of_all_its_arms():
    arms = [f"a{i}" for i in range(12)]
    families = ["odd" if i % 2 else "even" for i in range(11)] + ["alone"]
    looks = figures.arm_looks(families)
    with figures.style():
        figure, axes = figures.canvas(1, 1, figures.COLUMN, 2)
        ax = axes[0, 0]
        for arm, look in zip(arms, looks, strict=True):
            ax.plot([0], [0], linestyle="none", label=arm, **look)
        ax.plot([0, 1], [0, 1], label="front")
        legend = figures.by_family(figures.named([ax]), arms, families, looks)
        figures.finish(figure, legend=legend)
        (drawn,) = figure.legends
    assert list(legend) == ["even: a0, a2, a4, a6, a8, a10", "odd: a1, a3, a5, a7, a9", "a11", "front"]
    marks = [
        (line.get_color(), line.get_marker()) for line in drawn.findobj(Line2D) if line.get_marker() != "None"
    ]
    expected = [tuple(looks[i].values()) for i in [*range(0, 11, 2), *range(1, 11, 2), 11]]
    assert marks == expected
    comma = [f"{arm}, lambda=1" for arm in arms]
    handles = {f"{arm}, lambda=1": handle for arm, handle in figures.named([ax]).items()}
    assert "; a2, lambda=1; " in next(iter(figures.by_family(handles, comma, families, looks)))
    sizes = [f"sim={i}, real={10 + i % 2}" for i in range(12)]
    handles = dict(zip(sizes, figures.named([ax]).values(), strict=False))
    of_size = figures.by_family(handles, sizes, [size.split(", ")[1] for size in sizes], looks)
    assert next(iter(of_size)) == "real=10: sim=0, sim=2, sim=4, sim=6, sim=8, sim=10"
    named = ["coral, lambda=1", "moments, lambda=1", *arms[2:]]
    handles = dict(zip(named, figures.named([ax]).values(), strict=False))
    of_name = figures.by_family(handles, named, ["moments"] * 2 + ["rest"] * 10, looks)
    assert next(iter(of_name)) == "moments: coral, lambda=1; moments, lambda=1"
    plain = figures.by_family(figures.named([ax]), arms, ["a"] * 12, looks)
    assert list(plain) == [", ".join(arms), "front"], (
        "a family that its arms' names begin with goes without saying"
    )
    few = figures.by_family(figures.named([ax]), arms[:3], families[:3], looks[:3])
    assert list(few)[:3] == ["a0", "a2", "a1"], "a few are named one by one, a family beside each other"


def test_cameras_beside_each_other_are_told_apart():
    names = ["image", "image.top", "denoiser", "image.wrist", "image.left"]
    looks = figures.place_looks(names)
    assert len({(look["color"], look["marker"]) for look in looks}) == len(names)
    assert looks[0] == figures.place_look("image") and looks[1] == figures.place_look("image.top")


def test_what_is_in_many_sweeps_has_one_look_in_all():
    three = ["co-training", "real-only", "sim-only"]
    expected = dict(zip(three, figures.arm_looks(figures.families(three)), strict=True))
    for labels in (three[::-1], ["gated", *three, "adda"], ["real-only", "mmd, lambda=1", "co-training"]):
        found = dict(zip(labels, figures.arm_looks(figures.families(labels)), strict=True))
        assert all(found[name] == expected[name] for name in labels if name in expected)
        assert len({look["color"] for look in found.values()}) == len(labels)


def test_a_name_lies_on_no_whisker_and_nearer_to_its_point_than_to_any_other():
    points = {0: (0.5, 0.5), 1: (0.58, 0.62), 2: (0.42, 0.6), 3: (0.5, 0.3)}
    with figures.style():
        figure, axes = figures.canvas(1, 1, 3, 2)
        ax = axes[0, 0]
        for x, y in points.values():
            figures.whiskers(ax, [x], [Interval(y, y - 0.1, y + 0.1)], color=figures.BLUE, marker="o")
            figures.whiskers(ax, [y], [Interval(x, x - 0.3, x + 0.3)], horizontal=True, color=figures.BLUE)
        figures.reference(ax, y=0.2)
        ax.set(xlim=(0, 1), ylim=(0, 1))
        figures.finish(figure)
        figures.name_points(ax, points, {i: f"{i}" for i in points} | {3: "below"})
        figure.draw_without_rendering()
        boxes = {t.get_text(): Text.get_window_extent(t, figure.canvas.get_renderer()) for t in ax.texts}
        at = {i: ax.transData.transform(xy) for i, xy in points.items()}
        lines = [ax.transData.transform(s) for c in ax.collections for s in c.get_segments()]
        lines.append(ax.transData.transform([(0, 0.2), (1, 0.2)]))
    assert len(boxes) >= 2
    for name, box in boxes.items():
        assert not any(box.contains(*xy) for line in lines for xy in np.linspace(*line, 200))
        away = {i: np.hypot(*np.maximum(np.maximum(box.min - xy, xy - box.max), 0)) for i, xy in at.items()}
        assert min(away, key=away.get) == (3 if name == "below" else int(name))


def test_of_more_families_than_hues_each_has_a_look():
    labels = [f"alpha={a}, real={r}" for r in range(10, 22) for a in (0.1, 0.5)]
    looks = figures.arm_looks(figures.families(labels))
    assert len(looks) == 24 and len({tuple(look.values()) for look in looks}) > 18


def test_a_saved_figure_has_a_palette_and_looks_as_drawn(tmp_path):
    """Of 1,000 pixels no more than one is of a colour that an eye could tell from the one drawn."""
    rng = np.random.default_rng(0)
    with figures.style():
        figure, axes = figures.canvas(1, 2, figures.DOUBLE, 2.0)
        figures.cloud(axes[0, 0], rng.random((600, 2)), np.arange(600) % 2)
        for i in range(9):
            look = figures.look(i, 0.3 * (i % 2))
            figures.whiskers(axes[0, 1], [i], [Interval(0.5, 0.2, 0.9)], **look, label=f"arm {i}")
        figures.finish(
            figure, title="A title", legend=figures.named(axes.flat), caption="What marks are. " * 9
        )
    with figures.style():
        figure.savefig(tmp_path / "full.png")
    figures.save(figure, tmp_path / "few.png")
    with Image.open(tmp_path / "full.png") as full, Image.open(tmp_path / "few.png") as few:
        assert few.mode == "P" and few.size == full.size and round(few.info["dpi"][0]) == 300
        drawn, saved = (np.asarray(image.convert("RGB"), int) for image in (full, few))
    off = np.abs(drawn - saved).max(-1)
    assert (off > 16).mean() < 1e-3 and not off[(drawn == 255).all(-1)].any()
    assert (tmp_path / "few.png").stat().st_size < 0.5 * (tmp_path / "full.png").stat().st_size
