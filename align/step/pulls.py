"""How strongly the terms of a loss pull on a layer, read as the gradient of the step comes by."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor


def watch_pulls(
    layer: Tensor,
    views: Mapping[str, Tensor],
    told: Callable[[dict[str, Tensor], Tensor], None],
    part: slice | None = None,
) -> None:
    """Measure ‖∂(a term)/∂z‖ and ‖∂(denoising)/∂z‖ at a layer z in the next backward pass.

    All are read in the same pass, so the scale of the loss in fp16 is the same in all.

    Args:
        layer: What denoising sees: z, or what z is a part of.
        views: By name of a term, the view of z through which alone it is taken.
        told: Called with the norm of each term by name, and that of denoising, which is all the rest;
            scalars in fp32.
        part: Which columns of `layer` are z, if not all.
    """
    pulls: dict[str, Tensor] = {}

    def tell(total: Tensor) -> None:
        total = total if part is None else total[:, part]
        denoising = (total.float() - sum(pulls.values())).norm()
        told({name: pull.norm() for name, pull in pulls.items()}, denoising)

    for name, view in views.items():
        view.register_hook(lambda pull, name=name: pulls.update({name: pull.float()}))
    if views:
        layer.register_hook(tell)


def global_norms(*norms: Tensor) -> Tensor:
    """Norms of gradients at a layer of the global batch, of which every process holds some rows.

    What a process has of a loss that is averaged over P processes is P times its share, as of a loss that all
    compute on the gathered batch.

    Args:
        *norms: Of this process, n scalars.

    Returns:
        (n,), the same in all processes.
    """
    squares, processes = torch.stack(norms).square(), 1
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.all_reduce(squares)
        processes = torch.distributed.get_world_size()
    return squares.sqrt() / processes
