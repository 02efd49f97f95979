"""What figures of arms show is what was measured of them: which world, which arm, which axis, which way."""

import json

import numpy as np
import pytest
from artists import curves, dotted, references, whiskers
from synthetic_runs import rollouts, write_probe, write_run

from align.analysis.figures import style as figures
from align.analysis.figures.series import Panel, Point, Series
from align.analysis.figures.style import BrokenLogAxis
from align.analysis.figures.weights import figure_weights
from align.analysis.reports import arms
from align.analysis.reports.arm_table import ArmTable
from align.analysis.reports.sweep import Metric, Sweep
from align.analysis.statistics.intervals import Interval

WEIGHTS = (0, 0.01, 1.0)
AT_START = rollouts(0.5, 30, 0)["start_score"].mean()


@pytest.fixture(scope="module")
def over_weights(tmp_path_factory):
    """The score rises with λ, the AUC falls; policies do better in simulation."""
    path = tmp_path_factory.mktemp("weights")
    for i, value in enumerate(WEIGHTS):
        for seed in (0, 1):
            point = {"lambda": value, "seed": seed}
            run = path / f"{value}_{seed}"
            write_run(run, point, skill=0.4 + 0.15 * i, seed=seed, episodes=4, windows=1)
            write_probe(run, auc=0.9 - 0.1 * i + 0.01 * seed, mmd2=0.3 - 0.1 * i)
    return Sweep(path)


@pytest.fixture(scope="module")
def named(tmp_path_factory):
    """Three arms, the second without a probe."""
    path = tmp_path_factory.mktemp("named")
    for i, method in enumerate(("co-training", "mmd", "coral")):
        for seed in (0, 1):
            point = {"method": method, "seed": seed}
            run = path / f"{method}_{seed}"
            write_run(run, point, skill=0.5 + 0.2 * i, seed=seed, episodes=4, windows=1)
            if method != "mmd":
                write_probe(run, auc=0.9 - 0.15 * i, mmd2=0.3 - 0.1 * i)
    kinds = {"method": {"distance": ["mmd", "coral"]}}
    (path / "grid.json").write_text(json.dumps({"reference": {"method": "mmd"}, "families": kinds}))
    return Sweep(path)


def _panels(figure):
    return [ax for ax in figure.axes if ax.get_visible()]


@pytest.mark.parametrize("name", ["lambda.png", "lambda_wide.png"])
def test_each_metric_is_drawn_over_its_weight_in_the_colour_of_its_world(over_weights, name):
    drawn = arms.draw(over_weights)
    assert set(drawn) == {"lambda.png", "lambda_wide.png"}
    position = BrokenLogAxis(WEIGHTS)
    panels = [("rollout", ("sim", "real"), "score"), ("rollout", ("sim", "real"), over_weights.success)]
    panels += [("probe", ("image",), "auc"), ("probe", ("image",), "mmd2")]
    for ax, (kind, places, metric) in zip(_panels(drawn[name]), panels, strict=True):
        of_panel = Metric(kind, places[0], metric)
        assert ax.get_ylabel() == of_panel.title
        assert references(ax)[1] == ([] if of_panel.chance is None else [of_panel.chance])
        assert dotted(ax)[1] == ([pytest.approx(AT_START)] if metric == "score" else [])
        found = whiskers(ax)
        assert len(found) == len(places) * len(WEIGHTS)
        for place in places:
            look = figures.place_look(place)
            series = [w for w in found if w.label == place]
            assert {(w.colour, w.marker) for w in series} == {(look["color"], look["marker"])}
            for weight, arm, shown in zip(WEIGHTS, over_weights.arms(), series, strict=True):
                interval = over_weights.estimate(arm.runs, Metric(kind, place, metric)).interval
                assert (shown.y, shown.low, shown.high) == pytest.approx(tuple(interval))
                assert shown.x == pytest.approx(position(weight), abs=0.05 * position.span)
            joined = curves(ax)[look["color"]]
            assert joined == [pytest.approx((w.x, w.y)) for w in series[1:]], "λ = 0 stands apart"
            pale = pytest.approx([0.12 * c + 0.88 for c in _rgb(look["color"])])
            bands = [p.get_bbox() for p in ax.patches if p.get_facecolor()[:3] == pale]
            assert [(b.y0, b.y1) for b in bands] == [pytest.approx((series[0].low, series[0].high))]
    assert whiskers(_panels(drawn[name])[0])[0].x < whiskers(_panels(drawn[name])[0])[-1].x


def _rgb(colour):
    return tuple(int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5))


def test_a_star_lies_above_the_interval_and_above_every_training():
    at = {w: Interval(0.1 * w, 0.1 * w, 0.1 * w + 0.1) for w in (0, 1, 8)}
    points = [(w, Point(interval, [0.0, 0.5], True, w > 0)) for w, interval in at.items()]
    panels = [Panel("Score", [Series("real", points)])] * 4
    for ax in figure_weights(panels, [0, 1, 8], "", wide=True).axes:
        stars = [line.get_ydata()[0] for line in ax.lines if line.get_marker() == (6, 2, 0)]
        assert stars == [0.5, pytest.approx(0.9)]


def test_single_trainings_are_beside_their_mean(over_weights):
    ax = _panels(arms.draw(over_weights)["lambda.png"])[0]
    dots = [c.get_offsets() for c in ax.collections if len(c.get_offsets()) == 2]
    assert len(dots) == 2 * len(WEIGHTS)
    means = sorted((w.x, w.y) for w in whiskers(ax))
    np.testing.assert_allclose(sorted(tuple(map(float, d.mean(0))) for d in dots), means, atol=1e-9)


