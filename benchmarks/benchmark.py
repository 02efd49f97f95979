"""`make benchmark`: how fast everything is on this machine, as one table, beside what others do."""

import functools
import tempfile
from pathlib import Path

import loaders
import pieces
import steps
import torch
import training
from jsonargparse import auto_cli
from table import Table

from align.run.provenance import processor

RECORDINGS = {"episodes": 2, "length": 24, "size": (24, 32)}
"""Of loaders, where all is tried out."""


def benchmark(
    out: str = "runs/benchmark",
    device: str = "auto",
    paper: bool | None = None,
    seconds: float = 420,
    small: bool = False,
) -> None:
    """Measure and print; each figure is in `benchmark.csv` as soon as it is known.

    Args:
        out: Folder for `benchmark.csv` and `benchmark.md`.
        device: "cuda", "cpu", or "auto", a GPU where there is one.
        paper: Whether to time steps at the paper's scale; by default on a GPU alone, since one takes many
            seconds on a CPU.
        seconds: After so many no further figure is begun; rows that are left out say so.
        small: Try everything out at sizes that say nothing, in a few minutes of two cores.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    paper = device == "cuda" if paper is None else paper
    if small:
        shrink()
    table = Table(Path(out), seconds)
    peak = pieces.peaks(device)
    for precision, flops in peak.items():
        table.add(
            f"product of matrices, {precision}", f"PyTorch {torch.__version__}", "TFLOP/s", [flops / 1e12]
        )
    with tempfile.TemporaryDirectory() as folder:
        scales = ["paper", "laptop"] if paper else ["laptop"]
        trained = scales if device == "cuda" else [*scales, "reduced"]
        table.part("the MMD", pieces.mmd, table, device)
        for scale in scales:
            table.part("latency", pieces.latency, table, device, scale)
        table.part("permutation tests", pieces.two_sample, table, device)
        table.part("training steps", steps.measure, table, Path(folder), device, trained, peak)
        for scale in scales:
            table.part("windows gathered", pieces.data, table, Path(folder), scale)
        table.part("worlds", pieces.worlds, table, device)
        table.part("start-up", pieces.start_up, table)
        recordings = functools.partial(loaders.measure, **RECORDINGS if small else {})
        table.part("loaders of two cameras", recordings, table, Path(folder))  # their recordings take longest
    card = torch.cuda.get_device_name() if device == "cuda" else "no GPU"
    heading = f"{card}; {processor()}, {torch.get_num_threads()} threads; PyTorch {torch.__version__}"
    print("\n" + table.markdown(heading))


def shrink() -> None:
    """Have everything measured at sizes that take no time."""
    training.BATCH = pieces.BATCH = loaders.BATCH = 8
    for numbers in (steps.STEPS, steps.SLOW_STEPS):
        numbers.update(dict.fromkeys(numbers, steps.FEW_STEPS))
    pieces.MMD_SAMPLES, pieces.TESTED_SAMPLES, pieces.TRIALS, pieces.CHUNKS = (8,), (20,), 2, 3


if __name__ == "__main__":
    auto_cli(benchmark, as_positional=False)
