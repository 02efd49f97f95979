"""How images lie in memory while a policy trains on a GPU: channels last, as its convolutions compute.

PyTorch's group norm gives channels first on a GPU, so that pictures are turned before each convolution.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn


def channels_last(module: nn.Module) -> Callable[[], None]:
    """Have convolutions of pictures take them with channels last.

    Their weights stay as they lie, in memory and in checkpoints: each convolution turns its own round, which
    are small. Where cuDNN is given channels first it may turn the pictures round instead, forth and back.

    Args:
        module: An encoder.

    Returns:
        What makes the module as it was.
    """
    handles = [m.register_forward_pre_hook(_turn) for m in module.modules() if isinstance(m, nn.Conv2d)]

    def release() -> None:
        for handle in handles:
            handle.remove()

    return release


def _turn(module: nn.Module, inputs: tuple) -> tuple:
    return tuple(
        x.contiguous(memory_format=torch.channels_last) if isinstance(x, Tensor) and x.dim() == 4 else x
        for x in inputs
    )
