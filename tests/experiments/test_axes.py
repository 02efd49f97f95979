"""Axes: which values go together, and what cannot be one is told before anything runs."""

from collections import Counter

import pytest
import yaml

from align.errors import InputError
from align.experiments.axes import points, read_axes
from align.experiments.grid import load_grid

SEED = {"seed": {"option": "seed_everything", "values": [0, 1]}}


def test_points_are_all_combinations_but_those_ruled_out():
    arms = {"plain": {"only": {"lambda": [0]}}, "aligned": {"model.site": "image"}}
    axes = read_axes(
        {"arm": {"values": arms}, "lambda": {"option": "model.alignment_weight", "values": [0, 1]}}
    )
    found = [tuple(point.values()) for point in points(axes)]
    assert found == [("plain", 0), ("aligned", 0), ("aligned", 1)]
    assert axes["lambda"][1] == {"model.alignment_weight": 1}


def test_a_scale_may_keep_some_values_of_any_axis():
    assert list(read_axes({"seed": {**SEED["seed"], "keep": [1]}})["seed"]) == [1]
    assert list(read_axes({"arm": {"values": {"a": {}, "b": {}}, "keep": ["b"]}})["arm"]) == ["b"]


@pytest.mark.parametrize(
    ("axis", "words"),
    [
        ([0, 1], "axis 'a'"),
        ({"values": [0, 1]}, "expected the options"),
        ({"values": {"one": None}}, "expected the options"),
        ({"option": "x", "values": 3}, "expected a list"),
        ({"option": "x", "values": [[0], [1]]}, "expected a list"),
        ({"option": "x", "value": [0]}, r"^axes\.a\.value of the grid: unknown; did you mean values\?"),
        ({"option": "x", "values": ["net/large"]}, "'net/large' cannot be part of a folder's name"),
        ({"option": "x", "values": [0], "keep": [3]}, r"keep=\[3\]"),
        ({"option": "x", "values": [0], "keep": 0}, "keep=0"),
        ({"values": {"one": {"only": {"seed": 0}}}}, "only of a=one: seed=0; expected a list"),
        ({"values": {"one": {"only": {"sed": [0]}}}}, "only of a=one: .*sed.* expected a mapping of axes"),
        ({"values": {"one": {"x": {"after": "two"}}}}, "x of a=one: 'two'; expected a mapping of axes"),
        ({"values": {"one": {"x": {"after": {"seed": 7}}}}}, "seed=7; expected one of 0, 1"),
    ],
)
def test_what_cannot_be_an_axis_is_named(axis, words):
    with pytest.raises(InputError, match=words):
        read_axes({**SEED, "a": axis})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"axes": {}}, "expected one or more"),
        ({"axes": {**SEED, "a": {"values": {"one": {"only": {"seed": [7]}}}}}}, "no run is left"),
        (
            {"axes": {c: {"option": f"model.{c}", "values": list(range(100))} for c in "abc"}},
            "^grid=.*: axes: 1,000,000 combinations of their values; expected at most 100,000",
        ),
        ({"scales": ["smoke"]}, "scales of grid="),
        (
            {"scales": {"smoke": {"axes": {"sed": {"values": [0]}}}}},
            r"^scales\.smoke\.axes\.sed of grid=.*did you mean seed\?",
        ),
        ({"scales": {"smoke": {"config": {}}}}, r"^scales\.smoke\.config of grid=.*expected one of axes"),
        ({"scales": {"smokey": {}}}, r"^scales\.smokey of grid=.*did you mean smoke\?"),
        ({"axis": {}}, r"^axis of grid=.*did you mean axes\?"),
        ({"config": {}}, "^config of grid=.*expected one of title, "),
        ({"reference": {"sed": 0}}, "reference of grid=.*expected a mapping of axes, some of seed"),
        ({"reference": {"seed": 7}}, "reference of grid=.*seed=7; expected one of 0, 1"),
        ({"axes": {"a": {"option": "trainer.callbacks.9.x", "values": [0]}}}, "part of a list of 1"),
        (
            {"axes": {"a": {"option": "data.alpha.x", "values": [0]}}},
            r"data\.alpha\.x: it would be part of 0\.25",
        ),
    ],
)
def test_what_a_grid_cannot_mean_is_told_before_anything_runs(change, words, tmp_path):
    path = tmp_path / "grid.yaml"
    path.write_text(yaml.safe_dump({"title": "t", "base": "pushing.yaml", "axes": SEED, **change}))
    with pytest.raises(InputError, match=words):
        load_grid(path, "smoke")


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("=1", "set='=1'"),
        ("data.alpha=[1", r"^set='data.alpha=\[1': not YAML \(.*expected ',' or '\]'"),
        ("data.alpha=2026-13-45", "^set='data.alpha=2026-13-45': not YAML .month must be in 1..12"),
        ("data.alpha=!!int", "^set='data.alpha=!!int': not YAML"),
        ("trainer.callbacks.first.x=1", "trainer.callbacks.first.x: it would be part of a list of 1"),
        ("data.alpha.x=1", "data.alpha.x: it would be part of 0.25"),
    ],
)
def test_options_that_cannot_be_set_are_named(override, words):
    with pytest.raises(InputError, match=words):
        load_grid("lambda", "smoke", overrides=[override])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"base": "base.yaml"}, "lies over itself"),
        ({"confg": {}}, r"^confg of base='.*base.yaml': unknown; did you mean config\?"),
        ({"scales": {"smoke": {"demo": {}}}}, r"^scales\.smoke\.demo of base='.*did you mean demos\?"),
        (
            {"scales": {"smoke": "small"}},
            r"^scales\.smoke of base='.*base.yaml': 'small'; expected a mapping",
        ),
        (
            {"demos": {"data.more": "many"}},
            r"^demos\.data\.more of base='.*base.yaml': 'many'; expected a map",
        ),
        ({"scales": {"smoke": {"config": 3}}}, "^config of grid='.*base.yaml': 3; expected a mapping"),
    ],
)
def test_what_a_base_cannot_mean_is_told_before_anything_runs(change, words, tmp_path):
    path = tmp_path / "base.yaml"
    content = {"base": "pushing.yaml", "config": {}, "demos": {}, "scales": {}}
    path.write_text(yaml.safe_dump({**content, **change}))
    with pytest.raises(InputError, match=words):
        load_grid("lambda", "smoke", str(path))


