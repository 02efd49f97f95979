"""A run whose checkpoint or configuration was damaged: one line names the file, and nothing is written."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from align.cli import main
from align.command.options import with_config
from align.errors import InputError


@pytest.fixture
def unfinished(write_config, tmp_path):
    """A configuration and its run, which has a checkpoint and has not finished."""
    config, run = write_config(**{"embeddings": {"per_domain": 8, "paired": 0}}), tmp_path / "run"
    assert main(["fit", "--config", config]) == 0
    (run / "summary.json").unlink()
    return config, run


def test_a_damaged_run_is_refused_by_name(unfinished, capsys):
    config, run = unfinished
    resume, embed = ["fit", "--config", config], ["embed", str(run)]
    last, recorded = run / "checkpoints/last.ckpt", run / "config.yaml"
    whole, options = torch.load(last, weights_only=True), yaml.safe_load(recorded.read_text())
    weights = {k: v * math.nan if torch.is_tensor(v) else v for k, v in whole["state_dict"].items()}
    checkpoints = {
        "weights": (
            {**whole, "state_dict": weights},
            (resume, embed, [*resume, "--model.initial", str(last)]),
        ),
        "optimiser": ({**whole, "optimizer_states": [3]}, (resume,)),
    }
    nameless = {"init_args": whole["policy"]["init_args"]}
    checkpoints["policy"] = ({**whole, "policy": nameless}, (embed,))
    for name, (checkpoint, commands) in checkpoints.items():
        torch.save(checkpoint, last)
        for command in commands:
            assert str(last if name != "policy" else run) in _refusal(command, run, capsys), (name, command)
    torch.save(whole, last)
    last.rename(run / "elsewhere.ckpt")
    last.symlink_to(last.name)
    assert str(last) in _refusal(resume, run, capsys), "a link to nothing is no run that has yet to begin"
    text = recorded.read_text()
    recorded.unlink()
    recorded.symlink_to(recorded.name)
    for command in (resume, embed, ["probe", str(run)]):
        assert str(recorded) in _refusal(command, run, capsys)
    recorded.unlink()
    recorded.write_text(text[: text.rindex(":")])  # cut short within a key
    assert str(recorded) in _refusal(["probe", str(run)], run, capsys)
    values = (
        ("batch_size", {}),
        ("image_size", {}),
        ("validation", "x"),
        ("rate_hz", math.nan),
        ("seed", 10**30),
    )
    last.unlink()
    torch.save(whole, last)
    for option, value in values:
        recorded.write_text(yaml.safe_dump({**options, "data": {**options["data"], option: value}}))
        line = _refusal(embed, run, capsys)
        assert str(recorded) in line and f"{option}=" in line, line


def _refusal(command: list[str], run: Path, capsys) -> str:
    """The line that a command ends with."""
    before = _written(run)
    capsys.readouterr()
    assert main(command) == 2
    line = capsys.readouterr().err
    assert line.startswith("align: error: ") and line.count("\n") == 1 and len(line) < 600, line
    assert before == _written(run)
    return line


def _written(run: Path) -> dict[Path, int]:
    """When each file was last written; a lock is touched by all."""
    files = (path for path in run.rglob("*") if not path.is_dir() and path.name != ".lock")
    return {path: path.lstat().st_mtime_ns for path in files}


def test_the_configuration_that_gives_a_bad_option_is_named(write_config, capsys):
    config = write_config(**{"trainer.max_steps": "many", "checkpoint": {"every": 3}})
    assert main(["fit", "--config", config]) == 2
    assert f"error: {config}: trainer.max_steps=many" in capsys.readouterr().err
    assert main(["fit", "--config", config, "--trainer.max_steps", "few"]) == 2
    assert "error: trainer.max_steps=" in capsys.readouterr().err
    arguments = ["fit", "--config", config, "--data.alpha=7"]
    for message in (
        "alpha=7: expected",  # it is the command line's
        "checkpoint='x.ckpt': cannot be read",  # in the configuration this is a section
        "run holds a run of another configuration",
        f"config={config!r}: is a grid",
    ):
        assert with_config(message, arguments) == message
    assert with_config("every=0: expected", arguments) == f"{config}: every=0: expected"
    assert with_config("--run: unknown", ["fit", "--config", config]) == f"{config}: --run: unknown"


@pytest.mark.parametrize(
    "config",
    [
        {"data": None, "trainer": None, "model": None},
        {"trainer": {"callbacks": [{"init_args": {"reference": 7}}]}},
        {"data": {"sim": 7, "real": [1]}, "trainer": {"callbacks": None}},
    ],
)
def test_reports_take_a_configuration_that_says_nothing_for_one(config, tmp_path):
    from align.analysis.reports.arm_table.own_distance import own_distance
    from align.analysis.reports.sweep.run_paths import learnt_plans, learnt_stores, reference_store

    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    n = np.arange(80)
    np.savez(
        tmp_path / "embeddings.npz",
        image=np.eye(80, 3, dtype=np.float32),
        domain=n // 40,
        episode=n // 5,
        step=n,
    )
    assert learnt_plans(tmp_path) == learnt_stores(tmp_path) == {}
    assert reference_store(tmp_path) is None and own_distance(tmp_path, tmp_path) is None
    (tmp_path / "config.yaml").write_text(yaml.safe_dump({"model": {"alignment": "MMD", "site": "image"}}))
    with pytest.raises(InputError, match=r"config\.yaml.*expected a configuration of align fit"):
        own_distance(tmp_path, tmp_path)
