"""`align fit`, `validate` and `test`: LightningCLI around a run directory."""

import logging
import time
from contextlib import nullcontext
from pathlib import Path

import yaml
from pytorch_lightning.cli import LightningArgumentParser, LightningCLI
from pytorch_lightning.loggers import TensorBoardLogger

from align.callbacks.checkpoint import LAST, AtomicCheckpointIO, LastCheckpoint
from align.callbacks.embeddings import Embeddings
from align.callbacks.progress import Progress
from align.cli import one_line
from align.datamodule import CotrainingData
from align.errors import InputError
from align.files import locked, write_json, write_text
from align.module import CotrainingModule
from align.provenance import provenance

TRAINER_DEFAULTS = {
    "accelerator": "auto",
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


class RunCLI(LightningCLI):
    """A LightningCLI whose runs live in a self-contained directory, resume, and are never overwritten."""

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        parser.add_argument("--run", type=str, default="runs/run", help="Run directory; created, or resumed.")
        parser.add_argument("--threads", type=int, default=1, help="CPU threads of this process.")
        parser.add_lightning_class_args(LastCheckpoint, "checkpoint")
        parser.add_lightning_class_args(Progress, "progress")
        parser.add_lightning_class_args(Embeddings, "embeddings")
        parser.link_arguments("run", "trainer.default_root_dir")
        parser.link_arguments("seed_everything", "model.seed")

    def _value(self, name: str):
        return self.config[self.subcommand][name]

    @property
    def run_dir(self) -> Path:
        return Path(self._value("run"))

    def instantiate_trainer(self, **kwargs):
        import torch

        torch.set_num_threads(self._value("threads"))
        logger = TensorBoardLogger(save_dir=self.run_dir, name="", version="", default_hp_metric=False)
        kwargs.setdefault("logger", logger)
        kwargs.setdefault("plugins", []).append(AtomicCheckpointIO())
        return super().instantiate_trainer(**kwargs)

    def before_fit(self) -> None:
        """Claim the run directory: refuse another configuration's, write this one's."""
        config = yaml.safe_load(self.parser.dump(self.config, skip_none=False))[self.subcommand]
        path = self.run_dir / "config.yaml"
        if path.exists():
            difference = _first_difference(yaml.safe_load(path.read_text()), config)
            if difference:
                raise InputError(
                    f"run={str(self.run_dir)!r} holds a run of another configuration ({difference}); "
                    "nothing was overwritten: choose another directory"
                )
        self.datamodule.trainer = self.trainer
        self.trainer.strategy.connect(self.model)
        self.datamodule.setup("fit")  # bad data is reported before anything is written
        if not path.exists() and self.trainer.is_global_zero:
            write_text(path, yaml.safe_dump(config, sort_keys=False))
            stores = {domain.label: store for domain, store in self.datamodule.paths.items()}
            write_json(self.run_dir / "provenance.json", provenance(stores))

    def fit(self, model: CotrainingModule, **kwargs) -> None:
        """Train from the beginning or from the last checkpoint, then summarise."""
        if (self.run_dir / "summary.json").exists():
            print(f"{self.run_dir}: finished already")
            return
        last = self.run_dir / LAST
        started = time.perf_counter()
        alone = locked(self.run_dir, "run") if self.trainer.is_global_zero else nullcontext()
        with alone:
            resume = {"ckpt_path": str(last) if last.exists() else None, "weights_only": True}
            self.trainer.fit(model, **{**kwargs, **resume})
            self._summarise(time.perf_counter() - started)

    def _summarise(self, seconds: float) -> None:
        if not self.trainer.is_global_zero:
            return
        metrics = {name: float(value) for name, value in self.trainer.callback_metrics.items()}
        progress = next((c for c in self.trainer.callbacks if isinstance(c, Progress)), None)
        write_json(
            self.run_dir / "summary.json",
            {
                "lambda": self.model.alignment_weight,
                "seed": self.model.seed,
                "alpha": self.datamodule.real_alpha,
                "site": self.model.site,
                "method": type(self.model.alignment).__name__,
                "max_steps": self.trainer.max_steps,
                "real_demos": self.datamodule.train[1].n_episodes,
                "sim_demos": self.datamodule.train[0].n_episodes,
                "seconds": round(seconds, 1),
                "training_seconds": round(progress.training_seconds, 1) if progress else None,
                **{name.replace("/", "_"): value for name, value in sorted(metrics.items())},
            },
        )


def _first_difference(old: dict, new: dict, prefix: str = "") -> str | None:
    """The first option that differs, as "name: old → new", or `None`."""
    for key in sorted({*old, *new}):
        a, b = old.get(key), new.get(key)
        if isinstance(a, dict) and isinstance(b, dict):
            if difference := _first_difference(a, b, f"{prefix}{key}."):
                return difference
        elif a != b:
            return f"{prefix}{key}: {a} there, {b} here"
    return None


def main(arguments: list[str]) -> None:
    """Run the sub-command that `arguments` name.

    Raises:
        InputError: An option, the data or the run directory is not usable.
    """
    from jsonargparse import ArgumentError

    for library in ("pytorch_lightning", "lightning_fabric"):
        logging.getLogger(library).setLevel(logging.WARNING)
    try:
        RunCLI(
            CotrainingModule,
            CotrainingData,
            args=arguments,
            seed_everything_default=0,
            trainer_defaults=TRAINER_DEFAULTS,
            save_config_callback=None,
            parser_kwargs={"exit_on_error": False},
        )
    except ArgumentError as error:
        raise InputError(one_line(error)) from None
