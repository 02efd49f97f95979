"""The command among files named like ours or a library's: it imports none, and finds the user's own."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from waiting import LONG

from align.data.episodes import read_store

ALIGN = Path(sys.executable).with_name("align")
HOSTILE = ("align", "analysis", "experiments", "yaml", "torch", "inspect", "multiprocessing", "jsonargparse")


@pytest.fixture
def align(tmp_path, monkeypatch):
    """Runs `align` as a user does, in a folder whose modules may not be imported."""
    folder = tmp_path / "own"
    for name in HOSTILE:
        (folder / name).mkdir(parents=True)
        for file in (folder / name / "__init__.py", folder / f"{name}.py"):
            file.write_text("raise SystemExit('the user has other plans for this')\n")
    (folder / "my_encoders.py").write_text(
        "from align.networks import ConvEncoder\nclass Own(ConvEncoder):\n    pass\n"
    )
    monkeypatch.delenv("PYTHONSAFEPATH", raising=False)

    def run(*arguments: str) -> subprocess.CompletedProcess:
        return subprocess.run([ALIGN, *arguments], cwd=folder, capture_output=True, text=True, timeout=LONG)

    return run


@pytest.mark.parametrize(
    ("command", "status", "text"),
    [
        ("sweep lambda --scale smoke --dry-run", 0, "2 of them to run"),
        ("fit --help", 0, "usage:"),
        ("demos own.zarr --n 2 --size 16 --jobs 2", 0, "2 demonstrations"),
        ("probe nowhere", 2, "align: error: path='nowhere'"),
    ],
)
def test_what_lies_in_the_current_folder_hides_nothing(align, command, status, text):
    result = align(*command.split())
    assert result.returncode == status and text in result.stdout + result.stderr, result.stderr


@pytest.mark.slow
@pytest.mark.parametrize("where", ["fork", "submitit"])
def test_nor_in_the_processes_of_a_sweep_which_find_what_is_the_users_own(
    align, where, write_config, tmp_path
):
    config = yaml.safe_load(Path(write_config()).read_text())
    del config["run"]
    config["model"]["policy"]["encoder"]["class_path"] = "my_encoders.Own"
    config["data"]["validation"] = 4
    base = {"demos": {}, "config": config, "scales": {"laptop": {}}}
    axes = {"lambda": {"option": "model.alignment_weight", "values": [0]}}
    for name, content in (("base", base), ("grid", {"title": "one", "base": "base.yaml", "axes": axes})):
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(content))
    more = ["--cluster", "local"] if where == "submitit" else []
    result = align("sweep", str(tmp_path / "grid.yaml"), "--out", "out", "--report", "false", *more)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "my_encoders.Own" in (tmp_path / "own/out/lambda=0/config.yaml").read_text()


def test_an_own_maker_of_demonstrations_runs_in_several_processes(align, tmp_path):
    (tmp_path / "own/my_demos.py").write_text(
        "import numpy as np\n"
        "from align.data.episodes import write_store\n"
        "from align.worlds.recording import Recording\n"
        "def episode(i): return {'agent_pos': np.full((9, 2), float(i)), 'action': np.zeros((9, 2))}\n"
        "def make(out: str, n: int = 4, jobs: int = 1):\n"
        "    write_store(out, Recording(episode, n, jobs, 'episodes'))\n"
    )
    base = {"demos": {"data.sim": {"make": "my_demos.make"}}, "config": {}, "scales": {"laptop": {}}}
    axes = {"seed": {"option": "seed_everything", "values": [0]}}
    for name, content in (("base", base), ("grid", {"title": "one", "base": "base.yaml", "axes": axes})):
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(content))
    result = align("sweep", str(tmp_path / "grid.yaml"), "--demos_only", "--jobs", "2")
    assert result.returncode == 0, result.stderr
    (store,) = (tmp_path / "own/data").glob("my_demos*.zarr")
    assert read_store(store, images=False).n_episodes == 4
