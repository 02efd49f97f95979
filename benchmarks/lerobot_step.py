"""Training steps of LeRobot's Diffusion Policy by its own `update_policy`: `python lerobot_step.py SPEC`.

Runs in an environment of its own, so it imports nothing of align. SPEC is a JSON object: see `main`. Prints a
JSON line when the first steps are done; then, for each line that it reads, seconds a step of a block.
"""

import json
import sys
import time
from importlib.metadata import version
from types import SimpleNamespace

import torch
from accelerate import Accelerator
from lerobot.configs.types import FeatureType, PolicyFeature
from lerobot.policies.diffusion.configuration_diffusion import DiffusionConfig
from lerobot.policies.diffusion.modeling_diffusion import DiffusionPolicy
from lerobot.scripts.lerobot_train import update_policy


def main(
    device: str,
    precision: str,
    batch: int,
    size: int,
    crop: int,
    channels: list[int],
    horizon: int,
    observed: int,
    executed: int,
    skip: int,
    block: int,
) -> None:
    """Take steps on one batch, over and over, with LeRobot's networks, optimiser, schedule and clipping.

    Args:
        device: "cuda" or "cpu".
        precision: "32-true" or "bf16-mixed".
        batch: Windows of it.
        size, crop: Of the images, in pixels.
        channels: Of the U-Net.
        horizon, observed, executed: Steps of actions, of observations, and of actions carried out.
        skip, block: Steps before the first block, and of each.
    """
    config = DiffusionConfig(
        n_obs_steps=observed,
        horizon=horizon,
        n_action_steps=executed,
        input_features={
            "observation.image": PolicyFeature(FeatureType.VISUAL, (3, size, size)),
            "observation.state": PolicyFeature(FeatureType.STATE, (2,)),
        },
        output_features={"action": PolicyFeature(FeatureType.ACTION, (2,))},
        crop_shape=(crop, crop),
        down_dims=tuple(channels),
        pretrained_backbone_weights=None,
        device=device,
    )
    policy = DiffusionPolicy(config)
    optimizer = config.get_optimizer_preset().build(policy.get_optim_params())
    scheduler = config.get_scheduler_preset().build(optimizer, 100_000)
    mixed = "bf16" if precision == "bf16-mixed" else "no"
    accelerator = Accelerator(step_scheduler_with_optimizer=False, cpu=device == "cpu", mixed_precision=mixed)
    policy, optimizer, scheduler = accelerator.prepare(policy, optimizer, scheduler)
    torch.backends.cudnn.benchmark = True  # as its training has it
    torch.backends.cudnn.allow_tf32 = False  # as align's 32-true, and all that stands beside it
    torch.manual_seed(0)
    data = {
        "observation.image": torch.rand(batch, observed, 3, size, size),
        "observation.state": torch.rand(batch, observed, 2) * 2 - 1,
        "action": torch.rand(batch, horizon, 2) * 2 - 1,
        "action_is_pad": torch.zeros(batch, horizon, dtype=torch.bool),
    }
    data = {key: x.to(accelerator.device) for key, x in data.items()}
    metrics, clip = SimpleNamespace(), config.get_optimizer_preset().grad_clip_norm

    def take(steps: int) -> None:
        for _ in range(steps):
            update_policy(metrics, policy, data, optimizer, clip, accelerator, lr_scheduler=scheduler)
        if device == "cuda":
            torch.cuda.synchronize()

    take(skip)
    told = {
        "version": f"{version('lerobot')}, PyTorch {torch.__version__}",
        "parameters": sum(p.numel() for p in policy.parameters()),
    }
    print(json.dumps(told), flush=True)
    for _ in sys.stdin:
        take(1)
        start = time.perf_counter()
        take(block)
        print(json.dumps((time.perf_counter() - start) / block), flush=True)


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
