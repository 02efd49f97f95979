"""Runs that differ in seeds, trained as one batched model: `python -m align.together CONFIG...`.

Each is trained in its run directory up to its last checkpoint. `align fit` then goes on with it as with any
run that was stopped there: it evaluates and embeds the policy, and writes the summary.
"""

import contextlib
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import pytorch_lightning as pl
from pytorch_lightning.utilities.exceptions import SIGTERMException

from align.callbacks.termination import Termination, is_trained
from align.cli import guarded
from align.command.printing import Printable
from align.data.windows import Windows
from align.domain import Domain
from align.errors import InputError, Unfinished, one_line
from align.files import append_to
from align.fit import STOPPED, RunCLI
from align.fit import main as fit
from align.run.config import read_yaml
from align.run.layout import LOG
from align.run.state import is_fitted
from align.step.batches import moved
from align.step.lockstep import Apart, Seed, in_lockstep

GOES_ON = "the same command goes on from the last checkpoints"


class _Trained(Exception):
    """The last step is done, and its checkpoint is written."""


class _Leave(pl.Callback):
    def on_train_end(self, trainer: pl.Trainer, module) -> None:
        raise _Trained


def train_together(configs: Sequence[str]) -> None:
    """Train the runs of several configurations of `align fit`, up to their last checkpoints.

    Args:
        configs: Paths; they differ in seeds only, and name their run directories.

    Raises:
        Apart: They cannot be trained together, and are to be trained one by one.
        Unfinished: They were stopped, and the same command goes on.
    """
    clis: list[RunCLI] = []

    class Cli(RunCLI):
        """One that is ready to train, and waits for the others."""

        def instantiate_classes(self) -> None:
            super().instantiate_classes()
            data = _without_order(self.resolved())
            if lender := next((cli for cli in clis if _without_order(cli.resolved()) == data), None):
                self.datamodule.share(lender.datamodule)

        def fit(self, model, **kwargs) -> None:
            self.datamodule.setup()
            clis.append(self)

    stop, termination = [], Termination()
    with contextlib.ExitStack() as held:
        held.enter_context(termination.watch("trained together", lambda: stop.append(True)))
        seeds = []
        for config in configs:
            log = Path(read_yaml(config)["run"]) / LOG
            log.parent.mkdir(parents=True, exist_ok=True)
            output = Printable(held.enter_context(append_to(log, buffering=1)))
            with contextlib.redirect_stdout(output):
                fit(["fit", "--config", config], Cli)
            held.enter_context(clis[-1]._held)
            if not is_fitted(clis[-1].run_dir):
                seeds.append(_seed(clis[-1], output))
        if len(seeds) < 2:
            raise Apart(f"{len(seeds)} of {len(configs)} runs are left; expected two or more")
        if any(cli.trainer.world_size > 1 for cli in clis):
            raise Apart("on several devices, each run is trained by itself")
        _share_on_device(clis)
        termination.on_train_start(clis[0].trainer, clis[0].model)
        for seed in seeds:
            print(f"trained together with {len(seeds) - 1} more", file=seed.output)
        in_lockstep(seeds, lambda: bool(stop))
        _tell(seeds)


def _seed(cli: RunCLI, output: IO) -> Seed:
    cli.trainer.callbacks.append(_Leave())
    cli.model.cuda_graphs = False  # a graph has addresses of weights, which move as seeds come and go
    return Seed(cli.model, lambda: cli.train(cli.model, Termination(), datamodule=cli.datamodule), output)


def _without_order(config: dict[str, Any]) -> dict[str, Any]:
    """The options of the data, but for the order of the batches."""
    return {**config["data"], "shuffle_seed": None}


def _share_on_device(clis: Sequence[RunCLI]) -> None:
    """Have the data of all on the device once, if there is room for them."""
    found: dict[int, dict[Domain, Windows] | None] = {}
    for cli in clis:
        data = cli.datamodule
        if id(data.train) not in found:
            found[id(data.train)] = moved(data.train, cli.trainer.strategy.root_device)
    for cli in clis:
        cli.datamodule.train = found[id(cli.datamodule.train)] or cli.datamodule.train


def _tell(seeds: Sequence[Seed]) -> None:
    """Say what ended each training, if it was not its last step.

    Raises:
        Unfinished: It was stopped.
        BaseException: Something is wrong with the training, and not with a run.
    """
    for seed in seeds:
        if isinstance(seed.error, InputError):  # its own `align fit` will say so
            print(f"{seed.module.trainer.default_root_dir}: {one_line(seed.error)}")
        elif not isinstance(seed.error, _Trained | SIGTERMException):
            raise seed.error or RuntimeError("a training ended before its end")
    if any(isinstance(seed.error, SIGTERMException) for seed in seeds):
        raise Unfinished(f"stopped by SIGTERM; {GOES_ON}", 128 + signal.SIGTERM)
    if not all(is_trained(seed.module.trainer) for seed in seeds if isinstance(seed.error, _Trained)):
        raise Unfinished(f"stopped by max_time; {GOES_ON}", STOPPED)


if __name__ == "__main__":
    sys.exit(guarded(lambda: train_together(sys.argv[1:])))
