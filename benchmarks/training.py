"""Training steps: align's under Lightning, its networks in a bare loop, and in Diffusion Policy's."""

import functools
import logging
import time
import warnings
from contextlib import nullcontext
from pathlib import Path
from typing import NamedTuple

import diffusers
import numpy as np
import pytorch_lightning as pl
import torch
from diffusers import DDPMScheduler
from diffusers.optimization import get_scheduler
from diffusers.training_utils import EMAModel
from table import Table
from torch.utils.flop_counter import FlopCounterMode

from align import alignment
from align.batch_loss import denoising_losses
from align.data.writing import write_store
from align.datamodule import CotrainingData
from align.diffusion.schedule import NoiseSchedule
from align.module import CotrainingModule
from align.networks import ConditionalMLP, ConditionalUnet1D, ConvEncoder, ResNetEncoder
from align.policy import DiffusionPolicy
from align.step.precision import Trainer

BATCH = 64
STEPS = {"cuda": (20, 25, 5, 8), "cpu": (2, 4, 5, 2)}
"""By device, the numbers of a `Clock`."""
FEW_STEPS = (1, 1, 2, 1)
FIRST = 6
"""Steps in which all is recorded that will be, if a clock skips so many."""
STEPS_ALONE = {
    "max_epochs": -1,
    "devices": 1,
    "limit_val_batches": 0,
    "num_sanity_val_steps": 0,
    "logger": False,
    "enable_checkpointing": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
}
"""Options of a trainer that does nothing beside its steps."""
WAYS = {
    "each kernel launched": {"cuda_graphs": False},
    "the whole step recorded": {"whole_step": True},
    "channels last": {"channels_last": True},
    "the whole step recorded, channels last": {"whole_step": True, "channels_last": True},
}
"""Of a GPU, options of `CotrainingModule` that do not change what is computed."""
OBJECTIVES = {
    "MMD": alignment.MMD,
    "joint MMD": alignment.JointMMD,
    "CORAL": alignment.CORAL,
    "moments": alignment.MomentMatching,
    "Sinkhorn": alignment.SinkhornDivergence,
    "unbalanced OT": alignment.UnbalancedOT,
    "DANN": alignment.DANN,
    "ADDA": alignment.ADDA,
}


class Scale(NamedTuple):
    """What is trained: as `experiments/pushing.yaml` has it at the scale of that name."""

    size: int
    draws: int
    policy: functools.partial


SCALES = {
    "laptop": Scale(
        64,
        8,
        functools.partial(
            DiffusionPolicy,
            denoiser=functools.partial(ConditionalMLP, horizon=8, width=256, blocks=2),
            n_image_steps=1,
            horizon=8,
            n_action_steps=4,
            relative_actions=True,
        ),
    ),
    "paper": Scale(
        128,
        1,
        functools.partial(
            DiffusionPolicy,
            denoiser=functools.partial(ConditionalUnet1D, channels=(256, 512, 1024)),
            n_image_steps=2,
            horizon=16,
            n_action_steps=8,
            crop=112,
        ),
    ),
}


def make_policy(scale: str) -> DiffusionPolicy:
    """A policy of that scale with weights of its own."""
    prediction = "sample" if scale == "laptop" else "epsilon"
    encoder = ConvEncoder(64, 32, 2) if scale == "laptop" else ResNetEncoder()
    return SCALES[scale].policy(encoder=encoder, schedule=NoiseSchedule(prediction=prediction))


def write_stores(folder: Path, size: int) -> dict[str, str]:
    """Random demonstrations, which take as long as any."""
    rng = np.random.default_rng(0)

    def episode() -> dict:
        walk = rng.normal(size=(100, 2)).cumsum(0).astype(np.float32)
        frames = rng.integers(0, 255, (100, size, size, 3), np.uint8)
        return {"img": frames, "agent_pos": walk, "action": walk}

    paths = {name: str(folder / f"{name}-{size}.zarr") for name in ("sim", "real")}
    for name, path in paths.items():
        if not Path(path).exists():
            write_store(path, (episode() for _ in range({"sim": 16, "real": 8}[name])))
    return paths


