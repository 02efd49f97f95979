"""Rows of training steps, which are taken in turns: how long each takes, and how many times align's λ = 0."""

import contextlib
import functools
import json
import os
import signal
import subprocess
import tempfile
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import diffusers
import torch
import training
from peers import Missing, lerobot_python
from table import LATE, Table
from training import FIRST, OBJECTIVES, Clock, diffusion_policy_loop, lightning
from turns import Loop, take_turns

STEPS = {"cuda": (20, 25, 5, 8), "cpu": (2, 4, 9, 2)}
"""By device, the numbers of a `Clock`."""
SLOW_STEPS = {"reduced": (1, 2, 4, 1), "paper": (1, 1, 2, 1)}
"""Likewise on a CPU, by scale."""
FEW_STEPS = (1, 1, 2, 1)
WAYS = {
    "each kernel launched": {"cuda_graphs": False},
    "the whole step recorded": {"whole_step": True},
    "channels last": {"channels_last": True},
    "the whole step recorded, channels last": {"whole_step": True, "channels_last": True},
}
"""Of a GPU, options of `CotrainingModule` that do not change what is computed."""


class Contestant(NamedTuple):
    """A way to take steps.

    Attributes:
        name: After what is trained.
        run: Takes steps, told to a clock.
        whose: As in a `Row`.
        parts: Steps whose parts are timed.
    """

    name: str
    run: Callable[..., None]
    whose: str = "align"
    parts: int = 0


def compete(
    table: Table, what: str, device: str, contestants: Sequence[Contestant], *steps: int
) -> list[Clock]:
    """Rows of contestants that take steps in turns, and of how many times the first one's time they take.

    Args:
        table: To add rows to.
        what: Is trained.
        device: "cuda" or "cpu".
        contestants: In the order of their turns.
        steps: The numbers of a `Clock`, but for the last.

    Returns:
        The clocks; one has fewer blocks where its contestant failed, or there was no time left.
    """
    clocks = [Clock(*steps, contestant.parts) for contestant in contestants]
    loops = [
        Loop(functools.partial(_run, c.run, clock)) for c, clock in zip(contestants, clocks, strict=True)
    ]
    handler = signal.getsignal(signal.SIGTERM)  # which each training takes, and gives back out of order
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            take_turns(loops, table.is_late)
    finally:
        signal.signal(signal.SIGTERM, handler)
    first, why = clocks[0], "align failed" if loops[0].error else LATE
    for (name, _, whose, _), loop, clock in zip(contestants, loops, clocks, strict=True):
        row = f"{what}, {name}"
        late = LATE if len(clock.blocks) < clock.n else ""
        note = loop.error or late or clock.note
        table.add(row, whose, "ms", [1e3 * seconds for seconds in clock.blocks], note)
        if clock.first and device == "cuda":
            name = f"{row}: its first {min(FIRST, clock.skip)} steps, with what is recorded"
            table.add(name, whose, "ms", [1e3 * clock.first])
        if clock is not first:
            table.against(row, whose, clock.blocks, first.blocks, note if first.blocks else why)
    return clocks


def _run(run: Callable[..., None], clock: Clock, wait: Callable[[], None]) -> None:
    clock.wait = wait
    run(clock=clock)


def measure(table: Table, folder: Path, device: str, scales: list[str], peak: dict[str, float]) -> None:
    """All rows of training steps.

    Args:
        table: To add them to.
        folder: For what is trained on.
        device: "cuda" or "cpu".
        scales: Of `training.SCALES`.
        peak: Floating-point operations a second by precision.
    """
    for scale in scales:
        slow = SLOW_STEPS.get(scale) if device == "cpu" else None
        *steps, parts = slow or STEPS[device]
        flops = training.step_flops(scale)
        for precision in ("32-true", "bf16-mixed"):
            what = f"{scale} step, batch {training.BATCH}, {precision}"
            given = folder, scale, precision, device
            clocks = compete(table, what, device, _plain(*given, parts), *steps)
            _taken_apart(table, what, clocks[0], flops, peak[precision])
            if precision == "bf16-mixed" and not slow:
                compete(table, what, device, _objectives(*given), *steps)


