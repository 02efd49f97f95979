"""`align fit` on two processes, of which DDP awaits a gradient for every parameter."""

import json
import os
import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "changes",
    [
        {"model.alignment_weight": 0.0},
        {"model.alignment_weight": 1.0, "model.alignment_warmup": 3},
    ],
)
def test_an_objective_with_parameters_trains_whatever_lambda(changes, write_config, tmp_path):
    options = {"model.alignment": {"class_path": "align.alignment.DANN"}, "trainer.strategy": "ddp"}
    config = write_config(**options, **changes, **{"trainer.devices": 2, "trainer.max_steps": 4})
    command = [sys.executable, "-m", "align.cli", "fit", "--config", config]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, env=os.environ)
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads((tmp_path / "run/summary.json").read_text())["steps"] == 4