class Clock(pl.Callback):
    """Times blocks of steps, then the parts of single steps.

    Args:
        skip: Steps before the first block; what is compiled or recorded is in these.
        block: Steps of a block.
        blocks: Blocks.
        parts: Steps whose parts are timed.
    """

    def __init__(self, skip: int, block: int, blocks: int, parts: int):
        self.skip, self.block, self.parts, self.end = skip, block, parts, skip + block * blocks
        self.blocks: list[float] = []
        self.spent = {"forward": 0.0, "backward": 0.0, "rest": 0.0}
        self.first = 0.0

    def on_train_batch_start(self, trainer, module, batch, batch_idx) -> None:
        if trainer.global_step in (0, self.skip):
            self._last = now(module.device)
        if trainer.global_step >= self.end:
            self._lap(module, None)

    def on_before_backward(self, trainer, module, loss) -> None:
        if trainer.global_step >= self.end:
            self._lap(module, "forward")

    def on_after_backward(self, trainer, module) -> None:
        if trainer.global_step >= self.end:
            self._lap(module, "backward")

    def on_train_batch_end(self, trainer, module, *_) -> None:
        done = trainer.global_step
        if done > self.end:
            self._lap(module, "rest")
        elif done == min(FIRST, self.skip):
            self.first = now(module.device) - self._last
        elif done > self.skip and (done - self.skip) % self.block == 0:
            time_ = now(module.device)
            self.blocks.append((time_ - self._last) / self.block)
            self._last = time_

    def _lap(self, module, part: str | None) -> None:
        time_ = now(module.device)
        if part is not None:
            self.spent[part] += time_ - self._part
        self._part = time_


