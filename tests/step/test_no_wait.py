"""A training step does not wait for the device between two steps that are logged."""

import pytest
import pytorch_lightning as pl
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from align.callbacks import progress
from align.cli import main
from align.errors import InputError
from align.step.finite import FiniteWatch

WAITS = ("_local_scalar_dense", "nonzero", "masked_select", "equal", "is_nonzero", "unique", "_to_cpu")
"""Operations whose result the host needs before it can go on, by the beginning of their names."""
LOGGED = 4


class Waits(TorchDispatchMode):
    """Lists what would wait: such operations, boolean masks as indices, and copies from device to device."""

    def __init__(self):
        super().__init__()
        self.found: list[str] = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = function.overloadpacket._qualified_op_name.removeprefix("aten::")
        masks = [i for i in args[1] if i is not None and i.dtype == torch.bool] if name == "index" else ()
        if name.startswith(WAITS) or len(masks):
            self.found.append(name)
        return function(*args, **(kwargs or {}))


class Watch(pl.Callback):
    """Runs each step, optimiser included, under `Waits`."""

    def __init__(self, found: dict[int, list[str]]):
        self.found = found

    def on_train_batch_start(self, trainer, module, batch, batch_idx):
        self._mode, self._step = Waits(), trainer.global_step
        self._mode.__enter__()

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx):
        self._mode.__exit__(None, None, None)
        self.found[self._step] = self._mode.found


OBJECTIVES = {
    "MMD": {},
    "JointMMD": {"bandwidth": "ema"},
    "CORAL": {},
    "MomentMatching": {"scaled": True},
    "DANN": {"ramp": 10},
}


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_no_step_waits_but_those_that_are_logged(objective, write_config, monkeypatch):
    from align.fit import RunCLI

    found: dict[int, list[str]] = {}
    add = RunCLI.instantiate_trainer

    def with_watch(self, **kwargs):
        trainer = add(self, **kwargs)
        trainer.callbacks.append(Watch(found))
        return trainer

    monkeypatch.setattr(RunCLI, "instantiate_trainer", with_watch)
    monkeypatch.setattr(
        progress, "FILE_SECONDS", 1e9
    )  # to write it is to wait, on a slow machine at any step
    changes = {
        "model.alignment": {"class_path": f"align.alignment.{objective}", "init_args": OBJECTIVES[objective]},
        "model.alignment_weight": 0.0 if objective in ("MomentMatching", "CORAL") else 0.1,
        "model.weighting": "align.alignment.GradientRatio" if objective == "CORAL" else None,
        "model.alignment_warmup": 3,
        "model.policy.crop": 12,
        "model.policy.domain_conditioning": True,
        "model.label_dropout": 0.2,
        "model.noise_draws": 2,
        "trainer.log_every_n_steps": LOGGED,
        "trainer.max_steps": 6,
        "trainer.val_check_interval": 6,
        "progress": {"seconds": 1e9},
        "embeddings": {"per_domain": 8, "paired": 0},
    }
    assert main(["fit", "--config", write_config(**changes)]) == 0
    waiting = {step: waits for step, waits in found.items() if waits}
    assert set(found) == set(range(6)) and set(waiting) <= {LOGGED - 1, 5}, waiting
    assert waiting  # what a step that is logged reads is seen


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_no_step_waits_on_a_gpu(objective, write_config, monkeypatch):
    from align.module import CotrainingModule

    step = CotrainingModule.training_step

    def strict(self, batch, batch_idx):
        if self._is_logged() or self.global_step < 2:
            return step(self, batch, batch_idx)
        torch.cuda.set_sync_debug_mode("error")
        try:
            total = step(self, batch, batch_idx)
            torch.autograd.grad(total, list(self.policy.parameters()), retain_graph=True, allow_unused=True)
            return total
        finally:
            torch.cuda.set_sync_debug_mode("default")

    monkeypatch.setattr(CotrainingModule, "training_step", strict)
    alignment = {"class_path": f"align.alignment.{objective}", "init_args": OBJECTIVES[objective]}
    changes = {"model.alignment": alignment, "model.alignment_weight": 0.1, "trainer.accelerator": "gpu"}
    changes |= {"trainer.log_every_n_steps": 5, "trainer.devices": 1}
    assert main(["fit", "--config", write_config(**changes)]) == 0


def test_the_first_loss_that_is_not_finite_is_named_when_it_is_looked_for():
    watch = FiniteWatch("one", "other")
    watch.check()
    watch.see(3, torch.tensor(1.0), torch.tensor(2.0))
    watch.check()
    watch.see(4, torch.tensor(1.0), torch.tensor(float("-inf")))
    watch.see(5, torch.tensor(float("nan")), torch.tensor(float("nan")))
    watch.see(6, torch.tensor(1.0), torch.tensor(1.0))
    with pytest.raises(InputError, match="other is not finite at step 4: -inf"):
        watch.check()


@pytest.mark.parametrize(("every", "logged"), [(100, 25), (2, 25), (100, 3)])
def test_spoilt_weights_stop_training_and_replace_no_checkpoint(
    every, logged, write_config, tmp_path, capsys, monkeypatch
):
    from align import module

    losses = module.denoising_losses

    def spoilt(policy, features, batch, generator, *rest):
        loss, hidden = losses(policy, features, batch, generator, *rest)
        spoilt.calls += policy.training
        return (loss * float("nan") if spoilt.calls == 4 and policy.training else loss), hidden

    spoilt.calls = 0
    monkeypatch.setattr(module, "denoising_losses", spoilt)
    changes = {"checkpoint": {"every": every}, "trainer.log_every_n_steps": logged}
    assert main(["fit", "--config", write_config(**changes)]) == 2
    assert "denoising loss is not finite at step 3: nan" in capsys.readouterr().err
    assert spoilt.calls <= 6
    last = tmp_path / "run/checkpoints/last.ckpt"
    if last.exists():  # of before
        state = torch.load(last, weights_only=True)
        assert state["global_step"] <= 3
        assert all(
            v.isfinite().all()
            for v in state["state_dict"].values()
            if torch.is_tensor(v) and v.is_floating_point() and v.dim() > 1
        )
