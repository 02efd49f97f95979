"""What training steps with: AdamW, and a learning rate that warms up and then falls to 0."""

import math
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import torch
from torch import nn


def adamw(
    policy: nn.Module,
    opponents: Iterable[nn.Parameter],
    learning_rate: float,
    weight_decay: float,
    fused: bool = True,
    readout: Iterable[nn.Parameter] = (),
    encoder_learning_rate: float | None = None,
) -> torch.optim.AdamW:
    """AdamW over a policy and what it plays against.

    Args:
        policy: Its vectors and scalars (biases, scales) are not decayed.
        opponents: Parameters of the alignment that training updates together with the policy; may be none.
        learning_rate: Its peak.
        weight_decay: Of all that is decayed.
        fused: One kernel for all parameters.
        readout: Parameters of what reads for an auxiliary loss; may be none.
        encoder_learning_rate: Peak of the policy's encoder; `None` has the same for all of it.
    """
    encoder = getattr(policy, "encoder", None) if encoder_learning_rate is not None else None
    apart = [] if encoder is None else list(encoder.parameters())
    groups = _by_decay([p for p in policy.parameters() if p not in set(apart)], weight_decay)
    if apart:
        groups += [group | {"lr": encoder_learning_rate} for group in _by_decay(apart, weight_decay)]
    opponents = list(opponents)
    if opponents:  # a game does not settle with a classifier of much momentum
        groups.append({"params": opponents, "weight_decay": weight_decay, "betas": (0.5, 0.999)})
    readout = list(readout)
    if readout:
        groups.append({"params": readout, "weight_decay": weight_decay})
    return torch.optim.AdamW(groups, lr=learning_rate, betas=(0.95, 0.999), fused=fused)


def _by_decay(parameters: Iterable[nn.Parameter], weight_decay: float) -> list[dict[str, Any]]:
    """Groups of what is decayed, and of vectors and scalars, which are not."""
    parameters = list(parameters)
    return [
        {"params": [p for p in parameters if p.dim() >= 2], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.dim() < 2], "weight_decay": 0.0},
    ]


def parts_of(
    optimizer: torch.optim.Optimizer, parts: Iterable[Iterable[nn.Parameter]]
) -> list[list[nn.Parameter]]:
    """What an optimiser trains, part by part, for `clip_apart`.

    Args:
        optimizer: Whose parameters.
        parts: Parameters of each part, apart from each other; what is in none is one more.
    """
    number = {parameter: i for i, part in enumerate(parts) for parameter in part}
    groups: dict[int, list[nn.Parameter]] = defaultdict(list)
    for parameter in (p for group in optimizer.param_groups for p in group["params"]):
        groups[number.get(parameter, -1)].append(parameter)  # in this order: on it depend a norm's last bits
    return list(groups.values())


def clip_apart(parts: Iterable[list[nn.Parameter]], max_norm: float) -> None:
    """Clip the gradients of several parts of what is optimised, each by its own norm.

    Under one norm the gradient of an alignment, at the start ten times that of denoising, would also scale
    down the steps of the weights that it does not reach, the denoiser's. Where it does reach, both terms are
    scaled alike: how they are weighed is for λ to say.

    Args:
        parts: Parameters of each part, as `parts_of` has them.
        max_norm: The largest norm of each part's gradient.
    """
    for part in parts:
        nn.utils.clip_grad_norm_(part, max_norm)


def warmup_cosine(step: int, warmup: int, total: int) -> float:
    """Share of the peak learning rate at a step: up linearly over `warmup` steps, then down a cosine.

    Args:
        step: Optimiser steps taken so far.
        warmup: Steps until the peak.
        total: Steps until it is 0.
    """
    if step < warmup:
        return (step + 1) / warmup
    progress = (step - warmup) / max(1, total - warmup)
    return 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
