"""The global batch under data-parallel training."""

import torch
from torch import Tensor
from torch.distributed.nn.functional import all_gather


def gather(x: Tensor) -> Tensor:
    """Concatenate `x` (n, ...) over all processes, with gradient; `x` itself in a single process.

    Every process must hold the same number of rows, which fixed quotas guarantee. The gradient of a loss
    that every process computes on the result, averaged over processes as DDP does, is that of a single
    process on the concatenated batch.
    """
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return x
    return torch.cat(all_gather(x.contiguous()))
