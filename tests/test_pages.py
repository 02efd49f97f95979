"""Every block of code of README and docs/ runs.

Commands run in a folder with demonstrations and what the blocks before have written, trainings cut to a few
steps. A block that begins with the name of a file is that file.
"""

import json
import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from pages import BLOCK, PAGES, ROOT

from align.cli import main
from align.experiments.demonstrations import prepare
from align.experiments.grid import load_grid
from align.experiments.options import set_option
from align.policy import DiffusionPolicy

FILE = re.compile(r"# (\w+\.(?:py|yaml|csv))\n")

SHORTER = {
    "fit": "--trainer.max_steps 2 --trainer.val_check_interval 1 --trainer.log_every_n_steps 1"
    " --trainer.accelerator cpu --data.batch_size 8 --data.validation 5 --embeddings.per_domain 60",
    "annotate": "--classifier '{max_steps: 40, every: 20, width: 16, levels: 5}'",
    "rollout": "--trials 20 --steps 40",
}
"""Options that make commands of the pages fit for a test."""


def _blocks(page: Path) -> list[tuple[str, str]]:
    return BLOCK.findall(page.read_text())


class Reader:
    """Does what a page says, block by block, in a folder of its own."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.globals: dict = {"__name__": "page"}

    def read(self, page: Path) -> None:
        for language, code in _blocks(page):
            if named := FILE.match(code):
                (self.folder / named[1]).write_text(code)
            elif language == "text":
                continue  # what a command prints
            elif language == "python":
                exec(compile(code, f"{page.name}", "exec"), self.globals)
            elif language == "bash":
                for command in code.replace("\\\n", " ").splitlines():
                    self.run(shlex.split(command))
            else:
                pytest.fail(
                    f"{page.name}: a block of {language}; expected python, bash, or the name of a file"
                )

    def run(self, command: list[str]) -> None:
        program, *rest = command
        if program == "make":
            subprocess.run(["make", "--dry-run", *rest], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        elif program == "align":
            self.align(*rest)
        elif program == "python":
            runpy.run_path(str(ROOT / rest[0]), run_name="__main__")
        else:
            assert program in ("source", "pip"), command

    def align(self, name: str, *options: str) -> None:
        if name == "sweep" and "--dry-run" not in options:
            self.train_first(*options)
        elif name == "plans":
            pytest.importorskip("pydrake")
            assert main([name, *options, "--jobs", "1"]) == 0
        else:
            if name == "export":
                pytest.importorskip("onnxruntime")
            assert main([name, *options, *shlex.split(SHORTER.get(name, ""))]) == 0

    def train_first(self, grid: str, option: str, base: str, *given: str) -> None:
        """The first run of a sweep, in this process, where the sweep would have put it: of a base that a page
        makes for 300 steps, after which it has learnt something, of one that ships for a few."""
        assert option == "--base" and all(more.startswith("--set+=") for more in given)
        expanded = load_grid(grid, "laptop", base, [more.removeprefix("--set+=") for more in given])
        run = Path(f"runs/{expanded.name}-laptop-{Path(base).stem}") / expanded.runs[0].name
        config = expanded.runs[0].config
        for option, path in prepare(expanded.demos, Path("data"), jobs=1).items():
            set_option(config, option, path)
        changes = {
            "run": str(run),
            "trainer.max_steps": 300 if base.endswith(".yaml") else 5,
            "embeddings.per_domain": 200 if base.endswith(".yaml") else 60,
        }
        for option, value in changes.items():
            set_option(config, option, value)
        Path("first.yaml").write_text(yaml.safe_dump(config))
        assert main(["fit", "--config", "first.yaml"]) == 0


@pytest.fixture
def reader(tmp_path, make_store, monkeypatch):
    """A reader in a folder with two stores of demonstrations."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    for name, seed in (("sim", 0), ("real", 1)):
        make_store(name, 12, seed=seed)
    reader = Reader(tmp_path)
    yield reader
    for name in [p.stem for p in tmp_path.glob("*.py")]:
        sys.modules.pop(name, None)


