"""Demonstrations of a sweep: equal worlds share a store, and every shipped description can be made."""

import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import yaml

from align.data.episodes import read_store
from align.errors import InputError
from align.experiments.demonstrations import complete, places, prepare, store_path, store_paths
from align.experiments.descriptions import resolve
from align.experiments.grid import load_grid
from align.experiments.options import merge
from align.worlds.pushing.gaps import Gap, World


@pytest.mark.parametrize("base", ["pushing", "gym_pusht"])
@pytest.mark.parametrize("scale", ["smoke", "laptop", "paper"])
def test_shipped_descriptions_are_complete(base, scale):
    own = ["data.real=own.zarr"] if base == "gym_pusht" else []
    for arguments in load_grid("experiments/lambda.yaml", scale, base, own).demos.values():
        values = complete(arguments)
        assert values["n"] == arguments["n"] and isinstance(values["world"], Gap | World | None)
    if base == "gym_pusht":
        assert values["world"].look.zoom == 1.0


def test_a_store_is_shared_by_equal_worlds_only(tmp_path):
    paths = {
        name: store_path(arguments, tmp_path)
        for name, arguments in {
            "default": {"n": 3},
            "spelt out": {"n": 3, "world": {}, "size": 64},
            "other world": {"n": 3, "world": {"visual": 0.1}},
            "other seed": {"n": 3, "seed": 1},
        }.items()
    }
    assert paths["default"] == paths["spelt out"]
    assert len(set(paths.values())) == 3


def test_made_once(tmp_path, capsys):
    demos = {"data.sim": {"n": 1, "size": 16}}
    paths = prepare(demos, tmp_path, 1)
    assert Path(paths["data.sim"]).exists() and "making" in capsys.readouterr().out
    assert prepare(demos, tmp_path, 1) == paths and "making" not in capsys.readouterr().out


@pytest.fixture
def points(tmp_path, monkeypatch):
    """The import path of a maker of a user's own, which counts its calls in a file."""
    (tmp_path / "points.py").write_text(
        "import numpy as np\n"
        "from pathlib import Path\n"
        "from align.data.episodes import write_store\n"
        "def make(out: str, n: int = 2, start: float = 0.0) -> None:\n"
        "    row = {'agent_pos': np.full((9, 2), start), 'action': np.zeros((9, 2))}\n"
        "    write_store(out, [row] * n)\n"
        "    with open(Path(out).parent / 'calls', 'a') as log: log.write('made ')\n"
        "def count(store: str, out: str = 'points.npz', factor: int = 1):\n"
        "    np.savez(out, n=factor * len(list(Path(store).rglob('*'))))\n"
        "def walls(out: str = 'walls'): Path(out).mkdir()\n"
        "def within(out: str, walls: str):\n"
        "    assert Path(walls).is_dir()\n"
        "    make(out)\n"
        "def idle(out: str): pass\n"
        "def aimless(n: int = 2): pass\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    return "points"


def test_a_maker_of_ones_own_is_called_once_for_the_same_arguments(points, tmp_path):
    demos = {
        "data.sim": {"make": f"{points}.make", "n": 3},
        "data.real": {"make": f"{points}.make", "start": 0.5},
        "data.same": {"make": f"{points}.make", "n": 3, "start": 0},
    }
    paths = prepare(demos, tmp_path / "data", 1)
    assert paths["data.sim"] == paths["data.same"] != paths["data.real"]
    assert prepare(demos, tmp_path / "data", 1) == paths
    assert (tmp_path / "data/calls").read_text() == "made made "
    real = read_store(paths["data.real"], images=False)
    assert real.n_episodes == 2 and (real.agent_pos == 0.5).all()


def test_what_is_made_of_demonstrations_follows_them(points, tmp_path):
    def described(n, factor=1):
        count = {"make": f"{points}.count", "store": {"made": "data.sim"}, "factor": factor}
        return {"data.sim": {"make": f"{points}.make", "n": n}, "count": count}

    paths = prepare(described(3), tmp_path / "data", 1)
    assert paths == {k: str(v) for k, v in store_paths(described(3), tmp_path / "data").items()}
    assert Path(paths["count"]).suffix == ".npz", "as its default"
    assert np.load(paths["count"])["n"] == len(list(Path(paths["data.sim"]).rglob("*")))
    others = [
        prepare(d, tmp_path / "data", 1)["count"] for d in (described(3), described(4), described(3, 2))
    ]
    assert others[0] == paths["count"] and len(set(others)) == 3, "other demonstrations, another count"
    config = {"data": {"gating": {"annotation": {"made": "count"}}}, "list": [{"made": "count"}, 1]}
    resolved = {"data": {"gating": {"annotation": paths["count"]}}, "list": [paths["count"], 1]}
    assert resolve(config, paths) == resolved


def test_what_only_demonstrations_refer_to_is_made_for_them_and_may_be_a_folder(points, tmp_path):
    demos = {
        "unused": {"make": f"{points}.walls"},
        "walls": {"make": f"{points}.walls"},
        "data.sim": {"make": f"{points}.within", "walls": {"made": "walls"}},
    }
    content = {
        "base.yaml": {"demos": demos, "config": {}, "scales": {"small": {}}},
        "grid.yaml": {"title": "t", "base": "base.yaml", "axes": {"seed": {"option": "s", "values": [0]}}},
    }
    for name, text in content.items():
        (tmp_path / name).write_text(yaml.safe_dump(text, sort_keys=False))
    grid = load_grid(tmp_path / "grid.yaml", "small")
    assert list(grid.demos) == list(grid.runs[0].demos) == ["walls", "data.sim"]
    made = prepare(grid.demos, tmp_path / "data", 1)
    assert Path(made["walls"]).is_dir() and not made["walls"].endswith(".zarr")
    given = load_grid(tmp_path / "grid.yaml", "small", overrides=["data.sim=own.zarr"])
    assert given.demos == {}, "no demonstrations, no walls for them"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"make": "nowhere.make"}, "make='nowhere.make' cannot be imported"),
        ({"make": "points.none"}, "make='points.none' cannot be imported"),
        ({"make": 3}, "make=3 cannot be imported"),
        ({"make": "points.aimless"}, "expected a function with an argument out"),
        ({"make": "points.make", "size": 3}, "size"),
        ({"make": "points.make", "n": "many"}, "many"),
        ({"make": "points.idle"}, "wrote nothing"),
    ],
)
def test_mistakes_with_a_maker_of_ones_own(points, tmp_path, arguments, message):
    with pytest.raises(InputError, match=message):
        prepare({"data.sim": arguments}, tmp_path, 1)


