"""Images decoded once, in order, into a file that is mapped: what no memory holds, or no policy waits for.

An entry is a folder named by a hash of the files the images come from and of what is done to them, so that
a store that changes has a new one. It is filled by one process at a time, goes on where a killed one stopped,
and is read by any number.
"""

import contextlib
import hashlib
import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from align.errors import InputError, printable
from align.files import UNWRITABLE, check_kind, user_cache, user_path, write_json
from align.run.locks import locked
from align.run.reading import DAMAGE, reading

FOLDER = ".align-cache"
VERSION = 1
"""To be raised by whoever changes what a pixel becomes: reading, decoding or resizing."""
HASH = re.compile("[0-9a-f]{32}")
_SAY_SECONDS = 5.0
_SAVE_BYTES = 256 << 20


def cached(
    frames: Callable[[int], Iterator[np.ndarray]],
    shape: tuple[int, int, int, int],
    about: Mapping,
    files: Sequence[Path],
    store: Path,
    folder: str | os.PathLike | None = None,
) -> np.ndarray:
    """Images from the cache, decoded first if they are not in it.

    Args:
        frames: Blocks (n, C, H, W) uint8 from a row on, in order.
        shape: (T, C, H, W) of all of them.
        about: What is done to them, as JSON.
        files: The files that they come from.
        store: Whose they are, for messages and for the default folder.
        folder: Where the cache is; None takes `.align-cache` beside the store, or the user's cache folder
            where that cannot be written to.

    Returns:
        (T, C, H, W) uint8, mapped; changes to it stay in memory.

    Raises:
        InputError: There is no room, or another number of images than T, or the cache is damaged.
    """
    root = _folder(store, folder)
    entry = root / _key(about, shape, files, root, store)
    done = entry / "frames.npy"
    if not done.exists():
        with locked(entry, "image cache", wait=True):
            if not done.exists():
                try:
                    _fill(entry, frames, shape, about, store)
                except OSError as error:
                    if error.errno not in UNWRITABLE:
                        raise
                    raise InputError(
                        f"image cache {entry} cannot be written: {error.strerror}; "
                        f"{np.prod(shape) / 2**30:.1f} GiB are needed there, or in another data.cache"
                    ) from error
    with reading(done, f"images of the cache; delete {entry}"):
        return _mapped(done, "c", shape)


def _fill(entry: Path, frames: Callable, shape: Sequence[int], about: Mapping, store: Path) -> None:
    part, progress = entry / "frames.part.npy", entry / "rows.json"
    if part.is_symlink():  # beside somebody else's store it may lead to any file
        part.unlink()
    row, out = _begun(part, progress, shape)
    if out is None:
        free = os.statvfs(entry).f_bavail * os.statvfs(entry).f_frsize
        if np.prod(shape) > free:
            raise InputError(
                f"image cache {entry}: {np.prod(shape) / 2**30:.1f} GiB are needed, {free / 2**30:.1f} GiB "
                "are free; expected room, or another data.cache, or a smaller data.image_size"
            )
        progress.unlink(missing_ok=True)  # of another part: this one holds nothing yet
        out = np.lib.format.open_memmap(part, "w+", np.uint8, tuple(shape))
    try:
        _take_room(part)
    except OSError:
        if row == 0:
            part.unlink()
        raise
    what = "passing through a codec:" if "encoding" in about else "decoding"
    say = _Progress(f"{what} {store} {about['camera']}", shape[0], row)
    unsaved = 0
    for block in frames(row):
        if row + len(block) > shape[0]:
            raise InputError(f"store {store}: {about['camera']} has more than {shape[0]} images, a row each")
        out[row : row + len(block)] = block
        row += len(block)
        unsaved += block.nbytes
        if unsaved >= _SAVE_BYTES:
            out.flush()
            write_json(progress, {"rows": row})
            unsaved = 0
        say(row)
    if row != shape[0]:
        expected = f"expected {shape[0]}, a row each"
        raise InputError(f"store {store}: {about['camera']} has {row} images; {expected}")
    out.flush()
    del out
    write_json(entry / "about.json", {**about, "store": str(store), "shape": list(shape)})
    progress.unlink(missing_ok=True)  # first: a part without it begins anew, one beside it would be believed
    os.replace(part, entry / "frames.npy")


