"""What a training step is made of: its kernels by their time, and what Python does beside them.

`python benchmarks/profile_step.py --scale paper --precision bf16-mixed --options '{whole_step: true}'` on a
GPU takes half a minute. Where the device is busy for less of a step than the step takes, it waits for Python.
"""

import cProfile
import pstats
import tempfile
import warnings
from pathlib import Path

import torch
import training
from jsonargparse import auto_cli
from torch.profiler import ProfilerActivity
from training import Clock, lightning, now

SHOWN = 25
"""Kernels and functions in the tables."""


class Profile(Clock):
    """After the blocks of a clock, the device's profile of some steps, then Python's of some more.

    Args:
        skip, block, n: As in `Clock`.
        steps: Of each profile.
        on_gpu: Where it trains; on a CPU, operators are profiled for kernels.
    """

    def __init__(self, skip: int, block: int, n: int, steps: int, on_gpu: bool):
        super().__init__(skip, block, n, 2 * steps)
        self.steps, self.host = steps, cProfile.Profile()
        self.end, self._begins = self.end + self.parts, self.end  # parts of steps are not timed
        self.parts = 1  # in which it stops
        kind = ProfilerActivity.CUDA if on_gpu else ProfilerActivity.CPU
        self.device = torch.profiler.profile(activities=[kind])

    def on_train_batch_start(self, trainer, module, batch, batch_idx) -> None:
        super().on_train_batch_start(trainer, module, batch, batch_idx)
        done = trainer.global_step - self._begins
        if done == 0:
            now(module.device)
            self.device.start()
        elif done == self.steps:
            now(module.device)
            self.device.stop()
            self.host.enable()
        elif done == 2 * self.steps:
            self.host.disable()

    def on_train_batch_end(self, trainer, module, *rest) -> None:
        if trainer.global_step <= self._begins:
            super().on_train_batch_end(trainer, module, *rest)


def profile(
    out: str = "runs/profile_step",
    device: str = "auto",
    scale: str = "laptop",
    precision: str = "bf16-mixed",
    objective: str | None = None,
    options: dict | None = None,
    batch: int = training.BATCH,
    steps: int = 20,
) -> None:
    """Measure and print.

    Args:
        out: Folder for `kernels.txt` and `python.txt`.
        device: "cuda", "cpu", or "auto", a GPU where there is one.
        scale: "laptop", "reduced" or "paper".
        precision: As `trainer.precision`.
        objective: With which λ = 1, e.g. MMD; none is λ = 0.
        options: Further ones of the module.
        batch: Windows a batch.
        steps: That are profiled; as many before them are timed.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    training.BATCH = batch
    clock = Profile(20 if device == "cuda" else 2, steps, 1, steps, device == "cuda")
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        lightning(Path(folder), scale, precision, device, objective, clock, **(options or {}))
    kernels = clock.device.key_averages()
    by = "self_device_time_total" if device == "cuda" else "self_cpu_time_total"
    busy = sum(getattr(kernel, by) for kernel in kernels) / 1e3 / steps
    launched = sum(kernel.count for kernel in kernels if getattr(kernel, by)) / steps
    Path(out).mkdir(parents=True, exist_ok=True)
    table = kernels.table(sort_by=by, row_limit=SHOWN, max_name_column_width=90)
    Path(out, "kernels.txt").write_text(table, encoding="utf-8")
    with open(Path(out, "python.txt"), "w", encoding="utf-8") as stream:
        pstats.Stats(clock.host, stream=stream).sort_stats("tottime").print_stats(SHOWN)
    print(table, Path(out, "python.txt").read_text(encoding="utf-8"), sep="\n")
    what = ", ".join([f"{scale} step", f"batch {batch}", precision, objective or "λ = 0", *(options or {})])
    kind = "kernels" if device == "cuda" else "operators"
    print(f"{what}: {1e3 * clock.blocks[0]:.2f} ms, of which {busy:.2f} in {launched:.0f} {kind}")


if __name__ == "__main__":
    auto_cli(profile, as_positional=False)
