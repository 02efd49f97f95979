"""`align fit` end to end on tiny data: what a run leaves, resuming, refusals."""

import json
import re
import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from align.cli import main
from align.policy import DiffusionPolicy


def _weights(run: Path) -> dict[str, torch.Tensor]:
    return torch.load(run / "checkpoints/last.ckpt", weights_only=True)["state_dict"]


def test_a_run_is_self_contained(write_config, tmp_path):
    run = tmp_path / "run"
    assert main(["fit", "--config", write_config(**{"model.alignment_weight": 0.5})]) == 0
    summary = json.loads((run / "summary.json").read_text())
    assert summary["lambda"] == 0.5 and summary["alpha"] == 0.5 and summary["steps"] == 6
    assert summary["train_real_fraction"] == 0.5 and summary["train_real_weight"] == pytest.approx(0.5)
    for measure in ("train_denoise", "train_alignment", "val_loss_sim", "val_loss_real", "val_mmd2"):
        assert np.isfinite(summary[measure])
    embeddings = np.load(run / "embeddings.npz")
    rows = len(embeddings["domain"])
    sites = {"image", "observation", "denoiser"}
    told = {"domain", "episode", "step", "thumbnail", "action", "chosen", "agent_pos", "state"}
    told |= {"action_error", "denoising_loss", "store"}
    codecs = {"codec/sim", "codec/real"}
    assert sites | told | {f"untrained/{site}" for site in sites} == set(embeddings) - codecs
    assert not (run / "paired.npz").exists()  # these stores are of no world that could be rendered
    assert all(len(embeddings[key]) == rows for key in set(embeddings) - codecs)
    assert embeddings["observation"].shape[1] == embeddings["image"].shape[1] + 2 * 2
    provenance = json.loads((run / "provenance.json").read_text())
    assert set(provenance["data"]) == {"sim", "real"} and provenance["versions"]["torch"]
    assert list(run.glob("events.out.tfevents.*"))

    again = tmp_path / "again"
    config = yaml.safe_load((run / "config.yaml").read_text()) | {"run": str(again)}
    (tmp_path / "again.yaml").write_text(yaml.safe_dump(config))
    assert main(["fit", "--config", str(tmp_path / "again.yaml")]) == 0
    for key, value in _weights(run).items():
        assert torch.equal(value, _weights(again)[key]) if torch.is_tensor(value) else True, key


@pytest.mark.parametrize(
    "alignment",
    [
        {"class_path": "align.alignment.MMD", "init_args": {"memory": 1, "bandwidth": "ema"}},
        {"class_path": "align.alignment.DANN", "init_args": {"ramp": 4, "spectral_norm": True}},
        {"class_path": "align.alignment.ADDA", "init_args": {"learning_rate": 0.01}},
    ],
    ids=lambda a: a["class_path"].split(".")[-1],
)
def test_resumed_run_ends_with_the_weights_of_an_uninterrupted_one(
    alignment, write_config, resumed_equals_whole
):
    options = {"model.alignment_weight": 0.5, "model.alignment": alignment, "checkpoint": {"every": 2}}
    resumed_equals_whole(partial(write_config, **options))


def test_mixed_precision_trains_about_as_full_precision_does(write_config, tmp_path):
    summaries = {}
    for precision in ("32-true", "bf16-mixed"):
        run = tmp_path / precision
        changes = {"run": str(run), "trainer.precision": precision, "model.alignment_weight": 0.5}
        assert main(["fit", "--config", write_config(precision, **changes)]) == 0
        summaries[precision] = json.loads((run / "summary.json").read_text())
    full, mixed = summaries.values()
    for measure in ("train_denoise", "train_alignment", "val_loss_real"):
        assert mixed[measure] != full[measure]
        assert mixed[measure] == pytest.approx(full[measure], rel=0.05, abs=0.02), measure


@pytest.mark.parametrize("clip", ["norm", "value"])
def test_bf16_steps_with_a_fused_optimiser_as_with_a_plain_one(clip, write_config, tmp_path, monkeypatch):
    from align import module

    found = {}
    for fused in (True, False):

        def adamw(*arguments, fused=fused, make=module.adamw):
            assert arguments[4]  # the module asks for a fused one
            return make(*arguments[:4], fused)

        with monkeypatch.context() as patch:
            patch.setattr(module, "adamw", adamw)
            changes = {"run": str(tmp_path / f"{fused}"), "trainer.precision": "bf16-mixed"}
            changes |= {"trainer.gradient_clip_algorithm": clip, "trainer.gradient_clip_val": 0.1}
            assert main(["fit", "--config", write_config(f"{fused}", **changes)]) == 0
        found[fused] = _weights(tmp_path / f"{fused}")["policy.encoder.head.weight"]
    torch.testing.assert_close(found[True], found[False], rtol=1e-3, atol=1e-5)


