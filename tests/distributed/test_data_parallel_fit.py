"""`align fit` on two processes, of which DDP awaits a gradient for every parameter."""

import json
import os
import subprocess
import sys

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from waiting import LONG


@pytest.mark.parametrize(
    "changes",
    [
        {"model.alignment_weight": 0.0},
        {
            "model.alignment_weight": 1.0,
            "model.alignment_warmup": 3,
            "model.auxiliary": {"targets": "state[2:5]", "steps": 2},  # of 4, then it awaits a gradient of 0
        },
    ],
)
def test_an_objective_with_parameters_trains_whatever_lambda(changes, write_config, tmp_path):
    options = {"model.alignment": {"class_path": "align.alignment.DANN"}, "trainer.strategy": "ddp"}
    config = write_config(**options, **changes, **{"trainer.devices": 2, "trainer.max_steps": 4})
    command = [sys.executable, "-m", "align.cli", "fit", "--config", config]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LONG, env=os.environ)
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads((tmp_path / "run/summary.json").read_text())["steps"] == 4


def test_the_logged_loss_is_that_of_the_global_batch(write_config, tmp_path):
    """At the first step, before weights and noise differ: two halves of a batch against the mean of both."""
    logged = {}
    for devices in (1, 2):
        run = tmp_path / str(devices)
        options = {"run": str(run), "trainer.devices": devices, "trainer.log_every_n_steps": 1}
        if devices == 2:
            options["trainer.strategy"] = "ddp"
        config = write_config(str(devices), **options, **{"trainer.max_steps": 2, "model.noise_draws": 64})
        command = [sys.executable, "-m", "align.cli", "fit", "--config", config]
        done = subprocess.run(command, capture_output=True, text=True, timeout=LONG, env=os.environ)
        assert done.returncode == 0, done.stderr[-2000:]
        events = EventAccumulator(str(run)).Reload()
        logged[devices] = events.Scalars("train/denoise")[0].value
    assert logged[2] == pytest.approx(logged[1], rel=0.03)  # other noise, 64 draws of it
