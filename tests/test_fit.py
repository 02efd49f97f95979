"""`align fit` end to end on tiny data: what a run leaves, resuming, what it is evaluated on."""

import json
import re
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
import zarr
from run_weights import last_weights

from align.cli import main
from align.fit import RunCLI
from align.policy import DiffusionPolicy


def test_a_run_is_self_contained(write_config, tmp_path):
    run = tmp_path / "run"
    config = write_config(**{"model.alignment_weight": 0.5})
    stores = yaml.safe_load(Path(config).read_text())["data"]
    for domain in ("sim", "real"):
        zarr.open_group(stores[domain], mode="a").attrs["rate_hz"] = 20
    assert main(["fit", "--config", config]) == 0
    summary = json.loads((run / "summary.json").read_text())
    assert summary["rate_hz"] == 20.0
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
    assert provenance["processor"].endswith(" cores")
    assert list(run.glob("events.out.tfevents.*")) and not (run / "hparams.yaml").exists()

    again = tmp_path / "again"
    config = yaml.safe_load((run / "config.yaml").read_text()) | {"run": str(again)}
    (tmp_path / "again.yaml").write_text(yaml.safe_dump(config))
    assert main(["fit", "--config", str(tmp_path / "again.yaml")]) == 0
    for key, value in last_weights(run).items():
        assert torch.equal(value, last_weights(again)[key]), key


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
        runs[name] = last_weights(tmp_path / name)["policy.encoder.head.weight"]
    assert torch.equal(runs["zero"], runs["other-zero"])  # what is measured does not act
    assert not torch.equal(runs["zero"], runs["one"])


def test_policy_from_a_checkpoint_acts_as_the_averaged_one(write_config, tmp_path):
    assert main(["fit", "--config", write_config()]) == 0
    policy = DiffusionPolicy.from_checkpoint(tmp_path / "run/checkpoints/last.ckpt")
    weights = last_weights(tmp_path / "run")
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


def test_the_parser_is_made_once_and_what_did_not_parse_leaves_no_mark_on_it(
    write_config, tmp_path, monkeypatch, capsys
):
    config = write_config(**{"trainer.max_steps": 1})
    assert main(["fit", "--config", config, "--print_config", "--data.alpha", "much"]) == 2
    assert main(["fit", "--config", config]) == 0
    assert "print_config" not in capsys.readouterr().out and (tmp_path / "run/summary.json").exists()
    monkeypatch.setattr(RunCLI, "add_core_arguments_to_parser", lambda *_: pytest.fail("made again"))
    another = write_config("another", run=str(tmp_path / "another"), **{"trainer.max_steps": 2})
    assert main(["fit", "--config", another]) == 0
    assert json.loads((tmp_path / "another/summary.json").read_text())["steps"] == 2


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


@pytest.mark.parametrize("end", [0, 1], ids=["before the file", "after it"])
def test_an_option_holds_over_the_file_wherever_it_stands(end, write_config, capsys):
    options, file = ["--data.alpha", "0.4"], ["--config=" + write_config(**{"data.alpha": 0.3})]
    order = [options, file][:: 1 if end == 0 else -1]
    with pytest.raises(SystemExit):
        main(["fit", *order[0], *order[1], "--print_config"])
    assert yaml.safe_load(capsys.readouterr().out)["data"]["alpha"] == 0.4


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