def test_arms_are_rows_and_worlds_are_colours(named):
    figure = arms.draw(named)["arms.png"]
    panels, of_differences = _panels(figure)[:2], _panels(figure)[2:]
    labels = [label.get_text() for label in panels[0].get_yticklabels()]
    assert labels == ["co-training", "coral", "mmd"] == [arm.label for arm in named.arms()]
    rows = dict(zip(panels[0].get_yticks(), named.arms(), strict=True))
    assert rows[max(rows)].label == "co-training", "the first arm is on top"
    for ax, name in zip(panels, ("score", named.success), strict=True):
        for world in named.worlds:
            colour = figures.place_look(world)["color"]
            shown = {round(w.y): w for w in whiskers(ax, horizontal=True) if w.colour == colour}
            assert len(shown) == 3
            for row, arm in rows.items():
                interval = named.estimate(arm.runs, Metric("rollout", world, name)).interval
                assert (shown[row].x, shown[row].low, shown[row].high) == pytest.approx(tuple(interval))
    assert [dotted(ax)[0] for ax in _panels(figure)] == [[pytest.approx(AT_START)], [], [], []]
    base = named.find(named.arms())
    compared = {row: arm for row, arm in rows.items() if arm.label != "mmd"}
    for last, name in zip(of_differences, ("score", named.success), strict=True):
        assert "− mmd" in last.get_xlabel().replace("\n", " ") and references(last)[0] == [0]
        for world in named.worlds:
            colour = figures.place_look(world)["color"]
            shown = {round(w.y): w for w in whiskers(last, horizontal=True) if w.colour == colour}
            assert set(shown) == set(compared)
            for row, arm in compared.items():
                expected = named.difference(arm.runs, base.runs, Metric("rollout", world, name))
                assert (shown[row].x, shown[row].low, shown[row].high) == pytest.approx(tuple(expected))


def test_discernibility_is_to_the_right_and_success_upwards(named):
    figure = arms.draw(named)["discernibility.png"]
    score = Metric("rollout", "real", "score")
    for ax, name in zip(_panels(figure), ("auc", "mmd2"), strict=True):
        probed = Metric("probe", "image", name)
        assert (ax.get_xlabel(), references(ax)[0]) == (f"{probed.title}, image", [probed.chance])
        assert dotted(ax)[1] == [pytest.approx(AT_START)]
        up, across = whiskers(ax), whiskers(ax, horizontal=True)
        labels = [arm.label for arm in named.arms()]
        kinds = ["distance" if label in ("mmd", "coral") else label for label in labels]
        looks = dict(zip(labels, figures.arm_looks(kinds), strict=True))
        assert [w.label for w in up] == [label for label in labels if label != "mmd"]
        written = {text.get_text(): tuple(text.xy) for text in ax.texts}
        assert written.items() <= {w.label: (w.x, w.y) for w in up}.items(), "a name is beside its own point"
        for tall, wide in zip(up, across, strict=True):
            arm, look = named.find(named.arms(), tall.label), looks[tall.label]
            x, y = (named.estimate(arm.runs, metric).interval for metric in (probed, score))
            x = figures.at_edge(x) if name == "auc" else x
            assert (tall.x, tall.y) == (wide.x, wide.y) == pytest.approx((x.value, y.value))
            assert (wide.low, wide.high) == pytest.approx(x[1:])
            assert (tall.low, tall.high) == pytest.approx(y[1:])
            assert (tall.colour, tall.marker) == (look["color"], look["marker"])
    assert [ax.get_title(loc="left") for ax in _panels(figure)] == ["(a)", "(b)"]
    assert _panels(figure)[0].get_ylabel() == "Score in real"


def test_there_is_no_line_of_doing_nothing_where_trials_do_not_begin_alike(tmp_path):
    for arm, written in (("a", {}), ("b", {"start_score": 0.2})):
        run = write_run(tmp_path / arm, {"method": arm, "seed": 0}, episodes=2, windows=1)
        trials = rollouts(0.5, 30, 0).assign(**written)
        trials.to_csv(run / "rollouts.csv", index=False)
    assert dotted(arms.draw(Sweep(tmp_path))["arms.png"].axes[0]) == ([], [])
    for arm in ("a", "b"):
        rollouts(0.5, 30, 0).drop(columns="start_score").to_csv(tmp_path / arm / "rollouts.csv", index=False)
    figure = arms.draw(Sweep(tmp_path))["arms.png"]
    assert dotted(figure.axes[0]) == ([], []), "older runs did not record it"


def test_the_table_tells_what_doing_nothing_scores_where_trials_begin_alike(tmp_path):
    begun = {"sim": 0.41, "real": 0.23}
    for arm in ("a", "b"):
        run = write_run(tmp_path / arm, {"method": arm, "seed": 0}, episodes=2, windows=1)
        trials = rollouts(0.5, 30, 0)
        trials.assign(start_score=trials["world"].map(begun)).to_csv(run / "rollouts.csv", index=False)
    notes = ArmTable(Sweep(tmp_path)).notes()
    assert "A policy that does nothing scores 0.41 in sim, 0.23 in real." in notes
    trials.assign(start_score=0.3).to_csv(run / "rollouts.csv", index=False)
    assert not any("nothing" in note for note in ArmTable(Sweep(tmp_path)).notes())
