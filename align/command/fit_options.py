"""The options of `align fit` and where they come from, for its parser, its help and the page of options."""

from typing import Any

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
    "precision": "32-true, bf16-mixed, 16-mixed or more; auto is bf16-mixed where the hardware has it.",
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
