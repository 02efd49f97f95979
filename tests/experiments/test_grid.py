"""Grids: expansion, inheritance of bases, what is wrong in them, and what is made for their runs."""

import pytest
import yaml

from align.errors import InputError
from align.experiments.grid import load_grid
from align.experiments.options import merge, set_option


@pytest.fixture
def grid(tmp_path):
    """A grid of two axes over a base that lies over another."""
    files = {
        "root": {
            "demos": {"data.sim": {"n": 3}, "data.real": {"n": 2}},
            "config": {"model": {"a": 1, "list": [{"x": 1}, {"x": 2}]}, "seed_everything": 9},
            "scales": {"small": {"config": {"model": {"a": 2}}}, "large": {}},
        },
        "base": {"base": "root.yaml", "config": {"model": {"b": 5}}},
        "grid": {
            "title": "t",
            "base": "base.yaml",
            "axes": {
                "lambda": {"option": "model.weight", "values": [0, 0.5]},
                "arm": {"values": {"one": {"model.list.1.x": 7}, "two": {}}},
            },
            "scales": {"small": {"axes": {"lambda": {"values": [0]}}}},
        },
    }
    for name, content in files.items():
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    return tmp_path / "grid.yaml"


def test_expands_to_the_product_of_the_axes(grid):
    runs = load_grid(grid, "large").runs
    assert [r.name for r in runs] == [
        "lambda=0,arm=one",
        "lambda=0,arm=two",
        "lambda=0.5,arm=one",
        "lambda=0.5,arm=two",
    ]
    assert runs[2].point == {"lambda": 0.5, "arm": "one"}
    assert runs[2].config["model"] == {"a": 1, "b": 5, "weight": 0.5, "list": [{"x": 1}, {"x": 7}]}
    assert runs[3].config["model"]["list"][1] == {"x": 2}  # runs do not share what they change


def test_scale_and_overrides(grid):
    small = load_grid(grid, "small", overrides=["model.a=3", "data.sim=own.zarr"])
    assert [r.name for r in small.runs] == ["lambda=0,arm=one", "lambda=0,arm=two"]
    assert small.runs[0].config["model"]["a"] == 3 and small.runs[0].config["data"]["sim"] == "own.zarr"
    assert list(small.demos) == ["data.real"]  # what is given is not made
    assert load_grid(grid, "small").runs[0].config["model"]["a"] == 2


def _with_methods(grid, **changes):
    """The grid with an axis whose values restrict λ and follow one another."""
    content = yaml.safe_load(grid.read_text())
    methods = {
        "plain": {"only": {"lambda": [0]}},
        "aligned": {"model.a": 4, "only": {"lambda": [0.5]}},
        "tuned": {"model.start": {"after": {"method": "plain"}}, "only": {"lambda": [0]}},
    }
    axis = {"values": {**methods, **changes}}
    content["axes"] = {"method": axis, "lambda": content["axes"]["lambda"]}
    content["scales"] = {"small": {"axes": {"method": {"keep": ["aligned", "plain"]}}}}
    grid.write_text(yaml.safe_dump(content, sort_keys=False))
    return grid


def test_values_may_restrict_other_axes_and_follow_other_runs(grid):
    runs = load_grid(_with_methods(grid), "large").runs
    names = [f"method={m},lambda={x}" for m, x in (("plain", 0), ("aligned", 0.5), ("tuned", 0))]
    assert [r.name for r in runs] == names
    assert [r.after for r in runs] == [{}, {}, {"model.start": names[0]}]
    assert runs[1].config["model"]["a"] == 4 and "only" not in runs[1].config
    assert [r.point["method"] for r in load_grid(grid, "small").runs] == ["aligned", "plain"]


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"aligned": {"only": {"lamda": [0]}}}, "lamda"),
        ({"plain": {"x": {"after": {"method": "aligned"}}, "only": {"lambda": [0.5]}}}, "comes before"),
        ({"plain": {"x": {"after": {"method": "nothing"}}}}, "nothing"),
    ],
)
def test_mistakes_between_axes(grid, change, word):
    with pytest.raises(InputError, match=word):
        load_grid(_with_methods(grid, **change), "large")


