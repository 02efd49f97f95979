"""Checks align against lerobot itself, which needs an environment of its own: `make conformance`.

What lerobot writes is read here, frame for frame.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from align.data.episodes import read_store
from align.data.readers import LeRobotDataset, check_reader

HERE = Path(__file__).parent
PYTHONS = ("python3.12", "python3.13", "python3.14")


def environment(folder: Path) -> Path:
    """The Python of an environment with lerobot, made if need be."""
    python = folder / "bin" / "python"
    if (folder / ".ready").exists():
        return python
    found = os.environ.get("PYTHON312") or next(filter(None, map(shutil.which, PYTHONS)), None)
    if found is None:
        sys.exit(f"conformance: no {', '.join(PYTHONS)}; expected one, or PYTHON312=/path/to/python")
    print(f"making {folder} with lerobot: some 8 GB, 5-10 minutes by network; needed once", flush=True)
    subprocess.run([found, "-m", "venv", folder], check=True)
    subprocess.run([python, "-m", "pip", "install", "--quiet", "lerobot[dataset]"], check=True)
    (folder / ".ready").touch()
    return python


def main() -> None:
    python = environment(Path(os.environ.get("ALIGN_CONFORMANCE", ".conformance")))
    version = subprocess.run(
        [python, "-c", "from importlib.metadata import version; print(version('lerobot'))"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    print(f"lerobot {version}")
    with tempfile.TemporaryDirectory() as folder:
        command = [python, HERE / "lerobot_writes.py", folder]
        done = subprocess.run(
            command, env=os.environ | {"HF_HUB_OFFLINE": "1"}, capture_output=True, text=True
        )
        if done.returncode:
            sys.exit(f"conformance: lerobot could not write: {done.stderr[-2000:]}")
        data, truth = Path(folder) / "dataset", np.load(Path(folder) / "truth.npz")
        check_reader(LeRobotDataset, data)
        read = read_store(data, images=("image.top", "image.wrist"), keep="memory")
        video = np.abs(read.images["image.wrist"].astype(int) - truth["decoded"]).max()
        named = f"{read.codecs['image.wrist'].codec} video as lerobot decodes it (largest difference {video})"
        checks = {
            "episodes": np.array_equal(read.ends, truth["ends"]),
            "action": np.array_equal(read.action, truth["action"]),
            "observation.state": np.array_equal(read.agent_pos, truth["state"]),
            "images, bit for bit": np.array_equal(read.images["image.top"], truth["top"]),
            named: video <= 1,
            "rate": read.attrs["rate_hz"] == 30,
        }
    for name, holds in checks.items():
        print(f"{'ok  ' if holds else 'FAIL'} {name}")
    sys.exit(not all(checks.values()))


if __name__ == "__main__":
    main()
