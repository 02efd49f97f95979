"""Grids and bases found by name from any folder; a file of the user's own wins."""

import inspect
from pathlib import Path

import pytest
import yaml

from align import shipped
from align.cli import main
from align.experiments.grid import load_grid
from align.experiments.sweep import sweep


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """An empty folder to be in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _own(path: Path, **content) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(yaml.safe_dump(content))


AXES = {"seed": {"option": "seed_everything", "values": [7]}}


@pytest.mark.parametrize("name", ["lambda", "lambda.yaml", "experiments/lambda.yaml"])
def test_a_grid_is_found_by_name_unless_there_is_a_file(elsewhere, name):
    grid = load_grid(name, "smoke")
    assert grid.name == "lambda" and len(grid.runs) == 2 and grid.runs[0].config["model"]["policy"]
    if name != "lambda":
        _own(elsewhere / name, title="own", base="pushing.yaml", axes=AXES)
        own = load_grid(name, "smoke")
        assert own.title == "own" and own.runs[0].config["data"] == grid.runs[0].config["data"]


def test_a_folder_of_that_name_is_not_a_grid(elsewhere):
    (elsewhere / "lambda").mkdir()
    assert load_grid("lambda", "smoke").title


def test_the_base_beside_a_grid_wins_over_the_one_that_ships(elsewhere):
    _own(elsewhere / "own/grid.yaml", title="own", base="pushing.yaml", axes=AXES)
    assert load_grid("own/grid.yaml", "smoke").demos
    _own(elsewhere / "own/pushing.yaml", demos={}, config={"mine": 1}, scales={"smoke": {}})
    assert load_grid("own/grid.yaml", "smoke").runs[0].config == {"mine": 1, "seed_everything": 7}
    _own(elsewhere / "own/over.yaml", base="maze.yaml", config={"mine": 2})
    assert load_grid("own/grid.yaml", "smoke", "own/over.yaml").runs[0].config["mine"] == 2
    assert load_grid("own/grid.yaml", "smoke", "over").runs[0].config["mine"] == 2


@pytest.mark.parametrize("base", ["gym_pusht", "gym_pusht.yaml", "experiments/gym_pusht.yaml"])
def test_another_base_is_found_by_name(base):
    grid = load_grid("lambda", "smoke", base, ["data.real=own.zarr"])
    assert list(grid.demos) == ["data.sim"]


@pytest.mark.parametrize("arguments", [["sweep"], ["sweep", "lamda"], ["sweep", "own/lambda.yaml"]])
def test_those_that_ship_are_named_to_who_asks_for_none_or_another(arguments, capsys):
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and all(name in error for name in shipped.names("axes"))


def test_bases_that_ship_are_named_too(capsys):
    assert main(["sweep", "lambda", "--base", "pushin"]) == 2
    error = capsys.readouterr().err
    assert "base='pushin.yaml'" in error and "pushing" in error and "lambda" not in error


def test_help_names_the_grids_that_ship():
    assert all(name in inspect.getdoc(sweep) for name in shipped.names("axes"))


@pytest.mark.parametrize("config", [["--config", "own_data"], ["--config=experiments/own_data.yaml"]])
def test_fit_finds_its_configuration_by_name(config, capsys):
    assert main(["fit", *config]) == 2  # one that names no data
    assert "store data/sim.zarr" in capsys.readouterr().err
