"""The options of `align fit` and where they come from, for its parser, its help and the page of options."""

from collections.abc import Mapping
from typing import Any

from align.errors import InputError

RUN_OPTIONS: dict[str, tuple[type, Any, str]] = {
    "run": (str, "runs/run", "Run directory; created, or resumed."),
    "threads": (int, 1, "CPU threads of this process."),
}
"""Its own options: type, default and text."""

SECTIONS = {
    "model": "align.module.CotrainingModule",
    "model.policy": "align.policy.DiffusionPolicy",
    "data": "align.datamodule.CotrainingData",
    "checkpoint": "align.callbacks.checkpoint.LastCheckpoint",
    "progress": "align.callbacks.progress.Progress",
    "embeddings": "align.callbacks.embeddings.Embeddings",
}
"""By prefix, the class whose arguments are options."""

LINKED = {
    "trainer.default_root_dir": "run",
    "model.seed": "seed_everything",
    "data.shuffle_seed": "seed_everything",
}
"""Options that follow from others."""

TRAINER_DEFAULTS: dict[str, Any] = {
    "accelerator": "auto",
    "precision": "auto",
    "max_epochs": -1,
    "max_steps": 10_000,
    "val_check_interval": 1000,
    "check_val_every_n_epoch": None,
    "num_sanity_val_steps": 0,
    "log_every_n_steps": 25,
    "gradient_clip_val": 1.0,
    "enable_progress_bar": False,
    "enable_model_summary": False,
    "use_distributed_sampler": False,
}
"""Arguments of Lightning's trainer that have another default here."""

TRAINER_TEXTS = {
    "max_steps": "Steps of training.",
    "max_time": "Longest time of training, e.g. 00:08:00:00; the same command goes on.",
    "val_check_interval": "Steps between two validations.",
    "log_every_n_steps": "Steps between two points of TensorBoard.",
    "accelerator": "cpu, gpu or auto.",
    "devices": "Number of devices, or their indices as [0, 1].",
    "num_nodes": "Number of machines.",
    "precision": "32-true, tf32, bf16-mixed or 16-mixed; auto is bf16-mixed where the hardware has it.",
    "callbacks": "Callbacks beside those of every run, in YAML, e.g. align.callbacks.Rollouts.",
    "logger": "Loggers beside TensorBoard, in YAML.",
}
"""Arguments of Lightning's trainer that are used most."""

CHOICES = {
    "Encoder": ("align.networks", "align.networks.base.Encoder"),
    "Denoiser": ("align.networks", "align.networks.base.Denoiser"),
    "Objective": ("align.alignment", "align.alignment.objective.Objective"),
    "Weighting": ("align.alignment", "align.alignment.weighting.Weighting"),
}
"""By base class of what can be swapped, the package with those that are there and the base's import path."""


UNUSED: dict[str, tuple[Any, str]] = {
    "max_epochs": (-1, "max_steps says how long a run is"),
    "limit_train_batches": (1.0, "max_steps says how long a run is"),
    "limit_val_batches": (1.0, "data.val_windows says how much it is validated on"),
    "overfit_batches": (0.0, "data.max_sim and data.max_real make the data few"),
}
"""Arguments of Lightning's trainer that a run has one value of, and why."""


def check_trains(options: Mapping[str, Any], trainer) -> None:
    """Refuse what no run has, and what trains nothing and would pass for a finished run.

    Args:
        options: Of `align fit`.
        trainer: Lightning's, made from them.

    Raises:
        InputError: They hold such a thing.
    """
    if options["ckpt_path"] is not None:
        raise InputError("ckpt_path: a run resumes from its own last checkpoint; choose a run directory")
    if trainer.accumulate_grad_batches != 1:
        raise InputError(
            f"accumulate_grad_batches={trainer.accumulate_grad_batches}: expected 1; raise batch_size instead"
        )
    given = options["trainer"]
    _check_runs(given, trainer)
    wanted = {
        "max_steps": trainer.max_steps,
        "val_check_interval": given["val_check_interval"],
        "log_every_n_steps": trainer.log_every_n_steps,
    }
    for name, value in wanted.items():
        if value is not None and value <= 0:
            raise InputError(
                f"trainer.{name}={value}: expected more than 0, or nothing is trained, validated or logged"
            )
    for name, (usual, why) in UNUSED.items():
        value = given[name]
        one = value == 1 and isinstance(value, int)  # a batch, where 1.0 is all of them
        if value is not None and (value != usual or one):
            raise InputError(f"trainer.{name}={value}: expected {usual}; {why}")
    if given["fast_dev_run"]:
        raise InputError(
            f"trainer.fast_dev_run={given['fast_dev_run']}: expected false; max_steps makes a run short"
        )


def _check_runs(given: Mapping[str, Any], trainer) -> None:
    """Refuse what takes a run's steps otherwise than they were written, or where nothing of them comes back.

    Raises:
        InputError: There is such a thing.
    """
    from pytorch_lightning.callbacks import GradientAccumulationScheduler  # late, as they take seconds
    from pytorch_lightning.strategies.launchers import _MultiProcessingLauncher

    if any(isinstance(callback, GradientAccumulationScheduler) for callback in trainer.callbacks):
        raise InputError(
            "trainer.callbacks: GradientAccumulationScheduler adds up steps of the same noise; expected "
            "none; raise batch_size instead"
        )
    if isinstance(trainer.strategy.launcher, _MultiProcessingLauncher):
        raise InputError(
            f"trainer.strategy={given['strategy']}: trains in processes of which no state comes back; "
            "expected ddp, which starts the command anew on each device, or auto"
        )
