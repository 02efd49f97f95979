"""`make`: every grid that ships is a sweep, which sets up what it needs and is in the help."""

import os
import re
import subprocess

import pytest

from align import shipped
from align.experiments.grid import Grid, load_grid

GRIDS = shipped.names("axes")


def _make(*arguments: str) -> str:
    """What it prints, in an environment that says nothing of its variables, nor of a make that runs this."""
    command, environment = ["make", *arguments], {"PATH": os.environ["PATH"]}
    return subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout


def _grid(name: str, scale: str) -> Grid:
    return load_grid(name, scale, overrides=["data.real=own.zarr"] if name == "human_pusht" else [])


def test_help_lists_every_sweep_with_its_question():
    listed = _make("help")
    for name in GRIDS:
        grid = _grid(name, "laptop")
        assert re.search(rf"^sweep-{name.replace('_', '-')} +{re.escape(grid.title)} ", listed, re.M), name
        for scale, runs in re.findall(r"(\w+) (\d+) runs", grid.takes):
            assert len(_grid(name, scale).runs) == int(runs), name


@pytest.mark.parametrize("name", GRIDS)
def test_a_sweep_sets_up_what_it_needs_and_is_given_the_options(name):
    options = ["SCALE=smoke", "JOBS=3", "SET=model.a=1 model.b=2", "OUT=there", "VIRTUAL_ENV=/nowhere"]
    commands = _make("--dry-run", f"sweep-{name.replace('_', '-')}", *options)
    sweep = f"align sweep {name} --scale smoke --jobs 3 --out there --set+=model.a=1 --set+=model.b=2"
    assert " ".join(commands.splitlines()[-1].split()).endswith(sweep)
    makers = {str(made.get("make")) for made in _grid(name, "laptop").demos.values()}
    assert ("'.[planning]'" in commands) == ("align.commands.plans" in makers)


def test_several_stores_are_given_as_words():
    commands = _make(
        "--dry-run", "sweep-lambda", "BASE=own", "SIM=s.zarr", "REAL=a.zarr b.zarr", "VIRTUAL_ENV=/no"
    )
    assert "--set+=data.real=[a.zarr,b.zarr] --set+=data.sim=s.zarr" in commands


def test_other_sweeps_are_reused_as_words():
    commands = _make("--dry-run", "sweep-lambda", "REUSE=runs/a runs/b", "VIRTUAL_ENV=/no")
    assert "--reuse [runs/a,runs/b]" in commands