def test_auto_precision_is_that_of_the_machine_where_the_run_began(write_config, tmp_path, monkeypatch):
    from align import fit

    def recorded():
        return yaml.safe_load((tmp_path / "run/config.yaml").read_text())["trainer"]["precision"]

    monkeypatch.setattr(fit, "resolve_precision", lambda accelerator: "bf16-mixed")
    assert main(["fit", "--config", write_config()]) == 0 and recorded() == "bf16-mixed"
    before = _weights(tmp_path / "run")
    shutil.rmtree(tmp_path / "run/checkpoints")
    (tmp_path / "run/summary.json").unlink()
    monkeypatch.setattr(fit, "resolve_precision", lambda accelerator: "32-true")
    assert main(["fit", "--config", write_config()]) == 0 and recorded() == "bf16-mixed"
    assert all(torch.equal(v, before[k]) for k, v in _weights(tmp_path / "run").items() if torch.is_tensor(v))


def test_lambda_changes_the_encoder_and_zero_is_plain_cotraining(write_config, tmp_path):
    runs = {}
    for name, weight, multipliers in (("zero", 0.0, [1.0]), ("other-zero", 0.0, [3.0]), ("one", 1.0, [1.0])):
        config = write_config(
            name,
            **{
                "run": str(tmp_path / name),
                "model.alignment_weight": weight,
                "model.alignment": {
                    "class_path": "align.alignment.MMD",
                    "init_args": {"multipliers": multipliers},
                },
            },
        )
        assert main(["fit", "--config", config]) == 0
        runs[name] = _weights(tmp_path / name)["policy.encoder.head.weight"]
    assert torch.equal(runs["zero"], runs["other-zero"])  # what is measured does not act
    assert not torch.equal(runs["zero"], runs["one"])


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
        ({"threads": 0}, ["threads", "0"]),
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
def test_a_mistake_is_one_line_and_leaves_nothing(changes, words, write_config, tmp_path, capsys):
    assert main(["fit", "--config", write_config(**changes)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("align: error: ") and error.count("\n") == 1
    assert all(word in error for word in words), error
    assert not (tmp_path / "run").exists()


def test_mismatched_actions_and_short_episodes(write_config, make_store, capsys, tmp_path):
    wide = make_store("wide", action_dim=3)
    assert main(["fit", "--config", write_config(**{"data.real": wide})]) == 2
    error = capsys.readouterr().err
    assert "action" in error and "3" in error and error.count("\n") == 1
    short = make_store("short", length=12)  # shorter than the horizon of 16: padded
    assert main(["fit", "--config", write_config(**{"data.real": short})]) == 0


def test_truncated_store_is_refused(write_config, make_store, capsys):
    path = Path(make_store("cut"))
    shutil.rmtree(path / "data/action")
    assert main(["fit", "--config", write_config(**{"data.real": str(path)})]) == 2
    assert "action" in capsys.readouterr().err


def test_policy_from_a_checkpoint_acts_as_the_averaged_one(write_config, tmp_path):
    assert main(["fit", "--config", write_config()]) == 0
    policy = DiffusionPolicy.from_checkpoint(tmp_path / "run/checkpoints/last.ckpt")
    weights = _weights(tmp_path / "run")
    for name, value in policy.state_dict().items():
        assert torch.equal(value, weights[f"ema.model.{name}"]), name
    g = torch.Generator().manual_seed(0)
    observation = {
        "image": torch.randint(0, 256, (3, 2, 3, 16, 16), generator=g, dtype=torch.uint8),
        "agent_pos": torch.rand(3, 2, 2, generator=g) * 500,
    }
    noise = torch.randn(3, 16, 2, generator=g)
    actions = policy.act(observation, noise)
    assert actions.shape == (3, 8, 2) and not actions.requires_grad
    one = policy.act({key: value[1:2] for key, value in observation.items()}, noise[1:2])
    assert torch.allclose(one, actions[1:2], atol=1e-3)  # px
    assert (actions - observation["agent_pos"][:, -1:]).abs().max() < 200


def test_loggers_and_plugins_of_the_configuration_are_used_beside_ours(write_config, tmp_path, capsys):
    logger = {
        "class_path": "pytorch_lightning.loggers.CSVLogger",
        "init_args": {"save_dir": str(tmp_path / "csv")},
    }
    plugin = {"class_path": "pytorch_lightning.plugins.environments.LightningEnvironment"}
    config = write_config(
        **{"trainer.logger": logger, "trainer.plugins": [plugin], "trainer.log_every_n_steps": 1}
    )
    assert main(["fit", "--config", config]) == 0
    assert list((tmp_path / "run").glob("events.*"))
    (metrics,) = (tmp_path / "csv").rglob("metrics.csv")
    assert "train/denoise" in metrics.read_text()
    assert (tmp_path / "run/checkpoints/last.ckpt").exists()
    assert (
        main(["fit", "--config", write_config(**{"run": str(tmp_path / "b"), "trainer.logger": False})]) == 2
    )
    assert "trainer.logger" in capsys.readouterr().err and not (tmp_path / "b").exists()


@pytest.mark.parametrize("command", ["validate", "test"])
def test_evaluation_uses_the_last_checkpoint(command, write_config, tmp_path, capsys):
    config = write_config()
    assert main([command, "--config", config]) == 2
    assert "train first" in capsys.readouterr().err
    assert main(["fit", "--config", config]) == 0
    trained = json.loads((tmp_path / "run/summary.json").read_text())
    capsys.readouterr()
    assert main([command, "--config", config]) == 0
    printed = capsys.readouterr().out
    numbers = [float(word) for word in re.findall(r"\d+\.\d+", printed)]
    assert any(number == pytest.approx(trained["val_loss_real"], rel=1e-5) for number in numbers)
    assert len(list((tmp_path / "run").glob("events*"))) == 1


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
    assert main(["fit", "--config", write_config(**encoder)]) == 2
    assert "width" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


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


def test_one_domain_alone_measures_no_alignment(write_config, tmp_path):
    assert main(["fit", "--config", write_config(**{"data.alpha": 1.0})]) == 0
    summary = json.loads((tmp_path / "run/summary.json").read_text())
    assert "train_alignment" not in summary and summary["train_alignment_skipped"] == 1.0
    assert summary["train_real_fraction"] == 1.0


def test_a_training_seed_changes_the_order_of_the_data_and_not_the_split(write_config, tmp_path, monkeypatch):
    from align.data import shares

    first_batch, held_out = {}, {}

    class Recorded(shares.MixtureSampler):
        def batch(self, step):
            drawn = super().batch(step)
            first_batch.setdefault(seed, {d: i.tolist() for d, i in drawn.items()})
            return drawn

    monkeypatch.setattr(shares, "MixtureSampler", Recorded)
    for seed in (0, 1):
        config = write_config(f"seed{seed}", run=str(tmp_path / f"{seed}"), seed_everything=seed)
        assert main(["fit", "--config", config]) == 0
        held_out[seed] = np.load(tmp_path / f"{seed}/embeddings.npz")["episode"].tolist()
    assert first_batch[0] != first_batch[1]
    assert held_out[0] == held_out[1]


@pytest.mark.parametrize(("value", "read"), [("null", None), ("2.5", 2.5), ("data", "data")])
def test_null_is_none_inside_a_component_on_the_command_line(value, read, write_config, capsys):
    schedule = {"class_path": "align.diffusion.schedule.NoiseSchedule"}
    config = write_config(**{"model.policy.schedule": schedule})
    with pytest.raises(SystemExit):
        main(["fit", "--config", config, "--model.policy.schedule.clip", value, "--print_config"])
    printed = yaml.safe_load(capsys.readouterr().out)
    assert printed["model"]["policy"]["init_args"]["schedule"]["init_args"]["clip"] == read


@pytest.mark.parametrize(
    "changes",
    [
        {"data.alpha": 0.1, "data.balanced": True},
        {"data.alpha": 0.1, "model.alignment": {"class_path": "align.alignment.DANN"}},
        {
            "data.alpha": 0.1,
            "model.alignment": {"class_path": "align.alignment.MMD", "init_args": {"memory": 1}},
        },
        {"data.alpha": 1.0},
    ],
)
def test_whether_anything_is_aligned_is_said_and_logged(changes, write_config, tmp_path, capsys):
    """Samples that are remembered count; a batch that is meant to hold one domain is no mistake."""
    config = write_config(**{"model.alignment_weight": 0.1, "trainer.max_steps": 3, **changes})
    assert main(["fit", "--config", config]) == 0
    alone = changes["data.alpha"] == 1.0
    assert ("nothing is aligned" in capsys.readouterr().out) == alone
    assert json.loads((tmp_path / "run/summary.json").read_text())["train_alignment_skipped"] == float(alone)


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
