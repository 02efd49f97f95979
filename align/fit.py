"""`align fit`, `validate` and `test`: LightningCLI around a run directory."""

import logging
import os
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, ClassVar

import torch
import yaml
from pytorch_lightning.cli import LightningArgumentParser, LightningCLI
from pytorch_lightning.loggers import Logger
from pytorch_lightning.utilities.exceptions import MisconfigurationException

from align.callbacks.checkpoint import AtomicCheckpointIO, LastCheckpoint
from align.callbacks.embeddings import Embeddings
from align.callbacks.logger import StepLogger
from align.callbacks.progress import Progress
from align.callbacks.termination import Termination, is_trained
from align.checkpoints.trust import importing_nothing_new
from align.command.fit_options import RUN_OPTIONS, TRAINER_DEFAULTS, check_trains
from align.command.fit_summary import summary, what_next
from align.command.options import check_nulls, read_nested_null
from align.command.parse_errors import explained, fit_options
from align.command.printing import on_terminal
from align.command.rehearsal import find_mistakes
from align.command.resuming import train
from align.datamodule import CotrainingData
from align.errors import (
    JOBS,
    InputError,
    Unfinished,
    check_numbers,
    one_line,
    shown,
)
from align.files import remove_temporaries, write_json, write_text
from align.module import CotrainingModule
from align.run.config import SECTIONS, fit_config, read_yaml, run_config
from align.run.layout import CONFIG, LAST_CHECKPOINT, PROGRESS, PROVENANCE, SUMMARY, TRAINING_EVENTS
from align.run.locks import empty, locked
from align.run.place import at_its_place, first_difference, stores_of, written_anew
from align.run.provenance import processor, provenance
from align.run.reference import check_reference, check_validations, held_out_losses
from align.run.state import check_free, is_begun, is_fitted
from align.step.precision import AUTO, Trainer, check_precision, resolve_precision

STOPPED = 75
"""Exit status of a run that ran out of time, as sysexits.h has it for what is to be tried again."""


