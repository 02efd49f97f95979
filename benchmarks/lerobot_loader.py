"""Windows a second that LeRobotDataset gives, by its own package: `python lerobot_loader.py FOLDER ...`.

Runs in an environment of its own, so it imports nothing of align; prints one JSON line.
"""

import json
import sys
import time
from importlib.metadata import version
from pathlib import Path

import torch
from lerobot.datasets.lerobot_dataset import LeRobotDataset


def main(folder: str, cameras: str, n_images: int, horizon: int, batch: int, seconds: float) -> None:
    """Batches in random order, in this process and on one thread, as PyTorch's DataLoader draws them."""
    torch.set_num_threads(1)
    fps = json.loads(Path(folder, "meta/info.json").read_text())["fps"]
    seen = [(i + 1 - n_images) / fps for i in range(n_images)]
    deltas = dict.fromkeys([*cameras.split(","), "observation.state"], seen)
    deltas["action"] = [(i + 1 - n_images) / fps for i in range(horizon)]
    rates = {}
    for dtype in ("float32", "uint8"):
        given = {"delta_timestamps": deltas, "return_uint8": dtype == "uint8"}
        data = LeRobotDataset("align/benchmark", root=folder, **given)
        rates[dtype] = _rates(data, batch, seconds)
    print(json.dumps({"rates": rates, "version": version("lerobot")}))


def _rates(data: LeRobotDataset, batch: int, seconds: float) -> list[float]:
    """Windows a second of each batch, by the clock or the processor's time, whichever is less."""
    torch.manual_seed(0)
    loader = torch.utils.data.DataLoader(data, batch, shuffle=True, drop_last=True)
    batches = (found for _ in iter(int, 1) for found in loader)
    next(batches)  # which opens the files
    rates, begun = [], time.perf_counter()
    while len(rates) < 3 or time.perf_counter() - begun < seconds:
        clock, busy = time.perf_counter(), time.process_time()
        next(batches)
        rates.append(batch / min(time.perf_counter() - clock, time.process_time() - busy))
    return rates


if __name__ == "__main__":
    folder, cameras, *numbers, seconds = sys.argv[1:]
    main(folder, cameras, *map(int, numbers), float(seconds))