def test_another_maker_does_not_inherit_arguments():
    pushing = {"n": 3, "world": {"visual": 1.0}}
    assert merge(pushing, {"make": "points.make", "n": 5}) == {"make": "points.make", "n": 5}
    assert merge(pushing, {"n": 5}) == {"n": 5, "world": {"visual": 1.0}}


def test_mistakes():
    with pytest.raises(InputError, match="visaul"):
        complete({"n": 3, "world": {"visaul": 1}})
    for maker in ({}, {"make": "align.commands.plans"}):
        with pytest.raises(InputError, match=r"^n=0: expected"):
            store_path({**maker, "n": 0}, Path("data"))


def test_a_new_optional_argument_of_a_maker_renames_no_store(tmp_path, monkeypatch):
    def before(out: str, n: int = 1) -> None: ...

    def after(out: str, n: int = 1, more: int | None = None) -> None: ...

    module = types.ModuleType("makers")
    monkeypatch.setitem(sys.modules, "makers", module)
    paths = []
    for module.make, given in ((before, {}), (after, {}), (after, {"more": 5})):
        paths.append(store_path({"make": "makers.make", "n": 3, **given}, tmp_path))
    assert paths[0] == paths[1] != paths[2]


def test_a_store_is_found_again_though_its_maker_has_moved(tmp_path):
    described = {"sim": "sim.zarr", "real": "real.zarr", "max_real": 15}
    old = store_path({"make": "analysis.annotation.annotate", **described}, tmp_path)
    new = store_path({"make": "align.analysis.reports.annotation.annotate", **described}, tmp_path)
    assert new == old == tmp_path / "analysis.annotation.annotate-2b41229398bb.npz"  # as it was called then


def test_where_things_will_lie_is_told_without_importing_what_makes_them(tmp_path):
    """But where one was made before, or something is wrong with it."""
    demos = next(r.demos for r in load_grid("ambient", "smoke").runs if "annotation" in r.demos)
    stores = [name for name in demos if name != "annotation"]
    known = store_paths(demos, tmp_path)
    expected = {name: path if name in stores else None for name, path in known.items()}
    assert places(demos, tmp_path) == expected and "annotation" in expected
    known["annotation"].touch()
    assert places(demos, tmp_path) == known
    wrong = {**demos, "annotation": {**demos["annotation"], "cop_lengths": []}}
    with pytest.raises(InputError, match="cop_lengths"):
        places(wrong, tmp_path / "none")


def test_a_dry_run_of_any_grid_imports_nothing_that_takes_seconds():
    program = (
        "import sys\n"
        "from align.cli import main\n"
        "for grid in ('ambient', 'ambient_arm', 'ambient_pushing', 'methods'):\n"
        "    assert main(['sweep', grid, '--dry-run', '--data', sys.argv[1]]) == 0\n"
        "print(sorted({'torch', 'sklearn', 'scipy', 'pandas', 'matplotlib'} & set(sys.modules)))\n"
    )
    run = subprocess.run([sys.executable, "-c", program, "none"], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines()[-1] == "[]", run.stdout