class RunCLI(LightningCLI):
    """A LightningCLI whose runs live in a self-contained directory, resume, and are never overwritten.

    Args:
        args: The sub-command and its options.
        more: Of LightningCLI; its parser is made of them once a process.
    """

    _parsed: ClassVar[dict[str, dict[str, Any]]] = {}
    """By sub-command, what its parser left in the one that made it."""

    def __init__(self, *given: Any, args: list[str], **more: Any):
        self._asked = args[0]
        super().__init__(*given, args=args, **more)

    def subcommands(self) -> dict[str, set[str]]:
        """The one that is asked for: to read all signatures again for each of the others takes a while."""
        return {self._asked: super().subcommands()[self._asked]}

    def setup_parser(self, *given: Any) -> None:
        """Made once: a sweep looks at many configurations."""
        if self._asked not in self._parsed:
            before = set(vars(self))
            super().setup_parser(*given)
            self._parsed[self._asked] = {k: v for k, v in vars(self).items() if k not in before}
        vars(self).update(self._parsed[self._asked])

    def parse_arguments(self, *given: Any) -> None:
        made = self._parsed.pop(self._asked)
        super().parse_arguments(*given)
        self._parsed[self._asked] = made  # what fails, or ends by --print_config, may leave a mark on it

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        for name, (kind, default, text) in RUN_OPTIONS.items():
            parser.add_argument(f"--{name}", type=kind, default=default, help=text)
        parser.add_lightning_class_args(LastCheckpoint, "checkpoint")
        parser.add_lightning_class_args(Progress, "progress")
        parser.add_lightning_class_args(Embeddings, "embeddings")
        parser.link_arguments("run", "trainer.default_root_dir")
        parser.link_arguments("seed_everything", "model.seed")
        parser.link_arguments("seed_everything", "data.shuffle_seed")

    def before_instantiate_classes(self) -> None:
        """Say which precision is meant: a run that goes on keeps that which it began with, wherever it is."""
        options = self.config[self.subcommand].as_dict()
        check_nulls(options)
        for name in SECTIONS:  # jsonargparse lets some of them be lists
            if name in options and not isinstance(options[name], Mapping):
                raise InputError(f"{name}={shown(options[name])}: expected a mapping of its options")
        if not self._value("run"):
            raise InputError("run='': expected the directory of the run")
        trainer = self._value("trainer")
        if trainer["precision"] == AUTO:
            recorded = run_config(self.run_dir).get("trainer") or {}
            trainer["precision"] = (
                recorded["precision"]
                if "precision" in recorded
                else resolve_precision(str(trainer["accelerator"]))
            )

    def _parse_ckpt_path(self) -> None:
        """A checkpoint tells no options, as Lightning would let it: they name classes, which are imported."""

    def _set_seed(self) -> None:
        check_numbers("[0, 4294967295]", whole=True, seed_everything=int(self._value("seed_everything")))
        super()._set_seed()

    def instantiate_classes(self) -> None:
        super().instantiate_classes()
        auxiliary = self.model.auxiliary
        self.datamodule.serve(
            self.model.policy,
            self.model.noise_draws,
            self.model.ambient,
            None if auxiliary is None else auxiliary.targets,
        )

    def _value(self, name: str):
        return self.config[self.subcommand][name]

    @property
    def run_dir(self) -> Path:
        return Path(self._value("run"))

    def instantiate_trainer(self, **kwargs):
        import torch

        check_numbers(JOBS, whole=True, threads=self._value("threads"))
        torch.set_num_threads(self._value("threads"))
        trainer = self._get(self.config_init, "trainer")
        check_precision(trainer["precision"])
        check_numbers("[0, 1e9]", gradient_clip_val=trainer["gradient_clip_val"])
        loggers = self._loggers(trainer["logger"])
        plugins = [*_listed(trainer["plugins"]), AtomicCheckpointIO()]
        try:
            made = super().instantiate_trainer(logger=loggers or False, plugins=plugins, **kwargs)
            on_terminal(made.progress_bar_callback)
            return made
        except InputError:
            raise
        except (
            MisconfigurationException,
            TypeError,
            ValueError,
        ) as error:  # Lightning's word: some options clash
            told = one_line(error)
            if "Timer(duration=" in told:
                given = f"trainer.max_time={shown(trainer['max_time'])}"
                raise InputError(f"{given}: expected days:hours:minutes:seconds, e.g. 00:08:00:00") from None
            raise InputError(f"trainer: {told}") from None

    def _loggers(self, wanted) -> list[Logger]:
        """TensorBoard's in the run directory while training, and those of the configuration beside it."""
        if wanted is False and self.subcommand == "fit":
            raise InputError(
                "trainer.logger=false: a run logs to TensorBoard; expected null, or more loggers"
            )
        others = [logger for logger in _listed(wanted) if isinstance(logger, Logger)]
        if self.subcommand != "fit":
            return others
        return [StepLogger(self.run_dir, name="", version="", default_hp_metric=False), *others]

    def before_fit(self) -> None:
        """Claim the run directory, and find every mistake that can be found, before anything is written.

        Raises:
            InputError: Another process or another configuration holds the directory, or the data or the
                policy cannot be used.
        """
        check_trains(self.config[self.subcommand], self.trainer)
        check_free(self.run_dir)
        existed = self.run_dir.exists()
        self._held = ExitStack()
        if self.trainer.is_global_zero:
            self._held.enter_context(locked(self.run_dir, "run", by="align fit"))
            for folder in (self.run_dir, (self.run_dir / LAST_CHECKPOINT).parent):
                remove_temporaries(folder)
        try:
            self._check_and_record()
        except BaseException as error:
            if not existed and self.trainer.is_global_zero:
                empty(self.run_dir)
            self._held.__exit__(type(error), error, error.__traceback__)  # removes the folders it made
            raise

    def resolved(self) -> dict:
        """The configuration with all defaults, as plain data."""
        dumped = self.parser.dump(self.config, skip_none=False, skip_validation=True)  # it was parsed
        return yaml.safe_load(dumped)[self.subcommand]

    def _check_and_record(self) -> None:
        config = self.resolved()
        path = self.run_dir / CONFIG
        if os.path.lexists(path):
            difference = self.difference(self.run_dir, config) or written_anew(self.run_dir, config)
            if difference and is_begun(self.run_dir):
                raise InputError(
                    f"run={str(self.run_dir)!r} holds a run of another configuration ({difference}); "
                    "nothing was overwritten: choose another directory"
                )
            if not difference:
                if not is_begun(self.run_dir):  # what has begun keeps what it needs of it
                    self._check_reference(config)
                recorded = self._completed(read_yaml(path))
                if recorded != config and self.trainer.is_global_zero:  # it or its data lie elsewhere now
                    write_text(path, yaml.safe_dump(config, sort_keys=False))
                return
        self._check_reference(config)
        self.find_mistakes()
        if self.trainer.is_global_zero:
            for left in (PROGRESS, TRAINING_EVENTS):  # of another configuration that never trained
                for file in self.run_dir.glob(left):
                    file.unlink()
            write_json(self.run_dir / PROVENANCE, provenance(stores_of(config), self._processor()))
            write_text(path, yaml.safe_dump(config, sort_keys=False))  # last: what has it is resumed

    def _processor(self) -> str:
        """The name of what trains."""
        device = self.trainer.strategy.root_device
        return torch.cuda.get_device_name(device) if device.type == "cuda" else processor()

    def difference(self, run: Path, config: dict) -> str | None:
        """The first option in which a run differs from a configuration, as "name: there, here", or `None`.

        Where it and its data lie makes no difference, nor does how often it reports.
        """
        there = at_its_place(run, self._completed(read_yaml(run / CONFIG)), config)
        return first_difference(*({**c, "progress": None} for c in (there, config)))

    def _check_reference(self, config: dict) -> None:
        """Refuse a run that cannot be what this one's weighting holds it against."""
        weighting = self.model.weighting
        if not weighting.refers:
            return
        if weighting.reference is None:
            raise InputError(
                f"model.weighting.init_args.reference=null: {type(weighting).__name__} is held against a "
                "finished run without alignment; expected its directory"
            )
        check_validations(config["trainer"])
        check_reference(weighting.reference, self._completed(fit_config(weighting.reference)), config)
        held_out_losses(weighting.reference, 0.5)  # which are read again where the data say how they weigh

    def find_mistakes(self) -> None:
        """Read the data, and try all that training and what follows it will need.

        Raises:
            InputError: The data or the policy cannot be used.
        """
        find_mistakes(self.trainer, self.model, self.datamodule)

    def _completed(self, recorded: dict) -> dict:
        """A run's configuration with the defaults of options that did not exist when it was recorded.

        Others may have written it: of what it names only that is imported which this configuration names.
        """
        from jsonargparse import ArgumentError

        parser = self._parser(self.subcommand)
        try:
            with importing_nothing_new():
                parsed = parser.parse_object(recorded)
                return yaml.safe_load(parser.dump(parsed, skip_none=False, skip_validation=True))
        except (ArgumentError, ImportError, KeyError, TypeError, ValueError):
            # It names what is no more, or not known: that stays as it is, the rest has its defaults.
            defaults = yaml.safe_load(
                parser.dump(parser.get_defaults(), skip_none=False, skip_validation=True)
            )
            return _with_defaults(recorded, defaults)

    def _callback(self, kind: type) -> Any:
        return next(c for c in self.trainer.callbacks if isinstance(c, kind))

    def fit(self, model: CotrainingModule, **kwargs) -> None:
        """Train from the beginning or from the last checkpoint, then summarise."""
        with self._held:
            if is_fitted(self.run_dir):
                print(f"{self.run_dir}: finished already")
                return
            termination = Termination()
            with termination.watch(str(self.run_dir)):
                self.train(model, termination, **kwargs)
            if not is_trained(self.trainer):
                raise Unfinished(
                    f"{self.run_dir}: stopped by max_time at step {self.trainer.global_step} of "
                    f"{self.trainer.max_steps}; the same command goes on",
                    STOPPED,
                )
            if self.trainer.is_global_zero:
                step, progress = self.trainer.global_step, self._callback(Progress)
                write_json(self.run_dir / SUMMARY, summary(model, self.datamodule, progress, step))
                print(what_next(self.run_dir, step, model.weighting.verdict()), flush=True)

    def train(self, model: CotrainingModule, termination: Termination, **kwargs) -> None:
        """Train from the last checkpoint, if there is one; what cannot begin leaves nothing behind."""
        train(self.trainer, model, self.run_dir, termination, **kwargs)

    def validate(self, model: CotrainingModule, **kwargs) -> None:
        """Losses and MMD of the run's last checkpoint, or of `ckpt_path`, on held-out episodes."""
        self._evaluate("validate", model, **kwargs)

    def test(self, model: CotrainingModule, **kwargs) -> None:
        """The same as `validate`: held-out episodes take no part in training or selection."""
        self._evaluate("test", model, **kwargs)

    def _evaluate(self, how: str, model: CotrainingModule, ckpt_path: str | None = None, **kwargs) -> None:
        path = Path(ckpt_path) if ckpt_path else self.run_dir / LAST_CHECKPOINT
        if not path.is_file():
            raise InputError(
                f"run={str(self.run_dir)!r}: no checkpoint {path}; train first, or give ckpt_path"
            )
        config, recorded = self.resolved(), self.run_dir / CONFIG
        own = not ckpt_path and recorded.is_file() and stores_of(read_yaml(recorded)) == stores_of(config)
        if own and (changed := written_anew(self.run_dir, config)):  # other stores are what the user asks for
            raise InputError(f"run={str(self.run_dir)!r}: {changed}")
        getattr(self.trainer, how)(model, **{**kwargs, "ckpt_path": str(path), "weights_only": True})


