"""Runs an hour: seeds trained together (`align sweep --together`) beside as many processes side by side.

`python benchmarks/together.py --seeds 8` on a GPU takes some minutes and needs no network; with `--seeds 2
--steps 60` it can be tried on two cores. Of each way the pace of all runs is added up, each by the time from
its first step to its last; a run of the laptop scale is 10,000 steps. What follows training is left out.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
import yaml
from jsonargparse import auto_cli
from table import Table
from training import SCALES, write_stores

from align.run.provenance import processor

RUN_STEPS = {"laptop": 10_000, "paper": 100_000}
NETWORKS = {
    "laptop": ("ConvEncoder", {"features": 64, "width": 32, "blocks": 2}, "ConditionalMLP", {"width": 256}),
    "paper": ("ResNetEncoder", {}, "ConditionalUnet1D", {"channels": [256, 512, 1024]}),
}


def benchmark(
    out: str = "runs/benchmark_together",
    device: str = "auto",
    scale: str = "laptop",
    seeds: int = 8,
    steps: int = 2000,
    alignment_weight: float = 0.1,
    precision: str = "auto",
    seconds: float = 480,
) -> None:
    """Measure and print.

    Args:
        out: Folder for `benchmark.csv` and `benchmark.md`.
        device: "cuda", "cpu", or "auto", a GPU where there is one.
        scale: "laptop" or "paper".
        seeds: Runs at once.
        steps: Steps of each.
        alignment_weight: λ, of MMD.
        precision: As `trainer.precision`.
        seconds: After so many nothing more is begun.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    table = Table(Path(out), seconds)
    with tempfile.TemporaryDirectory() as folder:
        ways = {"alone": (1, False), "processes side by side": (seeds, False), "together": (seeds, True)}
        paces = {}
        for way, (n, together) in ways.items():
            what = f"{scale} runs an hour, {n} {way}, λ = {alignment_weight}, {precision}"
            configs = [
                _config(
                    Path(folder), f"{way}-{seed}", seed, device, scale, steps, alignment_weight, precision
                )
                for seed in range(n)
            ]
            paces[way] = table.measure(what, "align", "runs/h", _runs_an_hour, configs, together, scale)
        ratio = paces["together"] / paces["processes side by side"]
        table.add("together against processes side by side", "align", "×", [ratio])
    card = torch.cuda.get_device_name() if device == "cuda" else "no GPU"
    print("\n" + table.markdown(f"{card}; {processor()}; PyTorch {torch.__version__}"))


def _config(
    folder: Path, name: str, seed: int, device: str, scale: str, steps: int, weight: float, precision: str
) -> Path:
    """The path of a configuration of `align fit`, of random demonstrations."""
    kind = SCALES[scale]
    encoder, of_encoder, denoiser, of_denoiser = NETWORKS[scale]
    shape = kind.policy.keywords
    horizon = {"horizon": shape["horizon"]} if denoiser == "ConditionalMLP" else {}
    config = {
        "run": str(folder / name),
        "seed_everything": seed,
        "model": {
            "policy": {
                "encoder": {"class_path": f"align.networks.{encoder}", "init_args": of_encoder},
                "denoiser": {"class_path": f"align.networks.{denoiser}", "init_args": of_denoiser | horizon},
                **{key: value for key, value in shape.items() if key != "denoiser"},
            },
            "noise_draws": kind.draws,
            "alignment_weight": weight,
        },
        "data": {**write_stores(folder, kind.size), "alpha": 0.5, "batch_size": 64, "validation": 2},
        "trainer": {
            "accelerator": "gpu" if device == "cuda" else "cpu",
            "devices": 1,
            "precision": precision,
            "max_steps": steps,
            "val_check_interval": steps,
        },
        "embeddings": {"per_domain": 8, "paired": 0},
    }
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


def _runs_an_hour(configs: list[Path], together: bool, scale: str) -> list[float]:
    """The pace of all runs at once."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    if together:
        commands = [["align.together", *map(str, configs)]]
    else:
        commands = [["align.cli", "fit", "--config", str(config)] for config in configs]
    running = [
        subprocess.Popen([sys.executable, "-m", *command], env=environment, stdout=subprocess.DEVNULL)
        for command in commands
    ]
    while any(process.poll() is None for process in running):
        time.sleep(0.2)
    if any(process.returncode for process in running):
        raise RuntimeError("a run failed")
    runs = [Path(yaml.safe_load(config.read_text())["run"]) for config in configs]
    paces = [json.loads((run / "progress.json").read_text())["steps_per_second"] for run in runs]
    return [3600 * sum(paces) / RUN_STEPS[scale]]


if __name__ == "__main__":
    auto_cli(benchmark, as_positional=False)
