"""What README says, run as it says it."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml

from align.cli import SUBCOMMANDS, main
from align.experiments.demonstrations import prepare
from align.experiments.grid import load_grid, set_option
from align.policy import DiffusionPolicy

README = Path("README.md").read_text()


@pytest.fixture
def fit_own(stores, tmp_path, monkeypatch):
    """Runs `align fit` with a class of the README in a file of the user's; returns the run directory."""

    def fit(file: str, name: str, *options: str) -> Path:
        blocks = re.findall(r"```python\n(.*?)```", README, re.S)
        (code,) = (block for block in blocks if f"class {name}" in block)
        (tmp_path / f"{file}.py").write_text(code)
        monkeypatch.syspath_prepend(str(tmp_path))
        run = tmp_path / "mine"
        command = ["fit", "--config", "experiments/own_data.yaml", "--run", str(run)]
        command += ["--data.sim", stores["sim"], "--data.real", stores["real"], "--data.validation", "2"]
        command += ["--data.image_size", "32", "--data.batch_size", "8", "--trainer.max_steps", "2"]
        assert main([*command, *options]) == 0
        return run

    return fit


def test_own_encoder_and_own_data(fit_own):
    run = fit_own("my_encoders", "Tiny", "--model.policy.encoder", "my_encoders.Tiny")
    policy = DiffusionPolicy.from_checkpoint(run / "checkpoints/last.ckpt")
    assert type(policy.encoder) is sys.modules["my_encoders"].Tiny and policy.encoder.features == 32
    observation = {
        "image": torch.zeros(1, 1, 3, 32, 32, dtype=torch.uint8),
        "agent_pos": torch.full((1, 2, 2), 256.0),
    }
    assert policy.act(observation, torch.zeros(1, 16, 2)).shape == (1, 8, 2)


def test_own_objective(fit_own):
    options = ["--model.alignment", "my_objectives.MeanDistance", "--model.alignment_weight", "0.1"]
    run = fit_own("my_objectives", "MeanDistance", *options, "--trainer.log_every_n_steps", "1")
    summary = json.loads((run / "summary.json").read_text())
    assert summary["method"] == "MeanDistance" and summary["train_gap"] > 0
    total = summary["train_denoise"] + 0.1 * summary["train_alignment"]
    assert summary["train_loss"] == pytest.approx(total, rel=1e-5)


def test_own_world_without_images(tmp_path, monkeypatch, capsys):
    """The sweep's runs in this process, one of them trained for long enough to reach goals."""
    (code,) = re.findall(r"```python\n(# my_worlds\.py.*?)```", README, re.S)
    (base,) = re.findall(r"```yaml\n(# my_reach\.yaml.*?)```", README, re.S)
    (tmp_path / "my_worlds.py").write_text(code)
    (tmp_path / "my_reach.yaml").write_text(base)
    monkeypatch.syspath_prepend(str(tmp_path))
    grid = load_grid("experiments/lambda.yaml", "laptop", str(tmp_path / "my_reach.yaml"))
    config, run = grid.runs[0].config, tmp_path / "run"
    for option, path in prepare(grid.demos, tmp_path / "data", jobs=1).items():
        set_option(config, option, path)
    for option, value in {"run": str(run), "trainer.max_steps": 300, "embeddings.per_domain": 200}.items():
        set_option(config, option, value)
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    assert main(["fit", "--config", str(tmp_path / "config.yaml")]) == 0
    capsys.readouterr()
    assert main(["rollout", str(run), "--world", "my_worlds.Reach", "--steps", "40", "--trials", "20"]) == 0
    measured = dict(line.split(": ") for line in capsys.readouterr().out.splitlines())
    assert set(measured) == {"score", "success"} and float(measured["success"]) >= 0.9


def test_commands_and_files_it_names_exist():
    for command in re.findall(r"\balign (\w+)", re.sub(r"`align`", "", README)):
        assert command in SUBCOMMANDS, command
    for target in re.findall(r"make ([a-z-]+)", README):
        assert subprocess.run(["make", "--dry-run", target], capture_output=True).returncode == 0, target
    for path in re.findall(r"(?:experiments|results)/[\w/]+\.(?:yaml|png|csv|md)", README):
        assert Path(path).exists(), path


def test_every_command_has_help(capsys):
    assert main(["--help"]) == 0
    overview = capsys.readouterr().out
    for name in SUBCOMMANDS:
        assert name in overview
        with pytest.raises(SystemExit) as exit:
            main([name, "--help"])
        assert exit.value.code == 0
        assert "usage:" in capsys.readouterr().out
