"""Training on a store that is mapped, not held: its own memory and its speed, beside one held in memory.

`python benchmarks/large_store.py --out results/large_store`, on a machine that does nothing else; after an
interruption the same command goes on with the trainings that are missing. The images are made up as they are
read, so that only the cache that training maps is on the disk. Each training is a process of its own. Linux
only: what is the process's own is `RssAnon`, which leaves out the page cache.
"""

import functools
import json
import logging
import os
import shutil
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytorch_lightning as pl
import torch
from jsonargparse import auto_cli
from table import Table
from training import BATCH, SCALES, STEPS_ALONE, make_policy

from align import alignment
from align.data.images import Keep
from align.data.readers import Camera, Reader
from align.datamodule import CotrainingData
from align.files import write_json
from align.module import CotrainingModule
from align.run.provenance import processor

SIZE, LENGTH, TILES = 96, 400, 61
SKIP = 20
"""Steps before those that are timed."""
BLOCK = 10
"""Steps that are timed together."""


class Tiled(Reader):
    """Episodes of `LENGTH` frames that repeat a few random ones; the file says how many episodes."""

    @classmethod
    def recognises(cls, path: Path) -> bool:
        return path.suffix == ".tiled"

    def episode_ends(self) -> np.ndarray:
        return LENGTH * (1 + np.arange(json.loads(self.path.read_text())["episodes"]))

    def vectors(self) -> dict[str, int]:
        return {"action": 2, "agent_pos": 2}

    def vector(self, name: str) -> np.ndarray:
        walk = np.random.default_rng(0).normal(size=(int(self.episode_ends()[-1]), 2))
        return walk.astype(np.float32) + (name == "action")

    def cameras(self) -> dict[str, Camera]:
        return {"image": Camera((SIZE, SIZE, 3))}

    def frames(self, camera: str, start: int = 0):
        tiles = np.random.default_rng(1).integers(0, 256, (TILES, SIZE, SIZE, 3), np.uint8)
        for low in range(start, int(self.episode_ends()[-1]), 512):
            yield tiles[np.arange(low, min(low + 512, int(self.episode_ends()[-1]))) % TILES]


class Trained(NamedTuple):
    """What a training took.

    Attributes:
        rates: Steps a second, of each block.
        busy: Steps a second of the processor's time, which other work on the machine does not take.
        fetches: Milliseconds a batch was waited for, of each block.
        own: The most memory of its own at the end of a step, GiB.
        load: The machine's load average at its end: of one that does nothing else, 1 at most.
    """

    rates: list[float]
    busy: list[float]
    fetches: list[float]
    own: float
    load: float


class Watch(pl.Callback):
    """Times blocks of steps and looks at the memory after each step."""

    def __init__(self):
        self.found = Trained([], [], [], 0.0, 0.0)
        self._fetched = self._ended = 0.0
        self._last = None

    def on_train_batch_start(self, trainer, *_) -> None:
        self._fetched += time.perf_counter() - self._ended

    def on_train_batch_end(self, trainer, *_) -> None:
        self.found = self.found._replace(own=max(self.found.own, own_memory()))
        done = trainer.global_step - SKIP
        if done >= 0 and done % BLOCK == 0:
            now = np.array([time.perf_counter(), time.process_time()])
            if self._last is not None:
                wall, busy = (BLOCK / (now - self._last)).tolist()
                self.found.rates.append(wall)
                self.found.busy.append(busy)
                self.found.fetches.append(1e3 * self._fetched / BLOCK)
            self._last, self._fetched = now, 0.0
        self._ended = time.perf_counter()


def own_memory() -> float:
    """Memory of this process that is not a file's, GiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (kilobytes,) = (int(line.split()[1]) for line in lines if line.startswith("RssAnon"))
    return kilobytes / 2**20


def train(folder: Path, keep: Keep, steps: int) -> Trained:
    """The laptop's policy for so many steps on the two stores of a folder."""
    draws = SCALES["laptop"].draws
    module = CotrainingModule(make_policy("laptop"), alignment.MMD(), 1.0, noise_draws=draws)
    data = CotrainingData(
        *(str(folder / f"{domain}.tiled") for domain in ("sim", "real")),
        alpha=0.5,
        batch_size=BATCH,
        images=keep,
        reader=Tiled,
        validation=2,
    )
    data.serve(module.policy, draws, None)
    watch = Watch()
    trainer = pl.Trainer(max_steps=SKIP + steps, accelerator="cpu", callbacks=[watch], **STEPS_ALONE)
    trainer.fit(module, datamodule=data)
    return watch.found._replace(load=os.getloadavg()[0])


