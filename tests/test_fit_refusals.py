"""`align fit` on mistakes: each is one line, and what was there stays as it was."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import yaml

from align.cli import main
from align.command.fit_options import UNUSED, check_trains
from align.errors import InputError


def test_a_finished_run_is_left_alone_and_another_configuration_refused(write_config, tmp_path, capsys):
    config = write_config()
    assert main(["fit", "--config", config]) == 0
    *_, where, probe, trials, dashboard = capsys.readouterr().out.splitlines()
    assert f"{tmp_path / 'run'}: trained to step" in where and "checkpoints/last.ckpt" in where
    for line, command in ((probe, "align probe"), (trials, "align rollout"), (dashboard, "tensorboard")):
        assert command in line and str(tmp_path / "run") in line
    before = {
        p: p.stat().st_mtime_ns for p in (tmp_path / "run").rglob("*") if p.suffix in (".ckpt", ".yaml")
    }
    assert main(["fit", "--config", config]) == 0
    assert "finished already" in capsys.readouterr().out
    assert main(["fit", "--config", write_config(**{"model.alignment_weight": 2.0})]) == 2
    error = capsys.readouterr().err
    assert "another configuration" in error and "alignment_weight" in error and error.count("\n") == 1
    assert before == {p: p.stat().st_mtime_ns for p in before}


def test_one_batch_of_validation_is_not_all_of_them():
    """By the function: of int and float the parser takes what the process named first."""
    parts = {"callbacks": [], "strategy": SimpleNamespace(launcher=None)}
    trainer = SimpleNamespace(accumulate_grad_batches=1, max_steps=5, log_every_n_steps=1, **parts)
    given = dict.fromkeys((*UNUSED, "val_check_interval", "fast_dev_run"))
    check_trains({"ckpt_path": None, "trainer": {**given, "limit_val_batches": 1.0}}, trainer)
    with pytest.raises(InputError, match=r"limit_val_batches=1: expected 1\.0"):
        check_trains({"ckpt_path": None, "trainer": {**given, "limit_val_batches": 1}}, trainer)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"data.alpha": 1.5}, ["alpha", "1.5", "[0, 1]"]),
        ({"model.alignment_weight": -1.0}, ["alignment_weight", "-1.0"]),
        ({"model.alignment_wieght": 1.0}, ["alignment_wieght"]),
        ({"model.site": "pixels"}, ["site", "pixels"]),
        ({"model.ema_power": float("nan")}, ["ema_power=nan", "(0, 10]"]),
        ({"trainer.precision": "bf16-true"}, ["trainer.precision=bf16-true", "bf16-mixed"]),
        ({"model.policy.schedule.init_args.inference_steps": 10**6}, ["inference_steps"]),
        ({"embeddings.thumbnail": 512}, ["thumbnail=512"]),
        ({"model.policy.denoiser": "torch.nn.Bilinear"}, ["denoiser"]),
        ({"data.sim": "nowhere.zarr"}, ["nowhere.zarr"]),
        ({"data.batch_size": 1}, ["batch_size", "1"]),
        ({"model.policy.action_dim": 3, "model.policy.relative_actions": False}, ["action_dim", "3", "2"]),
        ({"model.policy.crop": 99}, ["crop", "99", "16"]),
        ({"model.policy.encoder": {"class_path": "no.such.Encoder"}}, ["no.such.Encoder"]),
        ({"data.max_real": 0}, ["max"]),
        ({"model.initial": "nowhere"}, ["checkpoint", "nowhere"]),
        ({"model.label_dropout": 0.1}, ["label_dropout", "0.1", "domain_conditioning"]),
        ({"model.policy.guidance_weight": 1.0}, ["guidance_weight", "1.0", "domain_conditioning"]),
        (
            {"model.policy.domain_conditioning": True, "model.policy.guidance_weight": 1.0},
            ["label_dropout", "guidance_weight"],
        ),
        (
            {"model.policy.domain_conditioning": True, "model.site": "denoiser"},
            ["site", "denoiser", "domain_conditioning"],
        ),
        ({"model.alignment": {"class_path": "align.alignment.CORRAL"}}, ["CORRAL"]),
        ({"data.validation": 0}, ["validation", "0"]),
        ({"model.policy.horizon": 8, "model.policy.n_action_steps": 4}, ["horizon=8", "denoiser", "16"]),
        (
            {"model.alignment_weight": 0.1, "data.alpha": 0.1},
            ["alignment_weight=0.1", "alpha=0.1", "batch_size=8", "7 sim and 1 real", "MMD", "balanced"],
        ),
        ({"trainer.accumulate_grad_batches": 2}, ["accumulate_grad_batches", "2"]),
        (
            {
                "trainer.callbacks": [
                    {
                        "class_path": "pytorch_lightning.callbacks.GradientAccumulationScheduler",
                        "init_args": {"scheduling": {0: 2}},
                    }
                ]
            },
            ["trainer.callbacks", "GradientAccumulationScheduler", "batch_size"],
        ),
        ({"trainer.strategy": "ddp_spawn"}, ["trainer.strategy=ddp_spawn", "expected ddp"]),
        ({"trainer.gradient_clip_val": -1}, ["gradient_clip_val=-1", "expected a number in"]),
        ({"threads": 0}, ["threads", "0"]),
        ({"data.real": ""}, ["data.real", "expected the path of a store"]),
        ({"data.max_real": 50}, ["max_demos=50", "real", "4 episodes are left"]),
        ({"trainer.max_epochs": 0}, ["max_epochs=0", "expected -1", "max_steps"]),
        ({"trainer.limit_val_batches": 0}, ["limit_val_batches=0", "expected 1.0"]),
        ({"trainer.overfit_batches": 1}, ["overfit_batches=1", "expected 0.0"]),
        ({"trainer.log_every_n_steps": 0}, ["log_every_n_steps=0"]),
        ({"trainer.limit_train_batches": 0.5}, ["limit_train_batches=0.5", "expected 1.0"]),
        ({"data.cache": "~no_such_user/cache"}, ["no_such_user"]),
        (
            {"model.policy.horizon": 64, "model.policy.denoiser.init_args.horizon": 64},
            ["policy.horizon=64", "the longest", "steps"],
        ),
        ({"embeddings": {"sites": ["image", "encoder.bakbone"]}}, ["encoder.bakbone", "encoder.backbone"]),
        ({"embeddings": {"sites": ["encoder@5"]}}, ["encoder@5", "diffusion step"]),
        ({"embeddings": {"sites": []}}, ["sites"]),
        ({"checkpoint": {"every": 0}}, ["every", "0"]),
        (
            {
                "trainer.callbacks": [
                    {
                        "class_path": "align.callbacks.Rollouts",
                        "init_args": {"worlds": {"sim": {}}, "size": 64},
                    }
                ]
            },
            ["size", "64", "16"],
        ),
        (
            {
                "trainer.callbacks": [
                    {
                        "class_path": "align.callbacks.Rollouts",
                        "init_args": {"worlds": {"sim": {}}, "size": 16, "reference": "none.zarr"},
                    }
                ]
            },
            ["reference", "none.zarr"],
        ),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(changes, words, write_config, refused):
    refused(write_config(**changes), *words)


def test_mismatched_actions_and_short_episodes(write_config, make_store, capsys):
    wide = make_store("wide", action_dim=3)
    assert main(["fit", "--config", write_config(**{"data.real": wide})]) == 2
    error = capsys.readouterr().err
    assert "action" in error and "3" in error and error.count("\n") == 1
    short = make_store("short", length=12)  # shorter than the horizon of 16: padded
    assert main(["fit", "--config", write_config(**{"data.real": short})]) == 0


@pytest.mark.parametrize("name", ["config.yaml", "progress.json", "events.out.tfevents.1700000000.lab.1.0"])
def test_files_of_something_else_are_not_overwritten(name, write_config, tmp_path, capsys):
    mine = tmp_path / "mine"
    mine.mkdir()
    config = write_config(run=str(mine))
    content = Path(config).read_bytes() if name == "config.yaml" else b"{}"
    (mine / name).write_bytes(content)
    command = ["fit", "--config", str(mine / name) if name == "config.yaml" else config]
    assert main(command) == 2
    error = capsys.readouterr().err
    assert name in error and "would be overwritten" in error and error.count("\n") == 1
    assert (mine / name).read_bytes() == content and list(mine.iterdir()) == [mine / name]


@pytest.mark.parametrize("command", ["fit", "validate", "embed"])
def test_a_store_that_was_written_anew_is_not_gone_on_with(
    command, write_config, make_store, tmp_path, capsys
):
    store = make_store("changing", n=6)
    config, run = write_config(**{"data.real": store}), tmp_path / "run"
    assert main(["fit", "--config", config]) == 0
    if command == "fit":
        (run / "summary.json").unlink()
    shutil.rmtree(store)
    make_store("changing", n=7, seed=5)
    capsys.readouterr()
    assert main(["embed", str(run)] if command == "embed" else [command, "--config", config]) == 2
    error = capsys.readouterr().err
    assert "changing.zarr" in error and "was written anew" in error and error.count("\n") == 1
    if command == "validate":  # on others, as asked
        assert main([command, "--config", config, "--data.real", make_store("another", n=6, seed=6)]) == 0


def test_a_run_without_a_directory_is_refused(write_config, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = set(tmp_path.rglob("*"))
    assert main(["fit", "--run", "", "--config", config := write_config()]) == 2
    assert "run=''" in capsys.readouterr().err
    assert set(tmp_path.rglob("*")) - before <= {Path(config)}


def test_truncated_store_is_refused(write_config, make_store, capsys):
    path = Path(make_store("cut"))
    shutil.rmtree(path / "data/action")
    assert main(["fit", "--config", write_config(**{"data.real": str(path)})]) == 2
    assert "action" in capsys.readouterr().err


def test_a_component_no_checkpoint_could_hold_is_refused_first(write_config, tmp_path, capsys, monkeypatch):
    (tmp_path / "forgetful.py").write_text(
        "from torch import nn\n"
        "class Encoder(nn.Module):\n"
        "    features = 8\n"
        "    def __init__(self, width: int = 8): super().__init__()\n"
        "    def forward(self, x): return x.flatten(1)[:, :8]\n"
    )
    monkeypatch.chdir(tmp_path)
    encoder = {"model.policy.encoder": {"class_path": "forgetful.Encoder"}}
    assert main(["fit", "--config", write_config(**encoder, run=str(tmp_path / "runs/mine"))]) == 2
    assert "width" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def test_nan_and_empty_and_disordered_stores(write_config, make_store, capsys):
    import zarr

    def damaged(name, change):
        path = make_store(name)
        change(zarr.open_group(path, mode="r+"))
        assert main(["fit", "--config", write_config(**{"data.real": path})]) == 2
        error = capsys.readouterr().err
        assert error.startswith("align: error: ") and error.count("\n") == 1
        return error

    def nan(root):
        root["data/action"][3, 0] = np.nan

    def disordered(root):
        root["meta/episode_ends"][1] = 0

    def past_the_end(root):
        root["meta/episode_ends"][-1] = 10_000

    assert "action" in damaged("nan", nan)
    assert "episode_ends" in damaged("disordered", disordered)
    assert "episode_ends" in damaged("past", past_the_end)


def test_a_claim_that_never_trained_is_replaced(write_config, tmp_path, monkeypatch):
    from align.module import CotrainingModule

    run = tmp_path / "run"
    with monkeypatch.context() as patch, pytest.raises(RuntimeError, match="out of memory"):
        patch.setattr(
            CotrainingModule, "training_step", lambda *_: (_ for _ in ()).throw(RuntimeError("out of memory"))
        )
        main(["fit", "--config", write_config(**{"data.batch_size": 10})])
    assert (run / "config.yaml").exists() and list(run.glob("events.out.tfevents.*"))
    assert main(["fit", "--config", write_config()]) == 0
    assert yaml.safe_load((run / "config.yaml").read_text())["data"]["batch_size"] == 8
    assert len(list(run.glob("events.out.tfevents.*"))) == 1  # none of the attempt
