"""The global batch under data-parallel training."""

import torch
from torch import Tensor
from torch.distributed.nn.functional import all_gather

from align.alignment.objective import Samples
from align.domain import Domain


def gather(x: Tensor) -> Tensor:
    """Concatenate `x` (n, ...) over all processes, with gradient; `x` itself in a single process.

    Every process must hold the same number of rows, which fixed quotas guarantee. The gradient of a loss
    that every process computes on the result, averaged over processes as DDP does, is that of a single
    process on the concatenated batch.
    """
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return x
    return torch.cat(all_gather(x.contiguous()))


def gather_domains(samples: Samples, domain: Tensor, n_sim: int | None = None) -> tuple[Samples, Samples]:
    """Sim and real samples of the global batch: gathered with their labels, then told apart.

    Args:
        samples: Of this process, n of both domains, as many as in any other.
        domain: (n,) of `Domain`.
        n_sim: How many of them are of sim, in every process, if these come first: then the parts are slices,
            where to look for them would wait for the device.
    """
    everything = samples.each(gather)
    if n_sim is not None:
        by_process = everything.each(lambda x: x.unflatten(0, (-1, len(domain))))
        sim = by_process.each(lambda x: x[:, :n_sim].flatten(0, 1))
        return sim, by_process.each(lambda x: x[:, n_sim:].flatten(0, 1))
    domain = gather(domain)
    sim, real = (everything.each(lambda x, d=d: x[domain == d]) for d in Domain)
    return sim, real
