"""`align fit` on two processes, of which DDP awaits a gradient for every parameter."""

import json
import math
import os
import subprocess
import sys

import pytest
import ranks
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from waiting import LONG

from align.cli import main
from align.run.reference import held_out_losses

DDP = {"trainer.devices": ranks.N_RANKS, "trainer.strategy": "ddp"}


def _fit_as_a_user(config: str) -> None:
    """Lightning starts the second process."""
    command = [sys.executable, "-m", "align.cli", "fit", "--config", config]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LONG, env=os.environ)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.parametrize(
    ("fit", "changes"),
    [
        (ranks.fit, {"model.alignment_weight": 0.0}),
        (
            _fit_as_a_user,
            {
                "model.alignment_weight": 1.0,
                "model.alignment_warmup": 3,
                "model.auxiliary": {"targets": "state[2:5]", "steps": 2},  # then it awaits a gradient of 0
            },
        ),
    ],
)
def test_an_objective_with_parameters_trains_whatever_lambda(fit, changes, write_config, tmp_path):
    options = {"model.alignment": {"class_path": "align.alignment.DANN"}, "trainer.max_steps": 4}
    fit(write_config(**DDP, **options, **changes))
    assert json.loads((tmp_path / "run/summary.json").read_text())["steps"] == 4


def test_a_budget_follows_the_held_out_loss_of_all_processes(write_config, tmp_path):
    reference, run = str(tmp_path / "reference"), str(tmp_path / "held")
    assert main(["fit", "--config", write_config("reference", run=reference)]) == 0
    arguments = {"reference": reference, "budget": 0.01, "initial": 0.5}
    changes = {"model.weighting": {"class_path": "align.alignment.Constrained", "init_args": arguments}}
    ranks.fit(write_config("held", run=run, **DDP, **changes, **{"trainer.log_every_n_steps": 1}))
    excess = held_out_losses(run, 0.5)[3] / held_out_losses(reference, 0.5)[3] - 1
    events = EventAccumulator(run).Reload()
    weight = {e.step: e.value for e in events.Scalars("train/lambda")}
    move = max(-1.0, min(4.0, (excess - 0.005) / 0.005))
    assert weight[2] == 0.5 and weight[3] == pytest.approx(0.5 * math.exp(-0.3 * move), rel=1e-3)


def test_the_logged_loss_is_that_of_the_global_batch(write_config, tmp_path):
    """At the first step, before weights and noise differ: two halves of a batch against the mean of both."""
    logged = {}
    for devices in (1, 2):
        run = tmp_path / str(devices)
        options = {"run": str(run), "trainer.log_every_n_steps": 1, "trainer.max_steps": 2}
        options |= DDP if devices == 2 else {}
        config = write_config(str(devices), **options, **{"model.noise_draws": 64})
        if devices == 2:
            ranks.fit(config)
        else:
            assert main(["fit", "--config", config]) == 0
        events = EventAccumulator(str(run)).Reload()
        logged[devices] = events.Scalars("train/denoise")[0].value
    assert logged[2] == pytest.approx(logged[1], rel=0.03)  # other noise, 64 draws of it
