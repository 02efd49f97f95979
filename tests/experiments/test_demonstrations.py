"""Demonstrations of a sweep: equal worlds share a store, and every shipped description can be made."""

from pathlib import Path

import pytest

from align.errors import InputError
from align.worlds.pushing.gaps import Gap, World
from experiments.demonstrations import complete, prepare, store_path
from experiments.grid import load_grid


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


def test_mistakes():
    with pytest.raises(InputError, match="visaul"):
        complete({"n": 3, "world": {"visaul": 1}})
