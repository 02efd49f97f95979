"""What a run was made with."""

import hashlib
import os
import platform
import subprocess
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from align.files import user_path

PACKAGES = ("torch", "pytorch-lightning", "diffusers", "numpy", "pymunk", "mujoco", "opencv-python-headless")


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _commit() -> str | None:
    """The commit of this code, "+changes" added where files differ from it; `None` outside its checkout.

    Where parts of the package are of other checkouts, as in a worktree that has another's environment, theirs
    are named behind it.
    """
    own = _commit_of(Path(__file__))
    others = {name: found for name, file in _parts() if (found := _commit_of(file)) != own}
    return "; ".join([str(own), *(f"{name} {found}" for name, found in others.items())]) if others else own


def _parts() -> Iterator[tuple[str, Path]]:
    """The parts of the package that may lie elsewhere, and a file of each."""
    for name in ("align.analysis", "align.experiments"):
        if (spec := find_spec(name)) is not None and spec.origin:
            yield name, Path(spec.origin)


def _commit_of(file: Path) -> str | None:
    def git(*arguments: str) -> str:
        command = ["git", "--no-optional-locks", "-C", str(file.parent), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        git(
            "ls-files", "--error-unmatch", file.name
        )  # installed, it may lie in the checkout of something else
        return git("rev-parse", "HEAD") + ("+changes" if git("status", "--porcelain", "-uno") else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def hash_store(path: str | Path) -> str:
    """Hash of the names and contents of all files below `path`, or of the file it is."""
    root, digest = user_path(path), hashlib.blake2b(digest_size=16)
    for file in [root] if root.is_file() else sorted(p for p in root.rglob("*") if p.is_file()):
        digest.update(str(file.relative_to(root)).encode())
        with file.open("rb") as stream:
            hashlib.file_digest(stream, lambda: digest)  # block by block
    return digest.hexdigest()


def processor() -> str:
    """The CPU's name and number of cores."""
    names = []
    if Path("/proc/cpuinfo").is_file():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.processor() or platform.machine()}, {os.cpu_count()} cores"


def provenance(stores: Mapping[str, str], trained_on: str) -> dict:
    """Versions, commit, command and data of this process.

    Args:
        stores: Paths of the demonstrations, by name.
        trained_on: What computes the training.
    """
    return {
        "command": ["align", *sys.argv[1:]],
        "python": platform.python_version(),
        "machine": platform.machine(),
        "processor": trained_on,
        "commit": _commit(),
        "versions": {package: _version(package) for package in PACKAGES},
        "data": {name: {"path": str(p), "hash": hash_store(p)} for name, p in stores.items()},
    }
