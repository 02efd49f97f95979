"""The wheel: built, installed elsewhere, and a sweep run with nothing else of the project at hand."""

import importlib.util
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pandas as pd
import pytest

REPOSITORY = Path(__file__).parents[2]
FOLDERS = {"align": "align", "analysis": "align/analysis", "experiments": "align/experiments"}
"""By folder of the repository, where it lies in an installation."""

pytestmark = pytest.mark.skipif(
    not all(importlib.util.find_spec(name) for name in ("pip", "setuptools", "wheel")),
    reason="pip, setuptools or wheel is not installed, which build the wheel",
)


def _pip(*arguments: str | Path) -> None:
    quiet = ["--quiet", "--no-deps", "--no-index", "--disable-pip-version-check"]
    subprocess.run([sys.executable, "-m", "pip", *map(str, arguments), *quiet], check=True)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """Built of a copy, in which nothing is left of earlier builds."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in FOLDERS:
        shutil.copytree(REPOSITORY / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(REPOSITORY / name, folder)
    _pip("wheel", folder, "--no-build-isolation", "--wheel-dir", folder / "dist")
    (found,) = (folder / "dist").glob("*.whl")
    return found


def test_it_holds_every_module_and_grid_under_one_name(wheel):
    expected = {
        str(inside / path.relative_to(REPOSITORY / folder))
        for folder, inside in ((name, Path(inside)) for name, inside in FOLDERS.items())
        for path in (REPOSITORY / folder).rglob("*")
        if path.suffix in (".py", ".yaml", ".toml")
    }
    files = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert files == expected


def test_a_sweep_runs_where_it_is_installed(wheel, tmp_path):
    installed, elsewhere = tmp_path / "installed", tmp_path / "elsewhere"
    elsewhere.mkdir()
    _pip("install", wheel, "--target", installed)
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    environment.pop("PYTHONSAFEPATH", None)

    def run(*command: str | Path) -> str:
        python = [sys.executable, *command]
        return subprocess.check_output(python, cwd=elsewhere, env=environment, text=True)

    for package in ("align", "align.analysis", "align.experiments"):
        assert run("-c", f"import {package} as p; print(p.__file__)").startswith(str(installed))
    short = {"max_steps": 10, "val_check_interval": 10}
    short |= {f"callbacks.0.init_args.{name}": value for name, value in (("trials", 4), ("steps", 8))}
    options = [f"--set+=trainer.{name}={value}" for name, value in short.items()]
    options.append("--set+=embeddings.sites=[image]")
    run(installed / "bin/align", "sweep", "lambda", "--scale", "smoke", "--jobs", "2", *options)
    out = elsewhere / "runs/lambda-smoke"
    table = pd.read_csv(out / "results.csv")
    assert list(table["lambda"]) == [0, 1] and table["missing"].isna().all()
    assert (out / "lambda.png").exists()
