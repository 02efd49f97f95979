"""Runs in forked processes: the same results as in new ones, and no trace of one in another."""

import sys

import pytest
import torch
import yaml
from run_weights import last_weights
from waiting import LONG

from align.cli import main
from align.experiments import warm

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="runs are forked on Linux only")


def _call(log: str, *commands: list[str]) -> None:
    """In a child of the server: run commands one after the other, and note what each returned."""
    with open(log, "a") as file:
        statuses = [warm.call(command, file) for command in commands]
        loaded = "pytorch_lightning" in sys.modules
        print(statuses, loaded, torch.get_num_threads(), file=file)


def _run(tmp_path, *commands: list[str]) -> str:
    log = tmp_path / "log.txt"
    process = warm.start(_call, str(log), *commands)
    process.join(LONG)
    assert process.exitcode == 0
    return log.read_text()


def test_a_fork_trains_to_the_weights_of_a_new_process(write_config, tmp_path):
    runs = {name: str(tmp_path / name) for name in ("forked", "new")}
    config = {name: write_config(name, run=run) for name, run in runs.items()}
    assert "[0] True 1" in _run(tmp_path, ["fit", "--config", config["forked"]])
    assert main(["fit", "--config", config["new"]]) == 0
    forked, new = (last_weights(run) for run in runs.values())
    assert len(new) > 10 and all(torch.equal(forked[name], value) for name, value in new.items())


def test_status_and_output_are_the_commands_own(tmp_path, capfd):
    log = _run(tmp_path, ["--help"], ["nonsense"])
    assert "usage: align COMMAND" in log and "no command 'nonsense'" in log
    assert log.endswith("[0, 2] True 1\n")
    assert "usage" not in capfd.readouterr().out


@pytest.mark.parametrize(
    ("trainer", "fits"),
    [
        ({"accelerator": "cpu"}, True),
        ({"accelerator": "cpu", "devices": 1}, True),
        ({"accelerator": "cpu", "devices": 2}, False),
        ({"accelerator": "auto"}, False),
        ({}, False),
        (None, False),
    ],
)
def test_only_one_cpu_process_is_forked(trainer, fits, tmp_path):
    (tmp_path / "request.yaml").write_text(yaml.safe_dump({} if trainer is None else {"trainer": trainer}))
    assert warm.fits(tmp_path) is fits