@pytest.mark.parametrize(
    "entry",
    [
        {"base": "nowhere"},
        {"axes": {"lambda": "option"}},
        {"axes": {"lambda": {"option": None, "values": [1]}}},
        {"axes": {"lambda": {"option": "model.weight", "values": None}}},
        {"axes": {"lambda": {}}},
    ],
    ids=str,
)
def test_what_is_wrong_inside_a_grid_is_told_with_its_file(grid, entry):
    grid.write_text(yaml.safe_dump(yaml.safe_load(grid.read_text()) | entry))
    with pytest.raises(InputError, match=r"grid\.yaml"):
        load_grid(grid, "large")


@pytest.mark.parametrize(
    ("families", "word"),
    [
        ({"armm": {"kind": ["one"]}}, "armm"),
        ({"arm": {"kind": ["three"]}}, "'three'; expected one of one, two"),
        ({"arm": {"kind": ["one"], "other": ["one"]}}, "'one' is there twice"),
        ({"arm": {"kind": "one"}}, "expected a list"),
        ({"arm": ["one"]}, "by a name"),
        (["arm"], "families of grid=.*expected a mapping of axes"),
    ],
)
def test_families_are_of_values_that_there_are(grid, families, word):
    content = yaml.safe_load(grid.read_text())
    grid.write_text(yaml.safe_dump(content | {"families": {"arm": {"kind": ["two"]}}}))
    assert load_grid(grid, "small").families == {"arm": {"kind": ["two"]}}
    grid.write_text(yaml.safe_dump(content | {"families": families}))
    with pytest.raises(InputError, match=word):
        load_grid(grid, "small")


def _with_annotation(grid, used: str, source: str):
    """The grid with something made of `source`, and an arm that refers to `used`."""
    path = grid.parent / "root.yaml"
    content = yaml.safe_load(path.read_text())
    content["demos"]["annotation"] = {"make": "m.annotate", "sim": {"made": source}}
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    content = yaml.safe_load(grid.read_text())
    content["axes"]["arm"]["values"]["two"] = {"data.gating": {"annotation": {"made": used}}}
    content["scales"]["small"]["axes"]["arm"] = {"keep": ["one"]}
    grid.write_text(yaml.safe_dump(content, sort_keys=False))
    return grid


def test_only_what_runs_ask_for_is_made(grid):
    _with_annotation(grid, "annotation", "data.sim")
    assert set(load_grid(grid, "small").demos) == {"data.sim", "data.real"}
    assert load_grid(grid, "large").demos["annotation"]["sim"] == {"made": "data.sim"}
    own = load_grid(grid, "large", overrides=["data.sim=own.zarr"]).demos
    assert own["annotation"]["sim"] == "own.zarr" and "data.sim" not in own


@pytest.mark.parametrize("names", [("notation", "data.sim"), ("annotation", "data.sum")])
def test_what_is_not_made_is_refused(grid, names):
    with pytest.raises(InputError, match=r"made='(notation|data\.sum)'"):
        load_grid(_with_annotation(grid, *names), "large")


def test_keeping_an_unknown_value_is_refused(grid):
    content = yaml.safe_load(_with_methods(grid).read_text())
    content["scales"]["small"]["axes"]["method"]["keep"] = ["plain", "planar"]
    grid.write_text(yaml.safe_dump(content, sort_keys=False))
    with pytest.raises(InputError, match="planar"):
        load_grid(grid, "small")


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({"scale": "huge"}, "huge"),
        ({"scale": "small", "base": "nothing"}, "nothing"),
        ({"scale": "small", "overrides": ["model.a"]}, "model.a"),
    ],
)
def test_mistakes(grid, arguments, word):
    with pytest.raises(InputError, match=word):
        load_grid(grid, **arguments)