@pytest.fixture
def trained(reader):
    """The run that pages begin with."""
    fit = "fit --config own_data --run runs/mine --data.sim sim.zarr --data.real real.zarr"
    reader.align(*fit.split())
    return reader


def test_readme_runs(reader):
    reader.read(ROOT / "README.md")
    assert reader.globals["action"].shape == (2,)


@pytest.mark.parametrize(
    "page", ["alignment", "ambient", "choosing_lambda", "cluster", "reading_a_report", "sweeps"]
)
def test_page_runs(page, reader):
    reader.read(ROOT / f"docs/{page}.md")


def test_your_data_runs(reader):
    for name in ("sim", "real"):
        (reader.folder / f"{name}.zarr").rename(reader.folder / f"unused_{name}.zarr")
    reader.read(ROOT / "docs/your_data.md")
    blind = DiffusionPolicy.from_checkpoint("runs/blind")
    assert blind.encoder is None and blind.agent_pos_dim == 2


def test_evaluate_runs(reader, capsys):
    page = ROOT / "docs/evaluate.md"
    reader.read(page)
    printed = capsys.readouterr().out
    (said,) = (code for language, code in _blocks(page) if language == "text")
    assert printed.startswith(said), printed[: len(said)]


def test_your_robot_runs(trained):
    trained.read(ROOT / "docs/your_robot.md")
    assert trained.globals["action"].shape == (2,) and trained.globals["runner"].latency().chunks == 3


def test_worked_example_runs(tmp_path, monkeypatch, capsys):
    for module in ("av", "h5py", "pyarrow"):
        pytest.importorskip(module)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["arm_recordings.py"])
    page = ROOT / "docs/worked_example.md"
    reader = Reader(tmp_path)
    reader.read(page)
    said = capsys.readouterr().out
    assert "real: 30 Hz brought to 20" in said and "passed through av1 (yuv420p, GOP 2, CRF 30)" in said
    sites = json.loads(Path("runs/arm/probe.json").read_text())["sites"]
    assert {"image.top", "image.wrist", "denoiser"} <= set(sites)
    assert reader.globals["action"].shape == (8,) and reader.globals["runner"].latency().chunks == 5
    assert Path("exported/policy.onnx").is_file()
    seen = json.loads(Path("for_lerobot/config.json").read_text())["input_features"]
    assert {"observation.images.top", "observation.images.wrist"} <= set(seen)
    (run,) = Path("runs/lambda-laptop-own").iterdir()
    summary = json.loads((run / "summary.json").read_text())
    assert summary["lambda"] == 0.0 and summary["real_demos"] > 0


def test_extending_runs(reader, capsys):
    reader.read(ROOT / "docs/extending.md")
    policy = DiffusionPolicy.from_checkpoint("runs/tiny", trust=["my_encoders"])
    assert type(policy.encoder) is sys.modules["my_encoders"].Tiny and policy.encoder.features == 32
    means = json.loads(Path("runs/means/summary.json").read_text())
    assert means["method"] == "MeanDistance" and means["train_gap"] > 0
    total = means["train_denoise"] + 0.1 * means["train_alignment"]
    assert means["train_loss"] == pytest.approx(total, rel=1e-5)
    measured = dict(re.findall(r"^(score|success): (.*)$", capsys.readouterr().out, re.M))
    assert float(measured["success"]) >= 0.9
    grid = load_grid("my_question.yaml", "laptop")
    assert len(grid.runs) == 10
    assert {run.demos["data.real"]["drag"] for run in grid.runs} == {0.0, 0.4}


def test_pages_whose_blocks_run_are_all_pages():
    read = {"README", "alignment", "ambient", "choosing_lambda", "cluster", "reading_a_report", "sweeps"}
    read |= {"evaluate", "your_data", "your_robot", "extending", "worked_example"}
    assert {page.stem for page in PAGES if BLOCK.search(page.read_text())} == read
