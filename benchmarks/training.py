"""Training steps: align's under Lightning, its networks in a bare loop, and in Diffusion Policy's."""

import functools
import itertools
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytorch_lightning as pl
import torch
from diffusers import DDPMScheduler
from diffusers.optimization import get_scheduler
from diffusers.training_utils import EMAModel
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


def _published(channels: tuple[int, ...], crop: int) -> functools.partial:
    """The paper's networks, or with fewer channels and pixels."""
    denoiser = functools.partial(ConditionalUnet1D, channels=channels)
    steps = {"n_image_steps": 2, "horizon": 16, "n_action_steps": 8}
    return functools.partial(DiffusionPolicy, denoiser=denoiser, crop=crop, **steps)


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
    "reduced": Scale(64, 1, _published((64, 128, 256), crop=56)),
    "paper": Scale(128, 1, _published((256, 512, 1024), crop=112)),
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
        skip: Steps before the first turn ends; what is compiled or recorded is in these.
        block: Steps of a block, of which there is one a turn, after a step that does not count.
        n: Blocks.
        parts: Steps whose parts are timed.
        wait: Called where a turn ends.
    """

    def __init__(self, skip: int, block: int, n: int, parts: int, wait: Callable[[], None] = lambda: None):
        self.skip, self.block, self.n, self.parts, self.wait = skip, block, n, parts, wait
        self.end = skip + (1 + block) * n
        self.blocks: list[float] = []
        """Seconds a step, of each block."""
        self.spent = {"forward": 0.0, "backward": 0.0, "rest": 0.0}
        self.first, self._warm = 0.0, False
        self.note = ""
        """What else is to be known of what is timed."""

    def on_train_batch_start(self, trainer, module, batch, batch_idx) -> None:
        if trainer.global_step == 0:
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
            return
        if done == min(FIRST, self.skip):
            self.first = now(module.device) - self._last
        if done >= self.skip:
            self.tick((done - self.skip) % (1 + self.block), module.device)

    def tick(self, step: int, device: torch.device) -> None:
        """Tell of a step of a turn, 0 for the last; a loop without Lightning does so itself."""
        if step == 1:
            self._last = now(device)
        elif step == 0:
            if self._warm:
                self.blocks.append((now(device) - self._last) / self.block)
            self._warm = True
            self.wait()

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
) -> None:
    """Take steps as `align fit` has them, with an objective (λ = 1) or with λ = 0, and options."""
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
    Trainer(
        max_steps=clock.end + clock.parts,
        accelerator="gpu" if device == "cuda" else "cpu",
        precision=precision,
        gradient_clip_val=1.0,
        log_every_n_steps=25,
        callbacks=[clock],
        **STEPS_ALONE,
    ).fit(module, datamodule=data)


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


class Slices(torch.utils.data.Dataset):
    """Windows one by one, as slices of arrays in memory, as Diffusion Policy's data sets give them.

    Its images are floats; these are bytes, which is less to copy.
    """

    def __init__(self, scale: str):
        policy, size = make_policy(scale), SCALES[scale].size
        self.observed, self.seen, self.horizon = policy.n_obs_steps, policy.n_image_steps, policy.horizon
        self.image = torch.randint(0, 255, (2400, 3, size, size), dtype=torch.uint8).numpy()
        self.agent_pos, self.action = np.random.default_rng(0).normal(size=(2, 2400, 2)).astype(np.float32)

    def __len__(self) -> int:
        return len(self.action) - self.horizon

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        return {
            "image": self.image[index : index + self.seen],
            "agent_pos": self.agent_pos[index : index + self.observed],
            "action": self.action[index : index + self.horizon],
        }


def slices(scale: str) -> Iterator[dict[str, torch.Tensor]]:
    """Batches of `Slices` without end, which PyTorch's DataLoader puts together in this process."""
    loader = torch.utils.data.DataLoader(Slices(scale), BATCH, shuffle=True, drop_last=True)
    while True:
        yield from loader


def diffusion_policy_loop(
    scale: str, precision: str, device: str, clock: Clock, batches: Iterator[dict] | None = None
) -> None:
    """Take steps of the same networks in the loop of Diffusion Policy's notebook.

    Noising, averaging and the learning rate are of diffusers, as there; it does not clip gradients. Without
    batches it takes one over and over, which is on the device.
    """
    policy, draws = make_policy(scale).to(device), SCALES[scale].draws
    batches = itertools.repeat(make_batch(scale, device)) if batches is None else batches
    scheduler = DDPMScheduler(num_train_timesteps=100, beta_schedule="squaredcos_cap_v2")
    parameters = [p for p in policy.parameters() if p.requires_grad]
    ema = EMAModel(parameters, power=0.75)
    optimizer = torch.optim.AdamW(parameters, lr=1e-4, weight_decay=1e-6)
    rate = get_scheduler("cosine", optimizer, num_warmup_steps=500, num_training_steps=100_000)
    mixed = precision == "bf16-mixed"
    autocast = functools.partial(torch.autocast, device, torch.bfloat16) if mixed else nullcontext
    generator = torch.Generator().manual_seed(0)
    epsilon, losses = scale != "laptop", []

    def step() -> None:
        batch = {name: x.to(device, non_blocking=True) for name, x in next(batches).items()}
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

    for done in range(1, clock.end + 1):
        step()
        if done >= clock.skip:
            clock.tick((done - clock.skip) % (1 + clock.block), torch.device(device))