@pytest.mark.parametrize(
    ("file", "entry", "value"),
    [
        ("grid", "title", None),
        ("grid", "base", 3),
        ("grid", "axes", ["lambda"]),
        ("root", "demos", None),
        ("base", "config", "model"),
        ("root", "scales", None),
    ],
)
def test_what_a_grid_lacks_is_named(grid, file, entry, value):
    path = grid.with_name(f"{file}.yaml")
    content = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump({**content, entry: value}))
    with pytest.raises(InputError, match=rf"^{entry} of grid='.*': .*; expected"):
        load_grid(grid, "large")


def test_an_axis_without_values_is_refused(grid):
    content = yaml.safe_load(grid.read_text())
    content["axes"]["lambda"] = {"option": "model.weight"}
    grid.write_text(yaml.safe_dump(content))
    with pytest.raises(InputError, match="axis 'lambda'"):
        load_grid(grid, "large")


def test_merge_replaces_lists_and_keeps_the_original():
    base = {"a": {"b": 1, "c": [1, 2]}}
    assert merge(base, {"a": {"c": [3]}, "d": 4}) == {"a": {"b": 1, "c": [3]}, "d": 4}
    assert base == {"a": {"b": 1, "c": [1, 2]}}


def test_merge_replaces_a_component_of_another_class():
    base = {"net": {"class_path": "A", "init_args": {"width": 3}}}
    assert merge(base, {"net": {"init_args": {"depth": 1}}})["net"]["init_args"] == {"width": 3, "depth": 1}
    assert merge(base, {"net": {"class_path": "B"}}) == {"net": {"class_path": "B"}}


def test_set_option_makes_what_is_missing():
    config = {}
    set_option(config, "a.b", 1)
    assert config == {"a": {"b": 1}}


def test_what_is_made_takes_what_its_run_is_configured_with(grid):
    root = _with_annotation(grid, "annotation", "data.sim").parent / "root.yaml"
    content = yaml.safe_load(root.read_text())
    content["demos"]["annotation"] |= {"data": {"run": "data"}, "policy": {"run": "model.policy"}}
    content["config"] = merge(
        content["config"], {"model": {"policy": {"horizon": 4}}, "data": {"alpha": 0.5}}
    )
    root.write_text(yaml.safe_dump(content, sort_keys=False))

    def made(*overrides) -> list[dict]:
        runs = load_grid(grid, "large", overrides=overrides).runs
        return [run.demos["annotation"] for run in runs if "annotation" in run.demos]

    assert made()
    for found in made():
        assert found["policy"] == {"horizon": 4} and found["data"]["alpha"] == 0.5
        assert found["data"]["sim"] == {"made": "data.sim"} and "gating" not in found["data"]
    assert all(found["data"]["sim"] == "own.zarr" for found in made("data.sim=own.zarr"))
    content["demos"]["annotation"]["policy"] = {"run": "model.polity"}
    root.write_text(yaml.safe_dump(content, sort_keys=False))
    with pytest.raises(InputError, match=r"annotation: run='model\.polity'"):
        made()


def test_an_axis_may_set_demonstrations_of_its_runs(grid):
    content = yaml.safe_load(grid.read_text())
    content["axes"] = {"level": {"values": {x: {"demos.data.real.world.visual": x} for x in (0, 0.5)}}}
    grid.write_text(yaml.safe_dump(content))
    expanded = load_grid(grid, "large")
    assert [run.demos["data.real"] for run in expanded.runs] == [
        {"n": 2, "world": {"visual": 0}},
        {"n": 2, "world": {"visual": 0.5}},
    ]
    assert all(run.demos["data.sim"] == {"n": 3} and "demos" not in run.config for run in expanded.runs)
    assert expanded.demos["data.real"] == {"n": 2}
    with pytest.raises(InputError, match=r"demos\.data\.real\.world\.visual: the grid makes"):
        load_grid(grid, "large", overrides=["data.real=own.zarr"])
