"""Everything around the step: objectives, data, rendering, rollouts, tests, start-up."""

import functools
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch
from table import Table, repeated
from training import BATCH, SCALES, make_policy, now, write_stores

from align.alignment import MMD
from align.analysis.statistics.permutation import PERMUTATIONS, mmd_test, pooled_bandwidth
from align.datamodule import CotrainingData
from align.robot import PolicyRunner
from align.robot.latency import Latency
from align.rollout import rollout
from align.worlds.make import make_worlds
from align.worlds.pushing.gaps import Gap

MMD_SAMPLES = (32, 64, 1024, 2048)
TESTED_SAMPLES = (100, 1000, 19_000)
"""Of either domain."""
TRIALS = 30


def peaks(device: str) -> dict[str, float]:
    """Floating-point operations a second of a product of square matrices, by precision."""
    n, found = 4096 if device == "cuda" else 1024, {}
    for precision, dtype in (("32-true", torch.float32), ("bf16-mixed", torch.bfloat16)):
        a, b = (torch.randn(n, n, device=device, dtype=dtype) for _ in range(2))
        found[precision] = 2 * n**3 / min(repeated(functools.partial(_product, a, b), 0.5))
    return found


def _product(a: torch.Tensor, b: torch.Tensor) -> None:
    a @ b
    now(a.device)


