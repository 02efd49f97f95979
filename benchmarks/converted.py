"""Whether demonstrations train to the same losses in every format that they are converted to.

`python benchmarks/converted.py --store pusht_cchi_v7_replay.zarr --out results/converted`, with the public
human Push-T demonstrations.
"""

import contextlib
import itertools
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from jsonargparse import auto_cli

from align.cli import main
from align.conversion import write_lerobot, write_robomimic
from align.conversion.episodes import stored_episodes
from align.data.episodes import write_store
from align.data.keys import find_keys
from align.data.readers import open_store

LOSSLESS = {
    "Zarr": "zarr",
    "LeRobotDataset v3.0, PNG": "lerobot",
    "robomimic HDF5": "robomimic",
}
VIDEO = {"LeRobotDataset v3.0, AV1": "av1", "LeRobotDataset v3.0, H.264": "h264"}
COLUMNS = {
    "train_denoise": "training loss",
    "val_loss_real": "held-out loss",
    "val_action_mse_real": "held-out squared error of actions, px²",
}


def losses(
    store: str, work: Path, episodes: int, steps: int, video: Mapping[str, str] = VIDEO
) -> dict[str, dict[str, float]]:
    """What trainings that differ in the format of the real demonstrations end with.

    Args:
        store: Demonstrations with one camera, at 10 Hz.
        work: A folder for the stores and runs.
        episodes: The first so many are real, as many after them stand for sim.
        steps: Of each training.
        video: Formats with loss, and their codecs.

    Returns:
        The losses of each run's `summary.json`, by format.
    """
    with contextlib.closing(open_store(store)) as opened:
        keys = find_keys(opened, None, ("image",))
        read = [
            {name: np.concatenate(list(v)) if name == "image" else v for name, v in episode.items()}
            for episode in itertools.islice(stored_episodes(opened, keys), 2 * episodes)
        ]
    ours = [{"img" if k == "image" else k: v for k, v in episode.items()} for episode in read]
    write_store(work / "sim", ours[episodes:], {"rate_hz": 10})
    write_store(work / "zarr", ours[:episodes], {"rate_hz": 10})
    write_lerobot(work / "lerobot", read[:episodes], 10)
    write_robomimic(work / "robomimic", read[:episodes], 10)
    for codec in video.values():
        write_lerobot(work / codec, read[:episodes], 10, codec=codec)
    found = {}
    for title, name in {**LOSSLESS, **video}.items():
        options = {
            "run": work / f"run_{name}",
            "data.sim": work / "sim",
            "data.real": work / name,
            "data.validation": max(2, episodes // 4),
            "data.image_size": 64,
            "trainer.max_steps": steps,
            "trainer.log_every_n_steps": 1,
            "trainer.accelerator": "cpu",
            "model.alignment_weight": 0.1,
            "embeddings.per_domain": 20,
        }
        if main(["fit", "--config", "own_data", *[f"--{k}={v}" for k, v in options.items()]]):
            raise SystemExit(f"training on {title} failed")
        summary = json.loads((work / f"run_{name}/summary.json").read_text())
        found[title] = {k: v for k, v in summary.items() if k.startswith(("train_", "val_"))}
    return found


def converted(store: str, out: str = "runs/converted", episodes: int = 12, steps: int = 200) -> None:
    """Train on each format, and write the table.

    Args:
        store: The demonstrations.
        out: Folder for `results.md`.
        episodes: As of `losses`.
        steps: Of each training.
    """
    with tempfile.TemporaryDirectory() as work:
        found = losses(store, Path(work), episodes, steps)
    base = found["Zarr"]
    lines = [
        "# Human Push-T demonstrations, trained on in several formats",
        "",
        f"{episodes} episodes as real, {episodes} others as sim, {steps} steps at 64 px on one core. In "
        "brackets, how far off the Zarr store's.",
        "",
        "| real demonstrations | " + " | ".join(COLUMNS.values()) + " | all losses equal |",
        "|" + "---|" * (len(COLUMNS) + 2),
    ]
    for title, each in found.items():
        cells = [f"{each[k]:.6g} ({each[k] / base[k] - 1:+.2%})" for k in COLUMNS]
        lines.append(f"| {title} | " + " | ".join(cells) + f" | {'yes' if each == base else 'no'} |")
    text = "\n".join(lines) + "\n"
    Path(out).mkdir(parents=True, exist_ok=True)
    (Path(out) / "results.md").write_text(text, encoding="utf-8")
    command = f"python benchmarks/converted.py --store {Path(store).name} --out {out}"
    command += f" --episodes {episodes} --steps {steps}\n"
    (Path(out) / "command.txt").write_text(command, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    auto_cli(converted, as_positional=False)
