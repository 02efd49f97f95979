"""What a run or a sweep holds, to compare two of them: every file, but times and the folder's own place."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

TIMES = ("training_seconds", "steps_per_second", "seconds_trained", "commit")
"""What may be another: times, and the commit of a checkout that is worked on meanwhile."""
OF_TIMES = ("log.txt", "seconds.json")
"""Files that hold little else."""


def contents(folder: Path) -> dict[str, object]:
    """By path, everything below a folder but times and the folder's own place."""
    found: dict[str, object] = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and p.name not in OF_TIMES):
        name = str(path.relative_to(folder))
        if path.name.startswith("events"):
            name = f"{Path(name).parent}/events"
            found[name] = found.get(name) or _events(path.parent)
        elif path.suffix == ".npz":
            found[name] = {k: v.tobytes() for k, v in np.load(path, allow_pickle=False).items()}
        elif path.suffix == ".ckpt":
            checkpoint = torch.load(path, weights_only=True)
            checkpoint.pop("loops")  # counts how often a loop was entered
            found[name] = _plain(checkpoint)
        else:
            content = path.read_bytes().replace(str(folder).encode(), b"FOLDER")
            readers = {".json": lambda text: _plain(json.loads(text)), ".csv": _rows}
            found[name] = readers.get(path.suffix, bytes)(content)
    return found


def _plain(value):
    """What a file holds, without times."""
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items() if k not in TIMES}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return value.numpy().tobytes() if torch.is_tensor(value) else value


def _rows(content: bytes) -> list[dict]:
    """Rows of a table, without columns of times."""
    rows = csv.DictReader(io.StringIO(content.decode()))
    return [{k: v for k, v in row.items() if k.rpartition("/")[2] not in TIMES} for row in rows]


def _events(folder: Path) -> dict[tuple[str, int], object]:
    """By tag and step, the last of all event files of a folder."""
    found: dict[tuple[str, int], object] = {}
    for path in sorted(folder.glob("events.*"), key=lambda p: p.stat().st_mtime_ns):
        events = EventAccumulator(str(path), {"images": 0, "tensors": 0}).Reload()
        tags = events.Tags()
        for tag in tags["scalars"]:
            found |= {(tag, e.step): e.value for e in events.Scalars(tag)}
        for tag in tags["images"]:
            found |= {(tag, e.step): e.encoded_image_string for e in events.Images(tag)}
        for tag in tags["tensors"]:
            found |= {(tag, e.step): e.tensor_proto.SerializeToString() for e in events.Tensors(tag)}
    return {key: value for key, value in found.items() if not any(time in key[0] for time in TIMES)}
