"""`make benchmark`: how fast everything is on this machine, as one table, beside what others do."""

import tempfile
from pathlib import Path

import loaders
import pieces
import torch
import training
from jsonargparse import auto_cli
from table import Table, processor


def benchmark(
    out: str = "runs/benchmark", device: str = "auto", paper: bool | None = None, seconds: float = 420
) -> None:
    """Measure and print; each figure is in `benchmark.csv` as soon as it is known.

    Args:
        out: Folder for `benchmark.csv` and `benchmark.md`.
        device: "cuda", "cpu", or "auto", a GPU where there is one.
        paper: Whether to time steps at the paper's scale; by default on a GPU alone, since one takes many
            seconds on a CPU.
        seconds: After so many no further figure is begun; rows that are left out say so.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    paper = device == "cuda" if paper is None else paper
    table = Table(Path(out), seconds)
    peak = pieces.peaks(device)
    for precision, flops in peak.items():
        table.add(
            f"product of matrices, {precision}", f"PyTorch {torch.__version__}", "TFLOP/s", [flops / 1e12]
        )
    with tempfile.TemporaryDirectory() as folder:
        scales = ["paper", "laptop"] if paper else ["laptop"]
        pieces.mmd(table, device)
        training.measure(table, Path(folder), device, scales, peak)
        pieces.two_sample(table)
        for scale in scales:
            pieces.data(table, Path(folder), scale)
            pieces.latency(table, device, scale)
        loaders.measure(table, Path(folder))
        pieces.worlds(table, device)
        pieces.start_up(table)
    card = torch.cuda.get_device_name() if device == "cuda" else "no GPU"
    heading = f"{card}; {processor()}, {torch.get_num_threads()} threads; PyTorch {torch.__version__}"
    print("\n" + table.markdown(heading))


if __name__ == "__main__":
    auto_cli(benchmark, as_positional=False)