def alone_in_a_process(function: Callable, *arguments) -> Trained:
    """What a function returns in a process of its own, whose memory is not another's."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=_prepare) as pool:
        return pool.submit(function, *arguments).result()


def _prepare() -> None:
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)


def write(folder: Path, name: str, gigabytes: float) -> None:
    """Two stores, `gigabytes` (10⁹ bytes) of images together, and their cache in a folder of their own."""
    (folder / name).mkdir(parents=True, exist_ok=True)
    for n, domain in enumerate(("sim", "real")):
        episodes = max(4, round(gigabytes * 1e9 / 2 / (LENGTH * SIZE * SIZE * 3)))
        text = json.dumps({"episodes": episodes, "n": n})
        path = folder / name / f"{domain}.tiled"
        if not (path.exists() and path.read_text() == text):
            path.write_text(text)


def forget(folder: Path) -> None:
    """Take all files of the cache out of the page cache."""
    for file in folder.rglob("frames.npy"):
        with file.open("rb") as opened:
            os.fsync(opened.fileno())
            os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


class Kept:
    """Trainings that were measured, in a file from the moment each is known.

    Args:
        path: The file.
        about: What they are of; those of another machine or setting are not taken for these.
    """

    def __init__(self, path: Path, about: dict):
        self.path, self.about, self.found = path, about, {}
        if path.exists():
            read = json.loads(path.read_text(encoding="utf-8"))
            if read["about"] != about:
                raise SystemExit(f"{path} is of {read['about']}; expected {about}, or another --out")
            self.found = {name: Trained(*values) for name, values in read["trainings"].items()}

    def __contains__(self, name: str) -> bool:
        return name in self.found

    def measure(self, name: str, function: Callable[[], Trained]) -> Trained:
        """The training of that name, from the file if it is there."""
        if name not in self.found:
            self.found[name] = function()
            print(f"{name}: {statistics.median(self.found[name].rates):.3g} steps/s", flush=True)
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_json(self.path, {"about": self.about, "trainings": self.found})
        return self.found[name]


def large_store(
    out: str = "runs/large_store",
    gigabytes: float = 20,
    held: float = 1,
    steps: int = 60,
    turns: int = 3,
    folder: str | None = None,
) -> None:
    """Train on stores in memory and mapped, and on one of `gigabytes`, cold and warm; write the table.

    Args:
        out: Folder for `results.md`, `results.csv` and `trainings.json`, which has each training once it is
            done.
        gigabytes: Images of the large store, 10⁹ bytes; as much room is needed in `folder`.
        held: Images of the store that is also held in memory.
        steps: Steps that are timed of each training.
        turns: How often the warm ones are repeated, in turns, since other work on the machine comes and goes.
        folder: Where the stores and their cache are made, and removed at the end; by default a temporary one,
            which is found again.
    """
    where = Path(folder or tempfile.gettempdir()) / "align_large_store"
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    machine = f"{processor()}, one thread; {memory:.0f} GiB of memory; PyTorch {torch.__version__}"
    given = {"gigabytes": gigabytes, "held": held, "steps": steps}
    kept = Kept(Path(out) / "trainings.json", {"machine": machine, **given})

    def run(name: str, keep: Keep, steps: int = steps) -> Trained:
        return alone_in_a_process(train, where / name, keep, steps)

    stores = {
        f"{held:g} GB in memory": ("held", "memory"),
        f"{held:g} GB mapped, warm": ("held", "cache"),
        f"{gigabytes:g} GB mapped, warm": ("large", "cache"),
    }
    warm = {f"{store}, {turn}": store for turn in range(turns) for store in stores}
    if not all(name in kept for name in ("policy", "cold", *warm)):
        for name, size in {"few": 0.02, "held": held, "large": gigabytes}.items():
            write(where, name, size)
        for name in ("held", "large"):
            run(name, "cache")  # which is filled; and memory holds the windows that all its trainings draw
        if "cold" not in kept:
            forget(where / "large")
    cold = kept.measure("cold", lambda: run("large", "cache"))
    alone = kept.measure("policy", lambda: run("few", "cache", 20)).own
    rows: dict[str, list[Trained]] = {store: [] for store in stores}
    for name, store in warm.items():
        rows[store].append(kept.measure(name, functools.partial(run, *stores[store])))
    rows[f"{gigabytes:g} GB mapped, cold"] = [cold]
    tabulate(Path(out), rows, alone, machine)
    options = {"out": out, **given, "turns": turns}
    command = " ".join(["python benchmarks/large_store.py", *(f"--{k} {v}" for k, v in options.items())])
    (Path(out) / "command.txt").write_text(f"{command}\n", encoding="utf-8")
    shutil.rmtree(where, ignore_errors=True)


def tabulate(out: Path, rows: dict[str, list[Trained]], alone: float, machine: str) -> None:
    """Write the table.

    Args:
        out: Its folder.
        rows: Trainings by what they are of; the first are in memory.
        alone: Memory of a training on next to nothing, GiB.
        machine: The heading.
    """
    table = Table(out, float("inf"), "results")
    table.add("own memory of a training on next to nothing", "align", "GiB", [alone])
    units = {"rates": "steps/s", "busy": "steps/s", "fetches": "ms"}
    (_, whole), *others = rows.items()
    for what, how in (
        ("steps a second", "rates"),
        ("steps a second of the processor's time", "busy"),
        ("wait for a batch", "fetches"),
    ):
        for store, trainings in rows.items():
            each = [value for t in trainings for value in getattr(t, how)]
            table.add(f"{what}, {store}", "align", units[how], each)
        base = [statistics.median(getattr(t, how)) for t in whole]
        for store, trainings in others:
            own = [statistics.median(getattr(t, how)) for t in trainings]
            pairs = (
                zip(own, base, strict=True) if len(own) == len(base) else [(own[0], statistics.median(base))]
            )
            table.add(f"{what}, {store}: over those in memory", "align", "×", [a / b for a, b in pairs])
    for store, trainings in rows.items():
        own = [t.own - alone for t in trainings]
        table.add(f"own memory beyond the policy's, {store}", "align", "GiB", own)
    loads = [t.load for trainings in rows.values() for t in trainings]
    table.add("processes that wanted a core, those of the training with them", "the machine", "", loads)
    print("\n" + table.markdown(machine))


if __name__ == "__main__":
    auto_cli(large_store, as_positional=False)