def now(device: torch.device) -> float:
    """Seconds, when the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def lightning(
    folder: Path, scale: str, precision: str, device: str, objective: str | None, clock: Clock, **options
) -> list[float]:
    """Milliseconds of a step as `align fit` has it, with an objective (λ = 1) or with λ = 0, and options."""
    for library in ("pytorch_lightning", "lightning_fabric"):
        logging.getLogger(library).setLevel(logging.ERROR)
    kind = SCALES[scale]
    module = CotrainingModule(
        make_policy(scale),
        OBJECTIVES[objective or "MMD"](),
        0.0 if objective is None else 1.0,
        noise_draws=kind.draws,
        **options,
    )
    data = CotrainingData(**write_stores(folder, kind.size), alpha=0.5, batch_size=BATCH, validation=2)
    data.serve(module.policy, kind.draws, None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        Trainer(
            max_steps=clock.end + clock.parts,
            accelerator="gpu" if device == "cuda" else "cpu",
            precision=precision,
            gradient_clip_val=1.0,
            log_every_n_steps=25,
            callbacks=[clock],
            **STEPS_ALONE,
        ).fit(module, datamodule=data)
    return [1e3 * seconds for seconds in clock.blocks]


def make_batch(scale: str, device: str) -> dict[str, torch.Tensor]:
    """A random batch, on the device."""
    policy, size = make_policy(scale), SCALES[scale].size
    shape = (BATCH, policy.n_image_steps, 3, size, size)
    batch = {
        "image": torch.randint(0, 255, shape, dtype=torch.uint8),
        "agent_pos": torch.randn(BATCH, policy.n_obs_steps, 2),
        "action": torch.randn(BATCH, policy.horizon, 2),
    }
    return {key: value.to(device) for key, value in batch.items()}


def step_flops(scale: str) -> int:
    """Floating-point operations of the forward and the backward pass of a step, counted on the CPU."""
    policy, batch, draws = make_policy(scale), make_batch(scale, "cpu"), SCALES[scale].draws
    generator = torch.Generator().manual_seed(0)
    with FlopCounterMode(display=False) as counter:
        features = policy.encode(batch["image"], batch["agent_pos"], generator)
        denoising_losses(policy, features, batch, generator, draws)[0].mean().backward()
    return counter.get_total_flops()


def diffusion_policy_loop(scale: str, precision: str, device: str, steps: int, blocks: int) -> list[float]:
    """Milliseconds a step of the same networks in the loop of Diffusion Policy's notebook.

    The batch is on the device; noising, averaging and the learning rate are of diffusers, as there.
    """
    policy, batch, draws = make_policy(scale).to(device), make_batch(scale, device), SCALES[scale].draws
    scheduler = DDPMScheduler(num_train_timesteps=100, beta_schedule="squaredcos_cap_v2")
    parameters = [p for p in policy.parameters() if p.requires_grad]
    ema = EMAModel(parameters, power=0.75)
    optimizer = torch.optim.AdamW(parameters, lr=1e-4, weight_decay=1e-6)
    rate = get_scheduler("cosine", optimizer, num_warmup_steps=500, num_training_steps=100_000)
    mixed = precision == "bf16-mixed"
    autocast = functools.partial(torch.autocast, device, torch.bfloat16) if mixed else nullcontext
    generator = torch.Generator().manual_seed(0)
    epsilon, losses = scale == "paper", []

    def step() -> None:
        with autocast():
            condition = policy.encode(batch["image"], batch["agent_pos"], generator).condition
            x0 = policy.normalizer.normalize_action(batch["action"], batch["agent_pos"]).repeat(draws, 1, 1)
            noise = torch.randn_like(x0)
            t = torch.randint(0, 100, (len(x0),), device=x0.device).long()
            noisy = scheduler.add_noise(x0, noise, t)
            found = policy.denoiser(noisy, t, condition.repeat(draws, 1))
            loss = torch.nn.functional.mse_loss(found, noise if epsilon else x0)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        rate.step()
        ema.step(parameters)
        losses.append(loss.item())

    return blocks_of(step, torch.device(device), steps, blocks)


def blocks_of(step, device: torch.device, steps: int, blocks: int) -> list[float]:
    """Milliseconds a step, of each block of steps, after one that does not count."""
    times = []
    for _ in range(blocks + 1):
        start = now(device)
        for _ in range(steps):
            step()
        times.append(1e3 * (now(device) - start) / steps)
    return times[1:]


def measure(table: Table, folder: Path, device: str, scales: list[str], peak: dict[str, float]) -> None:
    """All rows of training steps."""
    for scale in scales:
        few = device == "cpu" and scale == "paper"
        skip, block, n, parts = FEW_STEPS if few else STEPS[device]
        flops = step_flops(scale)
        for precision in ("32-true", "bf16-mixed"):
            what = f"{scale} step, batch {BATCH}, {precision}"
            begun = f"{what}: its first {min(FIRST, skip)} steps"
            clock = Clock(skip, block, n, parts)
            run = folder, scale, precision, device
            ours = table.measure(f"{what}, λ = 0", "align", "ms", lightning, *run, None, clock)
            if clock.blocks:
                total = sum(clock.spent.values())
                for part, seconds in clock.spent.items():
                    table.add(f"{what}: share of {part}", "align", "%", [100 * seconds / total])
                table.add(
                    f"{begun}, with what is recorded",
                    "align",
                    "ms",
                    [1e3 * clock.first],
                )
                share = 100 * flops / (ours / 1e3) / peak[precision]
                note = f"{flops / 1e9:.3g} GFLOP a step"
                table.add(f"{what}: of the matmul peak", "align", "%", [share], note)
            if device == "cuda":
                for way, options in WAYS.items():
                    clock = Clock(skip, block, n, 0)
                    timed = functools.partial(lightning, **options)
                    table.measure(f"{what}, λ = 0: {way}", "align", "ms", timed, *run, None, clock)
                    table.add(
                        f"{begun}, {way}",
                        "align",
                        "ms",
                        [1e3 * clock.first],
                    )
            whose = f"same networks, Diffusion Policy's loop (diffusers {diffusers.__version__})"
            loop = diffusion_policy_loop, scale, precision, device, block, n
            table.measure(f"{what}, λ = 0", whose, "ms", *loop)
            for objective in OBJECTIVES if precision == "bf16-mixed" and not few else ["MMD"]:
                clock = Clock(skip, block, n, 0)
                table.measure(f"{what}, {objective}", "align", "ms", lightning, *run, objective, clock)
                if device == "cuda" and objective == "MMD":
                    clock, timed = Clock(skip, block, n, 0), functools.partial(lightning, whole_step=True)
                    row = f"{what}, {objective}: the whole step recorded"
                    table.measure(row, "align", "ms", timed, *run, objective, clock)
