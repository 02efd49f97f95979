"""Windows a second of two 240 × 320 px cameras: align's mapped cache beside others' loaders.

The peers are not installed with align. LeRobot's runs in an environment of its own, named by
ALIGN_CONFORMANCE (as `make conformance` makes it); of Diffusion Policy a clone is named by
ALIGN_DIFFUSION_POLICY. Without them their rows say so. All draw the same windows of the same frames, in one
process and on one thread, and are timed by the processor's time, which other work of the machine does not
take; LeRobot's decoder, which may have threads, by the clock where that is faster.

`python benchmarks/loaders.py --out results/loaders` measures these alone.
"""

import functools
import importlib.util
import itertools
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import version
from pathlib import Path
from types import ModuleType, SimpleNamespace

import cv2
import numpy as np
import torch
from jsonargparse import auto_cli
from peers import Missing, lerobot_python
from table import Table, in_turns
from torch import Tensor

from align.conversion import write_lerobot
from align.data.episodes import Episodes, read_store
from align.data.windows import Windows
from align.run.provenance import processor

CAMERAS = ("image.top", "image.wrist")
FPS, D = 30, 8
BATCH, IMAGES, HORIZON, EXECUTED = 64, 2, 16, 8
DTYPES = ("uint8", "float32")
"""Of the images: as align trains on them, scaled on the device; and as both peers give them."""
KEPT = "float32 into memory that is kept"
"""Floats for a loop that is done with a batch before the next: `Windows.gather(..., floats=...)`. Much of the
time of the others is the system's, which clears memory that is new to each batch."""
SECONDS = 10.0
"""For which batches of Diffusion Policy's and of ours are drawn in turns."""
WHAT = f"windows of two cameras of {{}} px, {IMAGES} frames each"


