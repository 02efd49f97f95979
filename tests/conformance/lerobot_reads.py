"""Reads a data set with lerobot itself and keeps what it saw; runs in lerobot's own environment.

python lerobot_reads.py DATASET OUT.npz
"""

import sys

import numpy as np
from lerobot.datasets.lerobot_dataset import LeRobotDataset


def main(folder: str, out: str) -> None:
    data = LeRobotDataset("align/written", root=folder, tolerance_s=1e-4)
    rows = [data[i] for i in range(len(data))]
    found = {}
    for key, feature in data.features.items():
        values = np.stack([row[key].numpy() for row in rows])
        if feature["dtype"] in ("image", "video"):
            values = np.rint(values * 255).astype(np.uint8).transpose(0, 2, 3, 1)
        found[key] = values
    ends = np.array(data.meta.episodes["dataset_to_index"])
    tasks = [row["task"] for row in rows]
    stats = {f"stats/{key}/{what}": v for key, of in data.meta.stats.items() for what, v in of.items()}
    np.savez_compressed(out, **found, **stats, ends=ends, tasks=tasks, fps=data.fps)


if __name__ == "__main__":
    main(*sys.argv[1:])
