"""RLDS and MCAP by the scripts in docs/: what TensorFlow Datasets and mcap wrote becomes a LeRobotDataset."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import yaml
from mcap_writes import TOPICS, at_steps, write_take
from rlds_truth import LENGTHS, episode

from align.data.episodes import read_store
from align.data.readers.encoding import Encoding

HERE = Path(__file__).parent
DOCS = HERE.parents[1] / "docs"
PACKAGES = ("tfrecord", "crc32c", "mcap", "mcap-ros2-support", "lz4", "zstandard")
CAMERAS = ("image.top", "image.wrist")
KEYS = {
    "action": "action",
    "agent_pos": "observation/state",
    "image.top": "observation/image",
    "image.wrist": "observation/wrist_image",
}


def packages(folder: Path) -> Path:
    """A folder with the packages that the scripts need, for the Python that runs here."""
    target = folder / f"outside-{sys.version_info.major}.{sys.version_info.minor}"
    if not (target / ".ready").exists():
        install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", target]
        subprocess.run([*install, *PACKAGES], check=True)
        (target / ".ready").touch()
    return target


def convert(script: str, target: Path, source: Path, out: Path, names: dict[str, str], *more: str) -> None:
    """Run a script of docs/ at 10 Hz, with these packages."""
    command = [sys.executable, DOCS / script, source, out, yaml.safe_dump(names), "10", "push", *more]
    own = os.environ | {"PYTHONPATH": str(target)}
    done = subprocess.run(list(map(str, command)), env=own, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"conformance: {script} failed: {done.stderr[-2000:]}")


def check_rlds(target: Path, folder: Path) -> dict[str, bool]:
    """Of `arm/1.0.0`, which TensorFlow Datasets wrote, by `rlds_writes.py`."""
    source = HERE / "arm/1.0.0"
    convert("from_rlds.py", target, source, folder / "rlds", KEYS)
    convert("from_rlds.py", target, source, folder / "whole", KEYS, "--last", "true")
    read = read_store(folder / "whole", images=CAMERAS, keep="memory")
    order = [LENGTHS.index(n) for n in read.lengths]  # it shuffles episodes
    each = [episode(n, LENGTHS[n]) for n in order]
    truth = {name: np.concatenate([arrays[name] for arrays in each]) for name in each[0]}
    jpeg = np.abs(read.images["image.wrist"].astype(int) - truth["wrist_image"]).max()
    return {
        "episodes, with and without their last steps": sorted(order) == list(range(len(LENGTHS)))
        and read_store(folder / "rlds", images=()).lengths.tolist() == [LENGTHS[n] - 1 for n in order],
        "action, state": np.array_equal(read.action, truth["action"].astype(np.float32))
        and np.array_equal(read.agent_pos, truth["state"]),
        "PNG, bit for bit": np.array_equal(read.images["image.top"], truth["image"]),
        f"JPEG (largest difference {jpeg}), and said": jpeg <= 3
        and read.codecs == {"image.top": None, "image.wrist": Encoding("jpeg", "yuv420p", quality=95)},
    }


def check_mcap(target: Path, folder: Path) -> dict[str, bool]:
    """Of two recordings of ROS 2 messages."""
    sys.path.append(str(target))
    (folder / "takes").mkdir()
    for n in range(2):
        write_take(folder / f"takes/{n}.mcap")
    convert("from_mcap.py", target, folder / "takes", folder / "mcap", TOPICS)
    read, truth = read_store(folder / "mcap", images=CAMERAS, keep="memory"), at_steps(10)
    twice = {name: np.concatenate([value, value]) for name, value in truth.items()}
    return {
        "episodes": read.lengths.tolist() == 2 * [len(truth["action"])],
        "action, state": np.array_equal(read.action, twice["action"].astype(np.float32))
        and np.array_equal(read.agent_pos, twice["agent_pos"].astype(np.float32)),
        **{
            f"{camera}, bit for bit": np.array_equal(read.images[camera], twice[camera]) for camera in CAMERAS
        },
    }
