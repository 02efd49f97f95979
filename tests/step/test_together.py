"""Runs that are trained together are what each would have been alone."""

import copy
import json
import os
import shutil
import signal
from functools import partial
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from align.cli import main
from align.errors import InputError, Unfinished
from align.module import CotrainingModule
from align.networks import CameraEncoders, ConditionalMLP, ConditionalUnet1D, ConvEncoder
from align.policy import DiffusionPolicy
from align.seeding import torch_generator
from align.step.lockstep import FUNCTIONS, Apart
from align.step.stacked import Stacked
from align.together import train_together

OPTIONS = {
    "model.policy.crop": 12,
    "model.policy.domain_conditioning": True,
    "model.label_dropout": 0.2,
    "model.noise_draws": 2,
    "model.alignment": {"class_path": "align.alignment.MMD", "init_args": {"memory": 2}},
    "model.weighting": {"class_path": "align.alignment.GradientRatio", "init_args": {"ratio": 0.5}},
    "model.learning_rate": 1e-3,
    "trainer.precision": "32-true",
    "trainer.gradient_clip_val": 0.5,
    "trainer.log_every_n_steps": 4,
    "trainer.max_steps": 9,
    "trainer.val_check_interval": 6,
    "embeddings": {"per_domain": 8, "paired": 0},
}
FREE = "pool.project.bias"
"""Moves all places of a softmax alike: its gradient is round-off, which AdamW makes steps of."""


@pytest.fixture
def configured(write_config, tmp_path):
    """Configurations of runs of some seeds, in folders of a name."""

    def write(name: str, seeds: int, **changes) -> list[str]:
        return [
            write_config(
                f"{name}{seed}",
                run=str(tmp_path / name / str(seed)),
                seed_everything=seed,
                **{**OPTIONS, **changes},
            )
            for seed in range(seeds)
        ]

    return write


def _checkpoint(run: Path) -> dict:
    return torch.load(run / "checkpoints/last.ckpt", weights_only=True)


def _assert_equal(run: Path, other: Path) -> None:
    """Whether both runs end with the same weights, to round-off."""
    ours, theirs = _checkpoint(run), _checkpoint(other)
    assert ours["global_step"] == theirs["global_step"]
    assert ours["state_dict"].keys() == theirs["state_dict"].keys()
    assert ours["lr_schedulers"] == theirs["lr_schedulers"] and ours["loops"] == theirs["loops"]
    for name, value in ours["state_dict"].items():
        if torch.is_tensor(value) and not name.endswith(FREE):
            torch.testing.assert_close(value, theirs["state_dict"][name], atol=2e-5, rtol=1e-3, msg=name)


def test_each_run_is_what_it_would_have_been_alone(configured, tmp_path, monkeypatch, capsys):
    """Though they were stopped, one was behind after that, and one failed on the way."""
    for config in configured("alone", 2):
        assert main(["fit", "--config", config]) == 0
    step, at = CotrainingModule.training_step, {"SIGTERM": (1, 4), "mistake": (2, 7)}

    def disturbed(self, batch, batch_idx):
        if at.get("SIGTERM") == (self.seed, self.global_step):
            del at["SIGTERM"]
            os.kill(os.getpid(), signal.SIGTERM)
        if at.get("mistake") == (self.seed, self.global_step):
            raise InputError("its own mistake")
        return step(self, batch, batch_idx)

    together = configured("together", 3)
    with monkeypatch.context() as patch:
        patch.setattr(CotrainingModule, "training_step", disturbed)
        with pytest.raises(Unfinished, match="SIGTERM"):
            train_together(together)
        steps = [_checkpoint(tmp_path / f"together/{seed}")["global_step"] for seed in range(3)]
        assert steps == [5, 5, 5]
        shutil.rmtree(tmp_path / "together/0/checkpoints")  # as if it had been killed before it wrote one
        train_together(together)
    assert f"{tmp_path}/together/2: its own mistake" in capsys.readouterr().out
    assert _checkpoint(tmp_path / "together/2")["global_step"] < 9
    for seed, config in enumerate(together[:2]):
        run, alone = tmp_path / "together" / str(seed), tmp_path / "alone" / str(seed)
        assert not (run / "summary.json").exists() and "step 9/9" in (run / "log.txt").read_text()
        assert main(["fit", "--config", config]) == 0
        _assert_equal(run, alone)
        sizes = [(r / "checkpoints/last.ckpt").stat().st_size for r in (run, alone)]
        assert sizes[0] < 1.05 * sizes[1]  # nothing of the others
        ours, theirs = (json.loads((r / "summary.json").read_text()) for r in (run, alone))
        assert ours.keys() == theirs.keys()
        for name in set(ours) - {"training_seconds"}:
            number = isinstance(ours[name], float)
            assert ours[name] == (pytest.approx(theirs[name], rel=1e-2, abs=1e-4) if number else theirs[name])
        files = [{p.name for p in r.iterdir() if "tfevents" not in p.name} for r in (run, alone)]
        assert files[0] == files[1] | {"log.txt"}


EVERYTHING = {
    "data.gating": {"sigma_min": 0.303},
    "model.ambient": {"loss": "ambient"},
    "model.noise_draws": 4,
    "model.auxiliary": {"targets": "state[2:5]", "angles": [2], "weight": 0.5, "width": 8},
    "model.alignment": "align.alignment.ADDA",
    "model.alignment_weight": 0.3,
    "model.weighting": None,
    "model.learning_rate": 1e-3,
    "trainer.max_steps": 5,
    "trainer.val_check_interval": 5,
    "trainer.callbacks": [
        {
            "class_path": "align.callbacks.Rollouts",
            "init_args": {"worlds": {"sim": {}}, "size": 16, "trials": 2, "steps": 2, "film": 1},
        }
    ],
}


