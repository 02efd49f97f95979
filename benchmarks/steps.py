"""Rows of training steps, which are taken in turns: how long each takes, and how many times align's λ = 0."""

import functools
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import diffusers
import torch
import training
from table import LATE, Table, failed
from training import FIRST, OBJECTIVES, Clock, diffusion_policy_loop, lightning
from turns import Loop, take_turns

STEPS = {"cuda": (20, 25, 5, 8), "cpu": (2, 4, 9, 2)}
"""By device, the numbers of a `Clock`."""
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


def compete(table: Table, what: str, contestants: Sequence[Contestant], *steps: int) -> list[Clock]:
    """Rows of contestants that take steps in turns, and of how many times the first one's time they take.

    Args:
        table: To add rows to.
        what: Is trained.
        contestants: In the order of their turns.
        steps: The numbers of a `Clock`, but for the last.

    Returns:
        The clocks; one has fewer blocks where its contestant failed, or there was no time left.
    """
    clocks = [Clock(*steps, contestant.parts) for contestant in contestants]
    loops = [
        Loop(functools.partial(_run, c.run, clock)) for c, clock in zip(contestants, clocks, strict=True)
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        take_turns(loops, table.is_late)
    first = clocks[0]
    for (name, _, whose, _), loop, clock in zip(contestants, loops, clocks, strict=True):
        row = f"{what}, {name}"
        late = LATE if len(clock.blocks) < clock.n else ""
        note = failed(loop.error) if loop.error else late
        table.add(row, whose, "ms", [1e3 * seconds for seconds in clock.blocks], note)
        if clock.first and torch.cuda.is_available():
            name = f"{row}: its first {min(FIRST, clock.skip)} steps, with what is recorded"
            table.add(name, whose, "ms", [1e3 * clock.first])
        if clock is not first:
            table.against(row, whose, clock.blocks, first.blocks, note)
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
        few = device == "cpu" and scale == "paper"
        *steps, parts = FEW_STEPS if few else STEPS[device]
        flops = training.step_flops(scale)
        for precision in ("32-true", "bf16-mixed"):
            what = f"{scale} step, batch {training.BATCH}, {precision}"
            given = folder, scale, precision, device
            clocks = compete(table, what, _plain(*given, parts), *steps)
            _taken_apart(table, what, clocks[0], flops, peak[precision])
            if precision == "bf16-mixed" and not few:
                compete(table, what, _objectives(*given), *steps)


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
    return [Contestant("λ = 0", functools.partial(step, None), parts=parts), *ways, *peers, *aligned]


def _objectives(folder: Path, scale: str, precision: str, device: str) -> list[Contestant]:
    """align's step with λ = 0 once more, and with every other objective."""
    step = functools.partial(lightning, folder, scale, precision, device)
    others = [Contestant(name, functools.partial(step, name)) for name in OBJECTIVES if name != "MMD"]
    return [Contestant("λ = 0 beside the other objectives", functools.partial(step, None)), *others]


def _taken_apart(table: Table, what: str, clock: Clock, flops: int, peak: float) -> None:
    if not clock.blocks:
        return
    for part, seconds in clock.spent.items():
        table.add(f"{what}: share of {part}", "align", "%", [100 * seconds / sum(clock.spent.values())])
    shares = [100 * flops / seconds / peak for seconds in clock.blocks]
    table.add(f"{what}: of the matmul peak", "align", "%", shares, f"{flops / 1e9:.3g} GFLOP a step")
