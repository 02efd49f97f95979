"""Checkpoints that appear whole or not at all, and hold data only."""

import copy
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Checkpoint
from pytorch_lightning.plugins import TorchCheckpointIO
from pytorch_lightning.utilities.exceptions import SIGTERMException

from align.checkpoints.reading import read_checkpoint
from align.errors import COUNT, InputError, check_numbers
from align.files import atomic_path
from align.run.layout import LAST_CHECKPOINT

PARTS = {
    "epoch": int,
    "global_step": int,
    "pytorch-lightning_version": str,
    "callbacks": dict,
    "loops": dict,
    "optimizer_states": list,
    "lr_schedulers": list,
}
"""What else a checkpoint holds, for training to go on."""


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint aside and renames it; reads it with `weights_only=True`."""

    def save_checkpoint(self, checkpoint, path, storage_options=None) -> None:
        with atomic_path(path) as target, open(target, "wb") as file:  # a file tells why it cannot be written
            torch.save(_own(checkpoint), file)

    def load_checkpoint(self, path, map_location=None, weights_only=True):
        checkpoint = read_checkpoint(path)
        for name, kind in PARTS.items():
            if not isinstance(checkpoint.get(name), kind):
                raise InputError(f"checkpoint={str(path)!r}: no {name}; expected one written by align fit")
        return checkpoint


def _own(value: Any) -> Any:
    """The same, with tensors that are part of a larger one on their own: all of it would be saved."""
    if isinstance(value, torch.Tensor):
        return value.clone() if value.untyped_storage().nbytes() > value.nbytes else value
    if isinstance(value, dict):
        copied = copy.copy(value)  # a state dict has its metadata beside its items
        copied.update({key: _own(item) for key, item in value.items()})
        return copied
    return type(value)(map(_own, value)) if type(value) in (list, tuple) else value


class LastCheckpoint(Checkpoint):
    """Keeps one checkpoint, the last, at `checkpoints/last.ckpt` of the run directory.

    A step that is followed by a validation is written after it: a resumed run does not repeat a validation,
    so one that came after the checkpoint would be lost. The last step is always followed by one.

    Args:
        every: Steps between two writes; a validation, the end of training and SIGTERM write one as well.
    """

    def __init__(self, every: int = 500):
        check_numbers(COUNT, whole=True, every=every)
        self.every = every

    def on_train_start(self, trainer: pl.Trainer, module) -> None:
        self._written = trainer.global_step

    def on_train_batch_end(self, trainer: pl.Trainer, module, outputs, batch, batch_idx) -> None:
        if trainer.global_step == trainer.max_steps:
            trainer.should_stop = True  # the step that ends training is validated, whatever the interval is
        validates = trainer.should_stop or trainer.global_step % trainer.val_check_batch == 0
        if trainer.global_step % self.every == 0 and not (validates and trainer.enable_validation):
            self._write(trainer)

    def on_validation_end(self, trainer: pl.Trainer, module) -> None:
        if trainer.state.fn == "fit" and not trainer.sanity_checking:
            self._write(trainer)

    def on_train_end(self, trainer: pl.Trainer, module) -> None:
        self._write(trainer)

    def on_exception(self, trainer: pl.Trainer, module, exception: BaseException) -> None:
        if isinstance(exception, SIGTERMException) and trainer.training:  # it is raised between two steps
            self._write(trainer)

    def _write(self, trainer: pl.Trainer) -> None:
        if trainer.global_step > self._written:
            trainer.save_checkpoint(Path(trainer.default_root_dir) / LAST_CHECKPOINT, weights_only=False)
            self._written = trainer.global_step