def _begun(part: Path, progress: Path, shape: Sequence[int]) -> tuple[int, np.ndarray | None]:
    """The rows that a killed process is known to have filled, and the file; none where either is damaged."""
    with contextlib.suppress(*DAMAGE):
        check_kind(progress)
        rows = json.loads(progress.read_text(encoding="utf-8"))["rows"]
        if isinstance(rows, int) and 0 <= rows <= shape[0]:
            return rows, _mapped(part, "r+", shape)
    return 0, None


def _mapped(file: Path, mode: Literal["c", "r+"], shape: Sequence[int]) -> np.ndarray:
    check_kind(file)
    images = np.load(file, mmap_mode="r")  # NumPy fills up a cut file that it may write to
    if images.dtype != np.uint8 or images.shape != tuple(shape):
        raise ValueError(f"{images.dtype} of shape {images.shape}, not uint8 of {tuple(shape)}")
    return np.load(file, mmap_mode=mode)


def _take_room(part: Path) -> None:
    """Have a file take the room that it says it has.

    The disk may fill up meanwhile, and a mapped file that finds no room then ends its process without a word.
    """
    try:
        with open(part, "r+b") as file:
            os.posix_fallocate(file.fileno(), 0, os.fstat(file.fileno()).st_size)
    except (AttributeError, OSError) as error:  # no such call, on this system or its file system
        if getattr(error, "errno", None) in UNWRITABLE:
            raise


class _Progress:
    """Says now and then how far it is, where it takes longer than a few seconds."""

    def __init__(self, what: str, total: int, done: int):
        self.what, self.total, self.first = what, total, done
        self.start = self.said = time.monotonic()

    def __call__(self, done: int) -> None:
        now = time.monotonic()
        if now - self.said < _SAY_SECONDS:
            return
        self.said = now
        speed = (done - self.first) / (now - self.start)
        left = (self.total - done) / max(speed, 1e-9)
        print(
            f"{printable(self.what)}: {done:,} of {self.total:,} images, {speed:,.0f}/s, {left:,.0f} s left",
            file=sys.stderr,
        )


def _folder(store: Path, folder: str | os.PathLike | None) -> Path:
    if folder is not None:
        return user_path(folder)
    beside = Path(os.path.realpath(store)).parent
    if os.access(beside, os.W_OK):
        return beside / FOLDER
    return user_cache()


def _key(about: Mapping, shape: Sequence[int], files: Sequence[Path], root: Path, store: Path) -> str:
    """Hash of the contents of the files and of what is done to them.

    A file whose size and time are those of the last time is not read again.
    """
    memory = root / "files.json"
    try:
        check_kind(memory)
        known = json.loads(memory.read_text(encoding="utf-8"))
        known = {n: d for n, d in dict(known).items() if isinstance(d, str) and HASH.fullmatch(d)}
    except (OSError, TypeError, ValueError, RecursionError):
        known = {}
    digest = hashlib.blake2b(json.dumps([VERSION, about, list(shape)]).encode(), digest_size=16)
    seen = {}
    for file in files:
        stat = file.stat()
        name = f"{os.path.realpath(file)}|{stat.st_size}|{stat.st_mtime_ns}"
        if name not in known:
            with file.open("rb") as stream:
                known[name] = hashlib.file_digest(stream, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
            seen[name] = known[name]
        inside = file.relative_to(store) if file != store else Path(file.name)
        digest.update(f"{inside}={known[name]}".encode())
    if seen:
        root.mkdir(parents=True, exist_ok=True)
        write_json(memory, known)
    return digest.hexdigest()