def recordings(n: int, length: int, size: tuple[int, int]) -> Iterator[dict[str, np.ndarray]]:
    """Episodes of two moving cameras over a textured table, with the noise of a sensor."""
    rng, (height, width) = np.random.default_rng(0), size
    for _ in range(n):
        episode = {}
        for camera in CAMERAS:
            coarse = rng.integers(30, 220, (height // 10, width // 5, 3), np.uint8)
            table = cv2.resize(coarse, (2 * width, height), interpolation=cv2.INTER_CUBIC)
            frames = [table[:, t : t + width].astype(np.int16) for t in range(length)]
            noise = rng.normal(0, 3, (8, height, width, 1)).astype(np.int16)
            noisy = [frame + noise[t % 8] for t, frame in enumerate(frames)]
            episode[camera] = np.clip(np.stack(noisy), 0, 255).astype(np.uint8)
        walk = rng.normal(size=(length + 1, D)).cumsum(0).astype(np.float32)
        yield {**episode, "agent_pos": walk[:-1], "action": walk[1:]}


def measure(
    table: Table, folder: Path, episodes: int = 5, length: int = 100, size: tuple[int, int] = (240, 320)
) -> None:
    """Rows of all loaders.

    Args:
        table: For the rows.
        folder: For the recordings.
        episodes: How many.
        length: Frames of each.
        size: (height, width) in pixels.
    """
    store = folder / "loaders"
    write_lerobot(store, recordings(episodes, length, size), FPS, "av1")
    what = WHAT.format(f"{size[0]} × {size[1]}")
    read = read_store(store, images=CAMERAS, keep="cache")
    ours = Ours(read)
    own = {
        dtype: table.measure(
            f"{what}, {dtype}",
            "align, mapped cache",
            "1/s",
            lambda of: rates(*in_turns([ours.draw(of)], 3.0)),
            dtype,
        )
        for dtype in (*DTYPES, KEPT)
    }

    def beside_lerobot(whose: str) -> None:
        release, theirs = lerobot(store)
        whose = f"{whose} (lerobot {release})"
        found = {its: table.add(f"{what}, {its}", whose, "1/s", theirs[its]) for its in DTYPES}
        for title, mine, its in COMPARED:
            table.add(f"{what}{title}", whose, "×", [own[mine] / found[its]])

    def beside_diffusion_policy(whose: str) -> None:
        theirs, seconds = diffusion_policy(read), {}
        for its in DTYPES:
            beside = [mine for _, mine, of in COMPARED if of == its]
            first, *others = in_turns([theirs[its], *map(ours.draw, beside)], SECONDS)
            table.add(f"{what}, {its}", whose, "1/s", rates(first))
            for mine, each in zip(beside, others, strict=True):
                seconds[mine, its] = [a / b for a, b in zip(first, each, strict=True)]
        for title, mine, its in COMPARED:
            table.add(f"{what}{title}", whose, "×", seconds[mine, its])

    for whose, beside in (
        ("LeRobotDataset, decoding AV1", beside_lerobot),
        ("Diffusion Policy's SequenceSampler, arrays in memory (of its repository)", beside_diffusion_policy),
    ):
        try:
            beside(whose)
        except Missing as missing:
            table.add(what, whose, "1/s", [], f"not measured: {missing}")
        except Exception as error:  # of another version; the other figures are worth having
            reason = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
            table.add(what, whose, "1/s", [], f"not measured: {reason}")


COMPARED = (
    *((f", {dtype}: align over it", dtype, dtype) for dtype in DTYPES),
    (f", {KEPT}: align over it", KEPT, "float32"),
    (": align as trained on (uint8) over it as it comes (float32)", "uint8", "float32"),
)
"""Titles of rows, and what they compare, of ours and of theirs."""


def rates(seconds: Iterable[float]) -> list[float]:
    """Windows a second."""
    return [BATCH / s for s in seconds]


class Ours:
    """Batches of align's windows, in random order."""

    def __init__(self, read: Episodes):
        self.windows = Windows(read, range(read.n_episodes), IMAGES, HORIZON, EXECUTED)
        generator = torch.Generator().manual_seed(0)
        order = torch.randperm(len(self.windows), generator=generator).split(BATCH)[:-1]
        self.order = itertools.cycle(order)
        shape = (BATCH, IMAGES, *self.windows.gather(order[0])[CAMERAS[0]].shape[2:])
        self.kept = {camera: torch.empty(shape) for camera in CAMERAS}

    def draw(self, dtype: str) -> Callable[[], dict[str, Tensor]]:
        """What draws the next, with images of one of `DTYPES`, or `KEPT`."""
        return {"uint8": self._bytes, "float32": self._floats, KEPT: self._kept}[dtype]

    def _bytes(self) -> dict[str, Tensor]:
        return self.windows.gather(next(self.order))

    def _floats(self) -> dict[str, Tensor]:
        batch = self._bytes()
        return batch | {camera: batch[camera].float().div_(255) for camera in CAMERAS}

    def _kept(self) -> dict[str, Tensor]:
        return self.windows.gather(next(self.order), floats=self.kept)


def lerobot(store: Path) -> tuple[str, dict[str, list[float]]]:
    """LeRobot's own loader, as a process of its environment.

    Returns:
        Its version, and windows a second of each batch by type of the images.

    Raises:
        Missing: There is no such environment, or it failed.
    """
    python = lerobot_python()
    cameras = ",".join(f"observation.images.{c.removeprefix('image.')}" for c in CAMERAS)
    script = Path(__file__).with_name("lerobot_loader.py")
    command = [python, script, store, cameras, IMAGES, HORIZON, BATCH, 10]
    told = {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(list(map(str, command)), env=os.environ | told, capture_output=True, text=True)
    if done.returncode:
        raise Missing(f"it failed: {' '.join(done.stderr.split())[-200:]}")
    found = json.loads(done.stdout.splitlines()[-1])
    return found["version"], found["rates"]


def diffusion_policy(read: Episodes) -> dict[str, Callable[[], object]]:
    """Diffusion Policy's sampler and, as in its image data sets, floats with channels first, collated.

    Returns:
        What draws its next batch, by type of the images.

    Raises:
        Missing: There is no clone.
    """
    clone = os.environ.get("ALIGN_DIFFUSION_POLICY")
    file = Path(clone or "", "diffusion_policy/common/sampler.py")
    if not clone or not file.is_file():
        raise Missing("ALIGN_DIFFUSION_POLICY names a clone of real-stanford/diffusion_policy")
    arrays = {name: np.ascontiguousarray(image) for name, image in read.images.items()}
    arrays |= {"agent_pos": read.agent_pos, "action": read.action}
    sampler = _sampler(file).SequenceSampler(
        _Buffer(arrays, read.ends),
        HORIZON,
        pad_before=IMAGES - 1,
        pad_after=EXECUTED - 1,
        keys=list(arrays),
        key_first_k={name: IMAGES for name in (*CAMERAS, "agent_pos")},
    )

    class Data(torch.utils.data.Dataset):
        def __init__(self, dtype: str):
            self.dtype = dtype

        def __len__(self) -> int:
            return len(sampler)

        def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
            drawn = sampler.sample_sequence(index)
            for name in CAMERAS:
                drawn[name] = np.moveaxis(drawn[name][:IMAGES], -1, 1)
                if self.dtype == "float32":
                    drawn[name] = drawn[name].astype(np.float32) / 255
            drawn["agent_pos"] = drawn["agent_pos"][:IMAGES]
            return {name: torch.from_numpy(value) for name, value in drawn.items()}

    def drawing(dtype: str) -> Callable[[], object]:
        loader = torch.utils.data.DataLoader(Data(dtype), BATCH, shuffle=True, drop_last=True)
        batches = (batch for _ in iter(int, 1) for batch in loader)
        with_nan = np.errstate(invalid="ignore")  # it fills images with NaN, which are not floats
        return with_nan(functools.partial(next, batches))

    return {dtype: drawing(dtype) for dtype in DTYPES}


class _Buffer(dict):
    """What the sampler asks of a replay buffer."""

    def __init__(self, arrays: dict[str, np.ndarray], ends: np.ndarray):
        super().__init__(arrays)
        self.episode_ends = ends


def _sampler(file: Path) -> ModuleType:
    """The module of the sampler; it needs no more of its imports than a decorator."""
    stubs = {
        "numba": SimpleNamespace(jit=lambda **_: lambda function: function),
        "diffusion_policy.common.replay_buffer": SimpleNamespace(ReplayBuffer=_Buffer),
    }
    before = {name: sys.modules.get(name) for name in stubs}
    sys.modules.update(stubs)
    try:
        spec = importlib.util.spec_from_file_location("diffusion_policy_sampler", file)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module
    finally:
        for name, module_before in before.items():
            sys.modules.pop(name) if module_before is None else sys.modules.update({name: module_before})


def loaders(out: str = "runs/loaders") -> None:
    """Measure, and write the table.

    Args:
        out: Folder for `results.md` and `results.csv`.
    """
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    table, before = Table(Path(out), float("inf"), "results"), os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        measure(table, Path(folder))
    table.add("load average before and after", "the machine", "", [before, os.getloadavg()[0]])
    versions = f"PyTorch {torch.__version__}, NumPy {np.__version__}, PyAV {version('av')}"
    print("\n" + table.markdown(f"{processor()}, one thread each, by its time; warm page cache; {versions}"))
    peers = "ALIGN_CONFORMANCE=.conformance ALIGN_DIFFUSION_POLICY=../diffusion_policy"
    command = f"{peers} python benchmarks/loaders.py --out {out}\n"
    (Path(out) / "command.txt").write_text(command, encoding="utf-8")


if __name__ == "__main__":
    auto_cli(loaders, as_positional=False)