def _plain(folder: Path, scale: str, precision: str, device: str, parts: int) -> list[Contestant]:
    """align's step with λ = 0 and in its other ways, Diffusion Policy's, and align's with the MMD."""
    step = functools.partial(lightning, folder, scale, precision, device)
    loop = functools.partial(diffusion_policy_loop, scale, precision, device)
    whose = f"same networks, Diffusion Policy's loop (diffusers {diffusers.__version__})"
    ways: list[Contestant] = []
    peers = [Contestant("λ = 0", loop, f"{whose}, one batch over and over")]
    aligned = [Contestant("MMD", functools.partial(step, "MMD"))]
    if device == "cuda":
        for way, options in WAYS.items():
            ways.append(Contestant(f"λ = 0, {way}", functools.partial(step, None, **options)))
        recorded = functools.partial(step, "MMD", whole_step=True)
        aligned.append(Contestant("MMD, the whole step recorded", recorded))
    else:  # on a GPU it has processes of its own for that
        loaded = functools.partial(loop, batches=training.slices(scale))
        peers.append(Contestant("λ = 0", loaded, f"{whose}, batches by PyTorch's DataLoader"))
    if scale != "laptop":  # whose networks it has
        theirs = functools.partial(lerobot_loop, scale, precision, device)
        peers.append(Contestant("λ = 0", theirs, "LeRobot's policy and loop, one batch over and over"))
    return [Contestant("λ = 0", functools.partial(step, None), parts=parts), *ways, *peers, *aligned]


def lerobot_loop(scale: str, precision: str, device: str, clock: Clock) -> None:
    """Steps of LeRobot's Diffusion Policy of that scale's sizes, as a process of its environment.

    Raises:
        Missing: There is no such environment, or the process failed.
    """
    policy = training.make_policy(scale)
    asked = {
        "device": device,
        "precision": precision,
        "batch": training.BATCH,
        "size": training.SCALES[scale].size,
        "crop": policy.crop,
        "channels": policy.denoiser.channels,
        "horizon": policy.horizon,
        "observed": policy.n_obs_steps,
        "executed": policy.n_action_steps,
        "skip": clock.skip,
        "block": clock.block,
    }
    script = Path(__file__).with_name("lerobot_step.py")
    command = [lerobot_python(), script, json.dumps(asked)]
    env = os.environ | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": str(torch.get_num_threads())}
    with (
        tempfile.TemporaryFile("w+") as errors,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, env=env, text=True
        ) as process,
    ):

        def answer() -> Any:
            if line := process.stdout.readline():
                return json.loads(line)
            errors.seek(0)
            raise Missing(f"it failed: {' '.join(errors.read().split())[-200:]}")

        try:
            told, ours = answer(), sum(p.numel() for p in policy.parameters())
            clock.note = f"lerobot {told['version']}"
            if told["parameters"] != ours:
                raise Missing(f"it has {told['parameters']} parameters; expected {ours}, as align's")
            clock.wait()
            for _ in range(clock.n):
                with contextlib.suppress(BrokenPipeError):  # its answer tells
                    print(file=process.stdin, flush=True)
                clock.blocks.append(answer())
                clock.wait()
        finally:
            process.kill()
            with contextlib.suppress(BrokenPipeError):  # of what it was not there to read
                process.stdin.close()


def _objectives(folder: Path, scale: str, precision: str, device: str) -> list[Contestant]:
    """align's step with λ = 0 once more, and with every other objective."""
    step = functools.partial(lightning, folder, scale, precision, device)
    others = [Contestant(name, functools.partial(step, name)) for name in OBJECTIVES if name != "MMD"]
    return [Contestant("λ = 0 beside the other objectives", functools.partial(step, None)), *others]


def _taken_apart(table: Table, what: str, clock: Clock, flops: int, peak: float) -> None:
    if not clock.blocks:
        return
    total = sum(clock.spent.values())
    for part, seconds in clock.spent.items():
        shares = [100 * seconds / total] if total else []
        table.add(f"{what}: share of {part}", "align", "%", shares, "" if total else LATE)
    shares = [100 * flops / seconds / peak for seconds in clock.blocks]
    table.add(f"{what}: of the matmul peak", "align", "%", shares, f"{flops / 1e9:.3g} GFLOP a step")
