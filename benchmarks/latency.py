"""How long a robot waits for a chunk of actions: `python benchmarks/latency.py --out results/latency`."""

import os
from pathlib import Path

import pieces
import torch
from jsonargparse import auto_cli
from table import Table

from align.run.provenance import processor

SCALES = ["laptop", "paper"]


def latency(
    out: str = "runs/latency", device: str = "auto", chunks: int = 200, scales: list[str] | None = None
) -> None:
    """Measure policies, and write the table.

    Args:
        out: Folder for `results.md` and `results.csv`.
        device: "cuda", "cpu", or "auto", a GPU where there is one.
        chunks: Of each policy.
        scales: "laptop" or "paper"; by default both.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    table, before = Table(Path(out), float("inf"), "results"), os.getloadavg()[0]
    scales = SCALES if scales is None else scales
    for scale in scales:
        pieces.latency(table, device, scale, chunks)
    table.add("load average before and after", "the machine", "", [before, os.getloadavg()[0]])
    card = f"{torch.cuda.get_device_name()}; " if device == "cuda" else ""
    print("\n" + table.markdown(f"{card}{processor()}; PyTorch {torch.__version__}"))
    command = f"python benchmarks/latency.py --out {out} --device {device} --chunks {chunks}"
    command += f" --scales '[{', '.join(scales)}]'\n"
    (Path(out) / "command.txt").write_text(command, encoding="utf-8")


if __name__ == "__main__":
    auto_cli(latency, as_positional=False)
