"""A disk that fills up while a command writes: one line says which file, what was there is kept, and with
more room the same command ends as if nothing had been.

As root the disk is a small one of its own; otherwise a limit on the size of files stands for it.
"""

import contextlib
import os
import resource
import shutil
import subprocess
from pathlib import Path

import pytest
from run_contents import contents

SAMPLE = 3
SIZE = 64 << 20  # of the disk, bytes
FIT = "fit --config fit.yaml --run disk/out"
COMMANDS = {
    "embed": "embed disk/run",
    "probe": "probe disk/run",
    "annotate": "annotate --config fit.yaml --out disk/out/a.npz --crop_lengths [] --classifier "
    "'{max_steps: 4, every: 2, folds: 2, levels: 3, width: 8, blocks: 1}'",
    "rollout": "rollout run --size 16 --trials 2 --steps 3 --out disk/out",
    "demos": "demos disk/out.zarr --n 2 --size 32 --jobs 1",
    "plans": "plans disk/out.zarr --n 2 --jobs 1",
    "compare": "compare sweep lambda=0 --out disk/out/table",
    "keep": "keep reported disk/out command",
    "report": "probe disk/sweep",
}
CASES = [("fit", FIT, part / 10) for part in range(10)]
CASES += [(name, command, part) for name, command in COMMANDS.items() for part in (0, 0.6)]


class Disk:
    """A folder that can be filled up.

    Args:
        path: The folder; it is made.
    """

    def __init__(self, path: Path):
        self.path = path
        path.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "none", str(path)]
        self.is_own = (
            os.geteuid() == 0 and not subprocess.run(mount, capture_output=True, check=False).returncode
        )

    def used(self) -> int:
        """Bytes that its files take, or where only their sizes can be limited, the largest one does."""
        sizes = [p.stat().st_size for p in self.path.rglob("*") if p.is_file()]
        if self.is_own:
            return sum(-(-size // 4096) * 4096 for size in sizes)
        return max(sizes, default=0)

    @contextlib.contextmanager
    def filled(self, left: int):
        """Leave so many bytes."""
        if self.is_own:
            ballast = self.path.parent / "disk/ballast"
            free = os.statvfs(self.path).f_bavail * os.statvfs(self.path).f_frsize
            ballast.write_bytes(bytes(max(0, free - left)))
            yield
            ballast.unlink()
        else:
            limits = resource.getrlimit(resource.RLIMIT_FSIZE)
            resource.setrlimit(resource.RLIMIT_FSIZE, (left, limits[1]))
            yield
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    def clear(self) -> None:
        for entry in self.path.iterdir():
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()


@pytest.fixture(scope="module")
def disk(folder):
    made = Disk(folder / "disk")
    yield made
    if made.is_own:
        subprocess.run(["umount", "-l", str(made.path)], check=True)


@pytest.fixture(scope="module")
def wholes():
    """By command, what it leaves on a disk that has room, and how much it writes."""
    return {}


@pytest.mark.parametrize(("name", "command", "part"), CASES, ids=[f"{c[0]} {c[2]}" for c in CASES])
def test_full_disk(name, command, part, folder, disk, wholes, try_command):
    def prepare() -> int:
        disk.clear()
        for material in ("run", "sweep"):
            if f"disk/{material}" in command:
                shutil.copytree(folder / material, disk.path / material)
        return disk.used()

    if name not in wholes:
        before = prepare()
        found = try_command(command)
        assert found.status == 0, str(found)
        wholes[name] = disk.used() - (before if disk.is_own else 0), contents(disk.path)
    prepare()
    written, whole = wholes[name]
    with disk.filled(int(part * written)):
        found = try_command(command)
    line = found.error.startswith("align: error: ") and found.error.count("\n") == 1
    assert found.status and line and "disk/" in found.error and "kept" in found.error, str(found)
    assert not list(disk.path.rglob(".~*")), "what was half written is left"
    found = try_command(command)
    assert found.status == 0, str(found)
    after = contents(disk.path)
    assert after.keys() == whole.keys()
    for file, value in whole.items():
        assert after[file] == value, file
