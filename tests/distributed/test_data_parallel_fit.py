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
EACH_RANK = {"trainer.callbacks": [{"class_path": "ranks.EachRank"}]}


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
    arguments = {"reference": reference, "budget": 0.5, "initial": 0.5}
    changes = {"model.weighting": {"class_path": "align.alignment.Constrained", "init_args": arguments}}
    ranks.fit(
        write_config("held", run=run, **DDP, **EACH_RANK, **changes, **{"trainer.log_every_n_steps": 1})
    )
    excess = held_out_losses(run, 0.5)[3] / held_out_losses(reference, 0.5)[3] - 1
    events = EventAccumulator(run).Reload()
    weight = {e.step: e.value for e in events.Scalars("train/lambda")}
    move = (excess - 0.25) / 0.25
    assert -1 < move < 4, "else it is cut off, and says nothing of the loss"
    assert weight[2] == 0.5 and weight[3] == pytest.approx(0.5 * math.exp(-0.3 * move), rel=1e-3)
    first, second = ranks.seen(run)
    assert first["multiplier"] == second["multiplier"] and first["held_out"] == second["held_out"]


def test_the_logged_loss_is_that_of_the_global_batch(write_config, tmp_path):
    run = tmp_path / "run"
    ranks.fit(write_config(**DDP, **EACH_RANK, **{"trainer.log_every_n_steps": 1, "trainer.max_steps": 2}))
    logged = [scalar.value for scalar in EventAccumulator(str(run)).Reload().Scalars("train/denoise")]
    own = [rank["denoise"] for rank in ranks.seen(run)]
    assert logged == pytest.approx([sum(pair) / 2 for pair in zip(*own, strict=True)], rel=1e-6)
    assert own[0] != pytest.approx(own[1], rel=1e-3), "they saw different halves"