def test_seeds_are_as_many_as_asked_for_and_more_of_the_reference():
    own = {run.name: run.config for run in load_grid("plateau", "smoke").runs}
    grid = load_grid("plateau", "smoke", seeds=3, reference_seeds=5)
    assert set(own) < {run.name for run in grid.runs} and all(
        run.config == own[run.name] for run in grid.runs if run.name in own
    )
    seeds = {}
    for run in grid.runs:
        assert run.config["seed_everything"] == run.config["data"]["seed"] == run.point["seed"]
        seeds.setdefault((run.point["sim"], run.point["real"]), []).append(run.point["seed"])
    assert {arm: len(found) for arm, found in seeds.items()} == {
        (sim, real): 5 if sim == 0 else 3 for sim, real in seeds
    }
    first = load_grid("lambda", "smoke", seeds=1, reference_seeds=2)  # names no reference: the first value
    assert [run.name for run in first.runs] == ["lambda=0,seed=0", "lambda=0,seed=1", "lambda=1,seed=0"]
    alike = load_grid("lambda", "smoke", seeds=1, reference_seeds=1)  # no more of them is no mistake
    assert [run.name for run in alike.runs] == ["lambda=0,seed=0", "lambda=1,seed=0"]
    assert grid.takes == "" != load_grid("lambda", "smoke").takes == "smoke 1 min, laptop 10 runs"


def test_what_the_reference_starts_from_has_its_seeds_too(tmp_path):
    starts = {
        "sim-only": {},
        "tuned": {"model.initial": {"after": {"method": "sim-only"}}},
        "twice": {"model.initial": {"after": {"method": "tuned"}}},
        "other": {"model.initial": {"after": {"method": "sim-only"}}},
    }
    axes = {"method": {"values": starts}, "seed": {"option": ["seed_everything", "data.seed"], "values": [0]}}
    grid = {"title": "t", "base": "pushing.yaml", "axes": axes, "reference": {"method": "twice"}}
    path = tmp_path / "grid.yaml"
    path.write_text(yaml.safe_dump(grid, sort_keys=False))
    runs = {run.name: run for run in load_grid(path, "smoke", seeds=1, reference_seeds=3).runs}
    seeds = Counter(run.point["method"] for run in runs.values())
    assert seeds == {"sim-only": 3, "tuned": 3, "twice": 3, "other": 1}
    assert runs["method=twice,seed=2"].after == {"model.initial": "method=tuned,seed=2"}


@pytest.mark.parametrize(
    ("axes", "seeds", "words"),
    [
        ({"a": {"option": "data.alpha", "values": [0]}}, (3, None), "seeds=3: the grid has no axis 'seed'"),
        ({"seed": {"values": {0: {"data.alpha": 0}}}}, (3, None), "seeds=3: .* with an `option`"),
        (SEED, (3, 2), "reference_seeds=2: expected no fewer than seeds=3"),
        (SEED, (None, 2), "reference_seeds=2: expected .* which is not given"),
    ],
)
def test_seeds_that_cannot_be_are_told(axes, seeds, words, tmp_path):
    path = tmp_path / "grid.yaml"
    path.write_text(yaml.safe_dump({"title": "t", "base": "pushing.yaml", "axes": axes}))
    with pytest.raises(InputError, match=words):
        load_grid(path, "smoke", seeds=seeds[0], reference_seeds=seeds[1])
