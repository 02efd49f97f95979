"""What training steps with: AdamW, and a learning rate that warms up and then falls to 0."""

import math
from collections.abc import Iterable

import torch
from torch import nn


def adamw(
    policy: nn.Module,
    opponents: Iterable[nn.Parameter],
    learning_rate: float,
    weight_decay: float,
    fused: bool = True,
) -> torch.optim.AdamW:
    """AdamW over a policy and what it plays against.

    Args:
        policy: Its vectors and scalars (biases, scales) are not decayed.
        opponents: Parameters of the alignment that training updates together with the policy; may be none.
        learning_rate: Its peak.
        weight_decay: Of all that is decayed.
        fused: One kernel for all parameters.
    """
    decay_free = [p for p in policy.parameters() if p.dim() < 2]
    decayed = [p for p in policy.parameters() if p.dim() >= 2]
    groups = [
        {"params": decayed, "weight_decay": weight_decay},
        {"params": decay_free, "weight_decay": 0.0},
    ]
    opponents = list(opponents)
    if opponents:  # a game does not settle with a classifier of much momentum
        groups.append({"params": opponents, "weight_decay": weight_decay, "betas": (0.5, 0.999)})
    return torch.optim.AdamW(groups, lr=learning_rate, betas=(0.95, 0.999), fused=fused)


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
