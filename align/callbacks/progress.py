"""Progress as plain lines for a log and as a small file for a sweep's table."""

import math
import time
from contextlib import ExitStack
from pathlib import Path

import pytorch_lightning as pl

from align.callbacks.embeddings import Embeddings
from align.errors import check_numbers
from align.files import write_json
from align.run.layout import PROGRESS
from align.run.ticking import telling

FILE_SECONDS = 2.0  # between two writes of the file, for who looks on


class Progress(pl.Callback):
    """Prints a line every few seconds of training, and writes `progress.json` more often.

    Args:
        seconds: Time between two lines.
    """

    def __init__(self, seconds: float = 10.0):
        check_numbers("[0, 1e9]", seconds=seconds)
        self.seconds = seconds
        self.seconds_trained = 0.0
        self.metrics: dict[str, float] = {}
        self._validation = ExitStack()

    def setup(self, trainer: pl.Trainer, module, stage: str) -> None:
        self._trainer = trainer

    def on_train_start(self, trainer: pl.Trainer, module) -> None:
        if trainer.is_global_zero:
            data = trainer.datamodule
            kept = next((c.per_domain for c in trainer.callbacks if isinstance(c, Embeddings)), 0)
            lacking = data.too_few_to_probe(kept)
            print(*data.notes, *([lacking] if lacking else []), data.describe(), sep="\n", flush=True)
            if trainer.global_step:
                print(f"going on from step {trainer.global_step}", flush=True)
        self._start = self._last = self._written = self._counted = time.perf_counter()
        self._first_step = trainer.global_step

    def on_train_batch_end(self, trainer: pl.Trainer, module, outputs, batch, batch_idx) -> None:
        now = time.perf_counter()
        last = trainer.global_step == trainer.max_steps
        told, written = now - self._last >= self.seconds or last, now - self._written >= FILE_SECONDS or last
        if trainer.is_global_zero and (told or written):
            self._report(trainer, now - self._start, told)
            self._written = now
            self._last = now if told else self._last

    def on_validation_start(self, trainer: pl.Trainer, module) -> None:
        self._validation = ExitStack()
        self._validation.enter_context(telling("validating"))

    def on_validation_end(self, trainer: pl.Trainer, module) -> None:
        self._validation.close()

    def on_exception(self, trainer: pl.Trainer, module, exception: BaseException) -> None:
        self._validation.close()

    def _report(self, trainer: pl.Trainer, elapsed: float, told: bool) -> None:
        rate = (trainer.global_step - self._first_step) / elapsed
        values = {name.removeprefix("train/"): float(v) for name, v in trainer.callback_metrics.items()}
        shown = " ".join(f"{n} {values[n]:.4f}" for n in ("denoise", "alignment") if n in values)
        left = (trainer.max_steps - trainer.global_step) / rate
        if told:
            at = f"step {trainer.global_step}/{trainer.max_steps}"
            print(f"{at} {shown} {rate:.1f} steps/s, {left:.0f} s left", flush=True)
        report = {"step": trainer.global_step, "steps": trainer.max_steps, "steps_per_second": rate}
        if math.isfinite(loss := values.get("denoise", math.nan)):
            report["loss"] = loss
        write_json(Path(trainer.default_root_dir) / PROGRESS, report)

    def state_dict(self) -> dict:
        """The seconds trained so far, and the latest value of each metric, whichever process logged it."""
        now = time.perf_counter()
        self.seconds_trained += now - self._counted
        self._counted = now
        self.metrics |= {name: float(value) for name, value in self._trainer.callback_metrics.items()}
        return {"seconds_trained": self.seconds_trained, "metrics": self.metrics}

    def load_state_dict(self, state: dict) -> None:
        self.seconds_trained, self.metrics = state["seconds_trained"], state["metrics"]
