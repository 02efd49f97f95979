"""`align fit` with a λ that is set step by step: what it needs, what it leaves, and that it resumes."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import yaml
from run_weights import last_weights
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from align.alignment.weighting import Fixed
from align.checks import check_warmup
from align.cli import main
from align.run.config import read_yaml
from align.run.reference import held_out_losses
from align.step.held_out import HeldOut


def _scalars(run, tag: str) -> dict[int, float]:
    return {e.step: e.value for e in EventAccumulator(str(run)).Reload().Scalars(tag)}


def test_a_gradient_ratio_resumes_to_the_bit(write_config, resumed_equals_whole):
    weighting = {"class_path": "align.alignment.GradientRatio", "init_args": {"ratio": 0.5}}
    options = {"model.weighting": weighting, "checkpoint": {"every": 2}, "model.alignment_warmup": 2}
    cut = resumed_equals_whole(
        lambda name, run: write_config(name, run=run, **options, **{"trainer.log_every_n_steps": 1})
    )
    state = last_weights(cut)
    assert (state["weighting.squares"] > 0).all()
    weight, ratio = _scalars(cut, "train/lambda"), _scalars(cut, "train/grad_ratio")
    assert weight[0] == 0 < weight[1] < weight[2]  # the warm-up, and the first step that is measured
    assert all(0.05 < ratio[step] < 5 for step in range(3, 6))
    assert _scalars(cut, "train/grad_ratio_smoothed")[5] == pytest.approx(0.5)
    summary = json.loads((cut / "summary.json").read_text())
    assert summary["weighting"] == "GradientRatio"
    assert summary["lambda"] == weight[5], "that of the last step; the average has gone on since"


@pytest.fixture
def reference(write_config, tmp_path) -> str:
    """A finished run without alignment."""
    run = str(tmp_path / "reference")
    assert main(["fit", "--config", write_config("reference", run=run, seed_everything=3)]) == 0
    return run


def _held_against(reference: str | None, **options) -> dict:
    arguments = {"reference": reference, **options}
    return {"model.weighting": {"class_path": "align.alignment.Constrained", "init_args": arguments}}


def test_a_budget_follows_the_held_out_loss_and_resumes_to_the_bit(
    reference, write_config, resumed_equals_whole, tmp_path
):
    moved = tmp_path / "moved.zarr"  # the same demonstrations at another place
    shutil.copytree(read_yaml(Path(reference) / "config.yaml")["data"]["real"], moved)
    changes = _held_against(reference, budget=0.01, initial=0.5)
    changes |= {"trainer.log_every_n_steps": 1, "data.real": str(moved)}
    cut = resumed_equals_whole(lambda name, run: write_config(name, run=run, **changes))
    with_it, without = held_out_losses(cut, 0.5), held_out_losses(reference, 0.5)
    assert list(with_it) == list(without) == [3, 6]
    assert without[3] == pytest.approx(
        0.5 * (_scalars(reference, "val/loss_sim")[2] + _scalars(reference, "val/loss_real")[2])
    )
    weight, slack = _scalars(cut, "train/lambda"), _scalars(cut, "train/slack")
    excess = with_it[3] / without[3] - 1
    assert slack[2] == pytest.approx(0.01) and slack[3] == pytest.approx(0.01 - excess, abs=1e-5)
    move = max(-1.0, min(4.0, (excess - 0.005) / 0.005))
    assert weight[2] == 0.5 and weight[3] == pytest.approx(0.5 * 2.718281828 ** (-0.3 * move), rel=1e-3)
    assert _scalars(cut, "train/multiplier")[5] == pytest.approx(1 / weight[5], rel=1e-5)
    state = last_weights(cut)
    assert int(state["weighting.validations"]) == 2


def test_a_reference_is_a_finished_run_without_alignment_that_trained_alike(
    reference, write_config, make_store, tmp_path, capsys, refused
):
    other = make_store("another_sim", n=8, seed=7)
    mistakes = [
        (_held_against(None), ["reference=null", "Constrained"]),
        (_held_against(str(tmp_path)), ["config.yaml"]),
        (_held_against(reference) | {"trainer.max_steps": 7}, ["trained otherwise", "max_steps", "6", "7"]),
        (
            _held_against(reference) | {"trainer.gradient_clip_val": 2},
            ["trained otherwise", "gradient_clip_val"],
        ),
        (
            _held_against(reference) | {"trainer.val_check_interval": 6},
            ["val_check_interval=6", "1 validation"],
        ),
        (_held_against(reference) | {"data.alpha": 0.25}, ["trained otherwise", "data.alpha"]),
        (_held_against(reference) | {"data.sim": other}, ["trained otherwise", "data.sim", "another_sim"]),
        (_held_against(reference) | {"model.alignment_weight": 0.5}, ["alignment_weight=0.5", "Constrained"]),
        ({"model.weighting": "torch.nn.ReLU"}, ["weighting", "ReLU"]),
    ]
    for i, (changes, said) in enumerate(mistakes):
        refused(write_config(f"refused-{i}", run=str(tmp_path / f"refused-{i}"), **changes), *said)
    store = read_yaml(Path(reference) / "config.yaml")["data"]["real"]
    shutil.rmtree(store)
    make_store(Path(store).stem, n=6, seed=11)  # at the same place, after the reference was trained
    config = write_config("rewritten", run=str(tmp_path / "x"), **_held_against(reference))
    assert main(["fit", "--config", config]) == 2 and "written anew" in capsys.readouterr().err
    (tmp_path / "reference/summary.json").unlink()
    config = write_config("unfinished", run=str(tmp_path / "x"), **_held_against(reference))
    assert main(["fit", "--config", config]) == 2 and "no finished run" in capsys.readouterr().err


def test_a_run_that_goes_on_does_not_ask_its_reference_again(
    reference, write_config, tmp_path, killed_in_training
):
    """Whatever has become of it meanwhile, the run ends as one that was never stopped."""
    runs = [tmp_path / name for name in ("whole", "cut")]
    changes = _held_against(reference, budget=0.01, initial=0.5) | {"checkpoint": {"every": 2}}
    configs = [write_config(run.name, run=str(run), **changes) for run in runs]
    assert main(["fit", "--config", configs[0]]) == 0
    killed_in_training(configs[1])
    shutil.rmtree(reference)
    assert main(["fit", "--config", configs[1]]) == 0
    states = [last_weights(run) for run in runs]
    assert all(torch.equal(value, states[1][key]) for key, value in states[0].items())
    told = [json.loads((run / "summary.json").read_text()) for run in runs]
    assert [t.pop("training_seconds") > 0 for t in told] == [True, True] and told[0] == told[1]


def test_a_check_before_training_is_no_validation(reference, write_config, tmp_path, capsys):
    run = tmp_path / "new"
    changes = _held_against(reference) | {"trainer.num_sanity_val_steps": 2}
    assert main(["fit", "--config", write_config("new", run=str(run), **changes)]) == 0
    assert f"that of {reference}" in capsys.readouterr().out.partition("trained to step")[2]
    assert int(last_weights(run)["weighting.validations"]) == 2, "at steps 3 and 6"


def test_a_reference_with_a_class_of_its_authors_is_completed_with_newer_defaults(
    reference, write_config, tmp_path
):
    """The class may be anywhere else; what it is does not matter, and is not imported."""
    config = Path(reference) / "config.yaml"
    recorded = read_yaml(config)
    recorded["model"]["alignment"] = {"class_path": "of_its_author.Mine"}
    del recorded["model"]["channels_last"]
    config.write_text(yaml.safe_dump(recorded))
    held = write_config("held", run=str(tmp_path / "x"), **_held_against(reference))
    assert main(["fit", "--config", held]) == 0


def test_a_warm_up_that_is_longer_than_training_is_told(write_config, capsys):
    changes = {"model.alignment_weight": 0.5, "model.alignment_warmup": 50}
    assert main(["fit", "--config", write_config(**changes)]) == 0
    told = capsys.readouterr().out
    assert "warning: alignment_warmup=50: training ends at step 6, and λ comes to 10 % of what" in told
    assert check_warmup(Fixed(0.5), 1000, 1000) is None
    assert "comes to 99.8 %" in check_warmup(Fixed(0.5), 1001, 1000)


def test_images_that_are_fitted_to_no_size_are_told_of(write_config, capsys):
    assert main(["fit", "--config", write_config(**{"data.image_fit": "pad"})]) == 0
    assert "warning: data.image_fit=pad: images keep their size" in capsys.readouterr().out


def test_a_reference_of_which_validations_are_lost_is_refused(reference, write_config, tmp_path, refused):
    """TensorBoard stops reading where a file is damaged, and says nothing."""
    changes, run = _held_against(reference), str(tmp_path / "new")
    events = next(Path(reference).glob("events*"))
    whole = events.read_bytes()
    events.write_bytes(whole[:-200])
    config = write_config("cut", run=run, **changes)
    refused(config, f"reference='{reference}'", "lack", "step 6")
    middle = len(whole) // 2
    events.write_bytes(whole[:middle] + bytes([whole[middle] ^ 255]) + whole[middle + 1 :])
    refused(config, f"reference='{reference}'", "lack")


@pytest.mark.parametrize(("processes", "seen"), [(1, 0.25 * 4 + 0.75 * 2), (2, 10.0)])
def test_every_process_sees_the_same_held_out_loss(processes, seen):
    """All validate the same windows; where devices round differently, one λ holds for all of them."""
    shown = []
    trainer = SimpleNamespace(
        world_size=processes,
        datamodule=SimpleNamespace(real_alpha=0.25),
        strategy=SimpleNamespace(reduce=lambda loss, reduce_op: torch.tensor(10.0)),
    )
    weighting = SimpleNamespace(see_held_out=lambda step, loss: shown.append((step, float(loss))))
    module = SimpleNamespace(trainer=trainer, weighting=weighting, global_step=7)
    HeldOut._see_held_out(module, [torch.tensor(2.0), torch.tensor(4.0)])
    assert shown == [(7, seen)]


def test_the_summary_has_the_lambda_of_the_last_step(write_config, resumed_equals_whole, tmp_path):
    """Training ends inside the warm-up here: λ never came to the weight that was asked for."""
    options = {"model.alignment_weight": 0.5, "model.alignment_warmup": 12, "checkpoint": {"every": 2}}
    resumed_equals_whole(lambda name, run: write_config(name, run=run, **options))
    found = [json.loads((tmp_path / name / "summary.json").read_text()) for name in ("whole", "cut")]
    assert [each["lambda"] for each in found] == [0.5 * 5 / 12] * 2
    assert found[0]["train_lambda"] == pytest.approx(found[0]["lambda"])
