"""RLDS, as TensorFlow Datasets keeps it, to a LeRobotDataset: `python docs/from_rlds.py --help`.

Needs no TensorFlow: `pip install tfrecord`. Each record is an episode, whose arrays are flat there.
"""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from jsonargparse import auto_cli
from tfrecord.reader import example_loader

from align.conversion import write_lerobot
from align.data.readers.encoding import Encoding
from align.data.readers.jpeg import is_jpeg, jpeg_encoding


def episodes(
    folder: Path, keys: dict[str, str], split: str, last: bool, lossy: dict[str, Encoding]
) -> Iterator[dict[str, np.ndarray]]:
    """Each episode, by the names that align has for what it holds."""
    for file in sorted(folder.glob(f"*-{split}.tfrecord*")):
        for record in example_loader(str(file), None):
            if missing := [key for key in keys.values() if f"steps/{key}" not in record]:
                has = [key.removeprefix("steps/") for key in sorted(record) if key.startswith("steps/")]
                raise SystemExit(f"{file}: no {', '.join(missing)}; there are {', '.join(has)}")
            length, found = len(record["steps/is_first"]), {}
            for name, key in keys.items():
                value = record[f"steps/{key}"]
                if name.startswith("image"):  # PNG or JPEG each
                    pictures = (np.frombuffer(x, np.uint8) for x in value)
                    if is_jpeg(value[0]):  # which tells domains apart
                        lossy.setdefault(name, jpeg_encoding(value[0]))
                    value = np.stack([cv2.imdecode(x, cv2.IMREAD_COLOR_RGB) for x in pictures])
                found[name] = value.reshape(length, *value.shape[1:] or (-1,))[: length if last else -1]
            yield found


def main(
    folder: Path,
    out: Path,
    keys: dict[str, str],
    fps: float,
    task: str,
    split: str = "train",
    last: bool = False,
) -> None:
    """Write the episodes of a split.

    Args:
        folder: Of one version: it has `features.json`, which lists the keys, and `*.tfrecord-*`.
        out: The folder to create.
        keys: Where each array is in a step, e.g. {action: action, agent_pos: observation/state,
            image.wrist: observation/wrist_image}.
        fps: Steps a second, which RLDS does not say.
        task: In words.
        split: Which.
        last: Whether to take the last step of each episode, too; RLDS says that its action means nothing.
    """
    if not list(folder.glob(f"*-{split}.tfrecord*")):
        raise SystemExit(f"{folder}: no *-{split}.tfrecord*; expected the folder of a version, as arm/1.0.0")
    lossy: dict[str, Encoding] = {}
    found = episodes(folder, keys, split, last, lossy)
    print(f"{out}: {write_lerobot(out, found, fps, task=task, encodings=lossy)} episodes")


if __name__ == "__main__":
    auto_cli(main)
