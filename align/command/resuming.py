"""Training from the beginning or from the last checkpoint, and what is left where it cannot begin."""

import os
from pathlib import Path

import pytorch_lightning as pl
from pytorch_lightning.utilities.exceptions import MisconfigurationException

from align.callbacks.monitors import unknown_monitor
from align.callbacks.termination import Termination
from align.errors import InputError, is_out_of_memory, mistake_behind, one_line
from align.files import writing_below
from align.module import CotrainingModule
from align.run.layout import LAST_CHECKPOINT, TRAINING_EVENTS

RESTORING = (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError)
"""What is raised where a checkpoint holds something else than the state of training."""


def train(
    trainer: pl.Trainer, model: CotrainingModule, run_dir: Path, termination: Termination, **kwargs
) -> None:
    """Train from the last checkpoint, if there is one; what cannot begin leaves nothing behind.

    Args:
        trainer: Lightning's.
        model: What is trained.
        run_dir: Its run directory.
        termination: Ends the training where the process is asked to.
        **kwargs: Of `trainer.fit`.

    Raises:
        InputError: The checkpoint holds something else than the state of this training, Lightning refuses
            the trainer's options, or a callback watches a metric that there is not.
    """
    last = run_dir / LAST_CHECKPOINT
    goes_on = os.path.lexists(last)
    options = {**kwargs, "ckpt_path": str(last) if goes_on else None, "weights_only": True}
    trainer.callbacks.insert(0, termination)
    events = set(run_dir.glob(TRAINING_EVENTS))
    try:
        with writing_below(run_dir):
            trainer.fit(model, **options)
    except BaseException as error:
        if not termination.has_begun and trainer.is_global_zero:
            for file in set(run_dir.glob(TRAINING_EVENTS)) - events:
                file.unlink()  # the logger opens one before the checkpoint is read
        told = mistake_behind(error) or is_out_of_memory(error)
        if isinstance(error, MisconfigurationException | RuntimeError) and not told:
            if (unknown := unknown_monitor(trainer, error)) is not None:
                raise unknown from None
        if isinstance(error, MisconfigurationException) and not termination.has_begun:  # some options clash
            raise InputError(one_line(error)) from None
        if goes_on and not termination.has_begun and isinstance(error, RESTORING) and not told:
            why = f"{type(error).__name__}: {one_line(error)[:200]}"
            raise InputError(f"checkpoint={str(last)!r}: training cannot go on from it ({why})") from None
        raise
