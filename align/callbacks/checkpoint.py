"""Checkpoints that appear whole or not at all, and hold data only."""

from pathlib import Path

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Checkpoint
from pytorch_lightning.plugins import TorchCheckpointIO

from align.errors import InputError
from align.files import atomic_path
from align.policy import LAST


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint aside and renames it; reads it with `weights_only=True`."""

    def save_checkpoint(self, checkpoint, path, storage_options=None) -> None:
        with atomic_path(path) as target:
            torch.save(checkpoint, target)

    def load_checkpoint(self, path, map_location=None, weights_only=True):
        return torch.load(path, map_location=map_location or "cpu", weights_only=True)


class LastCheckpoint(Checkpoint):
    """Keeps one checkpoint, the last, at `checkpoints/last.ckpt` of the run directory.

    Args:
        every: Steps between two writes; the end of training is always written.
    """

    def __init__(self, every: int = 500):
        if every < 1:
            raise InputError(f"every={every}: expected 1 or more steps")
        self.every = every

    def on_train_batch_end(self, trainer: pl.Trainer, module, outputs, batch, batch_idx) -> None:
        if trainer.global_step % self.every == 0:
            trainer.save_checkpoint(Path(trainer.default_root_dir) / LAST, weights_only=False)

    def on_train_end(self, trainer: pl.Trainer, module) -> None:
        trainer.save_checkpoint(Path(trainer.default_root_dir) / LAST, weights_only=False)
