"""Training that is told to stop, by SIGTERM or `max_time`, and goes on another day."""

import contextlib
import os
import signal
from collections.abc import Callable, Iterator

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Timer
from pytorch_lightning.utilities.exceptions import SIGTERMException

from align.errors import Unfinished


def is_trained(trainer: pl.Trainer) -> bool:
    """Whether training went on to its end, and not only until `max_time`."""
    left = [c.time_remaining() for c in trainer.callbacks if isinstance(c, Timer)]
    return trainer.global_step >= trainer.max_steps or all(seconds is None or seconds > 0 for seconds in left)


class Termination(pl.Callback):
    """Ends a run on SIGTERM: between two steps, after a checkpoint, or at once where nothing is trained.

    Attributes:
        has_begun: Whether training came to its first step.
    """

    def __init__(self):
        self.has_begun = False
        self._in_loop = False

    def on_fit_start(self, trainer: pl.Trainer, module) -> None:
        for callback in trainer.callbacks:
            if isinstance(callback, Timer):
                callback.load_state_dict({})  # `max_time` is of a process: a resumed run has it anew

    def on_train_start(self, trainer: pl.Trainer, module) -> None:
        self.has_begun = self._in_loop = True

    def on_train_end(self, trainer: pl.Trainer, module) -> None:
        self._in_loop = False

    @contextlib.contextmanager
    def watch(self, run: str, ask: Callable[[], None] = lambda: None) -> Iterator[None]:
        """Turn SIGTERM into `Unfinished`; in its loop Lightning raises, between two steps.

        Args:
            run: What is stopped.
            ask: Asks a loop that Lightning does not know of.
        """
        unfinished = Unfinished(
            f"{run}: stopped by SIGTERM; the same command goes on from the last checkpoint",
            128 + signal.SIGTERM,
        )

        def stop(*_) -> None:
            if not self._in_loop:
                raise unfinished
            ask()

        # What SLURM sends before a job's time is up, under Lightning and under submitit, is the same request.
        same = {n: lambda *_: os.kill(os.getpid(), signal.SIGTERM) for n in (signal.SIGUSR1, signal.SIGUSR2)}
        handlers = same | {signal.SIGTERM: stop}
        previous = {number: signal.signal(number, handler) for number, handler in handlers.items()}
        try:
            yield
        except SIGTERMException:
            raise unfinished from None
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)