def authors_mmd(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """As in the code of arXiv 2503.22634: biased, five kernels in units of the batch's mean distance."""
    z = torch.cat([x, y])
    d = (z[None] - z[:, None]).square().sum(2)
    base = d.detach().sum() / (len(z) ** 2 - len(z))
    k = sum(torch.exp(-d / (base * m)) for m in (0.25, 0.5, 1, 2, 4)) / 5
    n = len(x)
    return k[:n, :n].mean() + k[n:, n:].mean() - 2 * k[:n, n:].mean()


def mmd(table: Table, device: str) -> None:
    """Forward and backward of the MMD at several sizes, 64 features."""

    def call(function, x: torch.Tensor, y: torch.Tensor) -> None:
        function(x, y).backward()
        now(x.device)

    largest = 1024 if device == "cuda" else 64  # (2 n, 2 n, 64) differences
    for n in MMD_SAMPLES:
        x, y = (torch.randn(n, 64, device=device).requires_grad_() for _ in range(2))
        ours = MMD().to(device)
        ours.trusts = True  # as in training, where one look at the loss finds what is not finite
        functions = {"align": functools.partial(call, ours, x, y)}
        if n <= largest:
            functions["its authors' formula"] = functools.partial(call, authors_mmd, x, y)
        table.beside(f"MMD of {n} and {n}, forward and backward", "ms", 1e3, functions)


def numpy_test(x: np.ndarray, label: np.ndarray) -> float:
    """The p-value by W K W in NumPy: the kernel once, all relabellings as one product."""
    x = x - x.mean(0)
    norms = (x * x).sum(1)
    k = np.exp(-np.maximum(norms[:, None] + norms - 2 * x @ x.T, 0) / pooled_bandwidth(x))
    np.fill_diagonal(k, 0)
    rng, n, m = np.random.default_rng(0), int((label == 0).sum()), int(label.sum())
    w = np.array([label, *(rng.permutation(label) for _ in range(PERMUTATIONS))], float)
    real, sums = ((w @ k) * w).sum(1), k.sum(1)
    cross = w @ sums - real
    sim = sums.sum() - 2 * cross - real
    values = sim / (n * (n - 1)) + real / (m * (m - 1)) - 2 * cross / (n * m)
    return float((values >= values[0]).mean())


def two_sample(table: Table, device: str) -> None:
    """Permutation tests by MMD² with 1,000 permutations, 64 features; align's also tells the power."""

    rng = np.random.default_rng(0)
    for n in TESTED_SAMPLES:
        x, label = rng.normal(size=(2 * n, 64)), np.repeat([0, 1], n)
        test = functools.partial(mmd_test, x, label, np.arange(2 * n))
        functions = {"align": test}
        if device == "cuda":
            functions["align, on a GPU"] = functools.partial(test, device=device)
        if n <= 1000:
            functions[f"vectorised NumPy {np.__version__}"] = functools.partial(numpy_test, x, label)
        table.beside(f"permutation test of {n} and {n}", "s", 1.0, functions)


def data(table: Table, folder: Path, scale: str) -> None:
    """Windows gathered a second, images included, on the CPU."""
    size, policy = SCALES[scale].size, make_policy(scale)
    loaded = CotrainingData(**write_stores(folder, size), alpha=0.5, batch_size=BATCH, validation=2)
    loaded.serve(policy, 1, None)
    loaded.setup()
    step = iter(range(1_000_000))

    def gather() -> None:
        for domain, indices in loaded.sampler.batch(next(step)).items():
            loaded.train[domain].gather(indices)

    name = f"windows gathered, {policy.n_image_steps} images of {size} px"
    table.measure(name, "align", "1/s", rate, gather, BATCH)


def rate(function, of: float) -> list[float]:
    """How many are done a second, by a function that does so many."""
    return [of / seconds for seconds in repeated(function)]


def worlds(table: Table, device: str) -> None:
    """Frames drawn, and trials of a laptop policy with 100 control steps each."""
    batch = make_worlds(Gap(), 64, "easy")
    batch.reset(range(32))
    table.measure("frames drawn, 64 px", "align", "1/s", rate, batch.observe, 32)
    policy = make_policy("laptop").to(device).eval()

    def trials() -> None:
        rollout(policy, make_worlds(Gap(), 64, "easy"), range(TRIALS), 100, "sim", 0)

    table.measure("rollouts of 100 steps", "align", "1/min", rate, trials, 60 * TRIALS)


CHUNKS = 60
"""That a latency is of."""
FIRST = 3
"""Chunks before them that do not count: what is made once, and on a GPU recorded, is in these."""


def latency(table: Table, device: str, scale: str, chunks: int | None = None) -> None:
    """From an observation to a chunk of actions, as `PolicyRunner` tells: on one core, or on a GPU.

    On a core also the processor's time, which is what it would be if nothing else ran there.
    """
    policy, side, threads = make_policy(scale).to(device).eval(), SCALES[scale].size, torch.get_num_threads()
    rng = np.random.default_rng(0)

    def planned(chunks: int) -> tuple[Latency, list[float]]:
        runner, busy = PolicyRunner(policy), []
        runner.reset(0)
        for step in range((chunks + FIRST) * policy.n_action_steps):
            if step == FIRST * policy.n_action_steps:
                runner.forget_latency()
                busy.clear()
            image = rng.integers(0, 255, (side, side, 3), np.uint8)
            begun = time.process_time()
            runner.select_action({"image": image, "agent_pos": np.zeros(2)})
            if step % policy.n_action_steps == 0:
                busy.append(time.process_time() - begun)
        return runner.latency(), busy

    torch.set_num_threads(1)
    try:
        found, busy = planned(chunks or CHUNKS)
    finally:
        torch.set_num_threads(threads)
    where = "one core" if device == "cpu" else "a GPU"
    for name in ("p50", "p99"):
        what = f"a chunk of actions of the {scale} policy, {name} of {found.chunks}, on {where}"
        table.add(what, "align", "ms", [1e3 * getattr(found, name)])
        if device == "cpu":
            taken = float(np.percentile(busy, int(name[1:])))
            table.add(f"{what}, processor's time", "align", "ms", [1e3 * taken])


def start_up(table: Table) -> None:
    """What a command takes before it does anything, as a process of its own."""

    def seconds(*command: str) -> list[float]:
        return repeated(lambda: subprocess.run(command, check=True, capture_output=True), most=5)

    align = str(Path(sys.executable).with_name("align"))
    for arguments in (["--help"], ["sweep", "lambda", "--scale", "smoke", "--dry-run"]):
        table.measure(" ".join(["align", *arguments]), "align", "s", seconds, align, *arguments)