def test_gates_a_teacher_an_adversary_and_rollouts_are_each_runs_own(configured, tmp_path):
    """ADDA's classifier and its optimiser are no part of what is batched."""
    for config in configured("alone", 2, **EVERYTHING):
        assert main(["fit", "--config", config]) == 0
    together = configured("together", 2, **EVERYTHING)
    train_together(together)
    for seed, config in enumerate(together):
        run, alone = tmp_path / "together" / str(seed), tmp_path / "alone" / str(seed)
        assert "trained together" in (run / "log.txt").read_text() and not (run / "rollouts.csv").exists()
        assert main(["fit", "--config", config]) == 0
        _assert_equal(run, alone)
        ours, theirs = ((r / "rollouts.csv").read_text().splitlines() for r in (run, alone))
        assert len(ours) == 1 + 2 and [row.split(",")[:3] for row in ours] == [
            row.split(",")[:3] for row in theirs
        ]


def test_what_cannot_be_batched_says_so(configured, tmp_path, monkeypatch):
    forward = ConvEncoder.forward
    monkeypatch.setattr(ConvEncoder, "forward", lambda self, x: F.dropout(forward(self, x)))
    configs = configured("apart", 2)
    with pytest.raises(Apart, match="random"):
        train_together(configs)
    assert not (tmp_path / "apart/0/checkpoints/last.ckpt").exists()


def test_what_looks_into_the_denoisers_gradient_is_not_batched(configured, monkeypatch):
    """At this site its way does not lead through the part of a seed."""
    at_site = CotrainingModule._at_site

    def watched(self, features, hidden):
        layer = at_site(self, features, hidden)
        if layer.requires_grad:
            layer.register_hook(lambda gradient: None)
        return layer

    monkeypatch.setattr(CotrainingModule, "_at_site", watched)
    with pytest.raises(Apart, match="gradient"):
        train_together(
            configured(
                "apart",
                2,
                **{
                    "model.site": "denoiser",
                    "model.policy.domain_conditioning": False,
                    "model.label_dropout": 0.0,
                },
            )
        )


def _module(denoiser, encoder, seed: int) -> CotrainingModule:
    torch.manual_seed(seed)
    policy = DiffusionPolicy(encoder(), denoiser, crop=12)
    policy.normalizer.action_mean.add_(seed)  # of data of its own
    return CotrainingModule(policy, noise_draws=2)


NETWORKS = {
    "unet": (partial(ConditionalUnet1D, channels=(16, 32), groups=4), partial(ConvEncoder, 8, 16, 1)),
    "cameras": (
        partial(ConditionalMLP, width=16, frequencies=2),
        lambda: CameraEncoders({"wrist": ConvEncoder(8, 16, 1), "top": ConvEncoder(8, 16, 1)}),
    ),
}


@pytest.mark.parametrize("networks", NETWORKS)
def test_losses_and_gradients_are_each_seeds_own(networks):
    denoiser, encoder = NETWORKS[networks]
    modules = [_module(denoiser, encoder, seed) for seed in range(3)]
    lone = copy.deepcopy(modules)
    cameras = modules[0].policy.cameras
    batches = [
        {
            **{name: torch.randint(0, 255, (4, 2, 3, 16, 16), dtype=torch.uint8) for name in cameras},
            "agent_pos": torch.randn(4, 2, 2),
            "action": torch.randn(4, 16, 2),
            "domain": torch.tensor([0, 0, 1, 1]),
        }
        for _ in modules
    ]
    expected = []
    for seed, (module, batch) in enumerate(zip(lone, batches, strict=True)):
        generator = torch_generator(seed, "training", 7)
        features = module._encode(batch, generator)
        loss, hidden = module._denoise(features, batch, generator)
        (loss.mean() + features.image.square().mean() + hidden.square().mean()).backward()
        expected.append((loss, hidden))
    stacked = Stacked(modules)
    generators = [torch_generator(seed, "training", 7) for seed in range(3)]
    encoded = stacked(FUNCTIONS["encode"], [(batch,) for batch in batches], generators)
    found = stacked(FUNCTIONS["denoise"], list(zip(encoded, batches, strict=True)), generators)
    stacked.backward(
        f["loss"].mean() + e["image"].square().mean() + f["hidden"].square().mean()
        for e, f in zip(encoded, found, strict=True)
    )
    for (loss, hidden), own in zip(expected, found, strict=True):
        torch.testing.assert_close(own["loss"], loss)
        torch.testing.assert_close(own["hidden"], hidden, atol=1e-4, rtol=1e-4)
    for module, other in zip(modules, lone, strict=True):
        for (name, ours), theirs in zip(
            module.policy.named_parameters(), other.policy.parameters(), strict=True
        ):
            scale = float(theirs.grad.abs().max())
            torch.testing.assert_close(ours.grad, theirs.grad, atol=1e-4 * scale + 1e-6, rtol=1e-3, msg=name)
    modules[1].policy.denoiser.out.weight.data.zero_()
    parameters = dict(
        zip(dict(modules[0].policy.named_parameters()), stacked._parameters.values(), strict=True)
    )
    assert [bool(x.any()) for x in parameters["denoiser.out.weight"]] == [True, False, True]
