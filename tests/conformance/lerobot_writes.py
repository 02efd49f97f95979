"""Writes a data set with lerobot itself, and the arrays that went in; runs in lerobot's own environment.

python lerobot_writes.py FOLDER
"""

import sys
from pathlib import Path

import numpy as np
from lerobot.datasets.lerobot_dataset import LeRobotDataset

FPS, LENGTHS, SIZE, D = 30, (40, 17, 33), (48, 64), 8


def episode(rng: np.random.Generator, length: int) -> dict[str, np.ndarray]:
    """Frames that differ: a gradient whose brightness moves on by 4 a frame."""
    slope = np.linspace(0, 60, SIZE[1])[None, None, :, None]
    moving = (40 + 4 * np.arange(length) % 120)[:, None, None, None]
    base = rng.integers(0, 60, (1, 1, 1, 3))
    frames = np.broadcast_to(slope + moving + base, (length, *SIZE, 3)).astype(np.uint8)
    numbers = rng.normal(size=(2, length, D)).astype(np.float32)
    return {"top": frames, "wrist": 255 - frames, "state": numbers[0], "action": numbers[1]}


def main(folder: Path) -> None:
    image = {"shape": (*SIZE, 3), "names": ["height", "width", "channels"]}
    features = {
        "observation.state": {"dtype": "float32", "shape": (D,), "names": [f"joint_{i}" for i in range(D)]},
        "action": {"dtype": "float32", "shape": (D,), "names": [f"joint_{i}" for i in range(D)]},
        "observation.images.top": {"dtype": "image", **image},
        "observation.images.wrist": {"dtype": "video", **image},
    }
    data = LeRobotDataset.create("align/conformance", FPS, features, root=folder / "dataset")
    rng, episodes = np.random.default_rng(0), []
    for length in LENGTHS:
        episodes.append(episode(rng, length))
        for t in range(length):
            frame = {key: value[t] for key, value in episodes[-1].items()}
            data.add_frame(
                {
                    "observation.state": frame["state"],
                    "action": frame["action"],
                    "observation.images.top": frame["top"],
                    "observation.images.wrist": frame["wrist"],
                    "task": "push",
                }
            )
        data.save_episode()
    data.finalize()
    read = LeRobotDataset("align/conformance", root=folder / "dataset")
    decoded = [read[i]["observation.images.wrist"].numpy() for i in range(len(read))]
    np.savez_compressed(
        folder / "truth.npz",
        **{key: np.concatenate([e[key] for e in episodes]) for key in episodes[0]},
        ends=np.cumsum(LENGTHS),
        decoded=np.rint(np.stack(decoded) * 255).astype(np.uint8).transpose(0, 2, 3, 1),
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