def _with_defaults(recorded: dict, defaults: dict) -> dict:
    """A configuration with what it lacks of the defaults; arguments of classes stay as they are."""
    filled = defaults | recorded
    for name, value in recorded.items():
        default = defaults.get(name)
        if isinstance(value, dict) and isinstance(default, dict) and "class_path" not in value | default:
            filled[name] = _with_defaults(value, default)
    return filled


def _listed(value) -> list:
    """What an option holds that takes nothing, one thing or a list."""
    return [] if value is None else list(value) if isinstance(value, (list, tuple)) else [value]


def main(arguments: list[str], cli: type[RunCLI] = RunCLI) -> None:
    """Run the sub-command that `arguments` name.

    Args:
        arguments: The sub-command and its options.
        cli: What runs it.

    Raises:
        InputError: An option, the data or the run directory is not usable.
    """
    from jsonargparse import ArgumentError

    for library in ("pytorch_lightning", "lightning_fabric"):
        logging.getLogger(library).setLevel(logging.WARNING)
    read_nested_null()
    try:
        cli(
            CotrainingModule,
            CotrainingData,
            args=arguments,
            trainer_class=Trainer,
            seed_everything_default=0,
            trainer_defaults=TRAINER_DEFAULTS,
            save_config_callback=None,
            load_from_checkpoint_support=False,  # a checkpoint holds what it needs
            parser_kwargs={"exit_on_error": False},
        )
    except ArgumentError as error:
        raise InputError(explained(error, fit_options())) from None
