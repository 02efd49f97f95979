"""The quadratic forms of `two_sample` on a GPU, in PyTorch."""

from collections.abc import Callable
from types import ModuleType

import numpy as np
import torch
from torch import Tensor

from align.errors import InputError

ROWS = 512  # windows whose kernel with all others is held


def check_device(device: str) -> None:
    """Refuse a device that is not here, or does not compute in double precision.

    Raises:
        InputError: It is not, or does not.
    """
    try:
        torch.zeros(1, dtype=torch.float64, device=device).cpu()
    except (RuntimeError, AssertionError, TypeError, NotImplementedError):
        raise InputError(
            f"device={device!r}: expected cpu, or one that PyTorch has here and computes on in double "
            "precision, such as cuda"
        ) from None


@torch.no_grad()
def quadratic_forms_on(
    device: str,
    x: np.ndarray,
    episode: np.ndarray,
    kernel: Callable[[Tensor, ModuleType], Tensor],
    weights: np.ndarray,
    pairs: int,
    single: bool,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """As `two_sample.quadratic_forms`.

    Args:
        device: As PyTorch names it.
        x: (N, D) embeddings, one episode after the other.
        episode: (N,) places of their episodes, 0 to E - 1.
        kernel, weights, pairs: As there.
        single: Whether the kernel is computed in single precision; it is summed in double.
    """
    of = torch.from_numpy(x).to(device, torch.float32 if single else torch.float64)
    norms = of.square().sum(1)
    ends = torch.from_numpy(np.flatnonzero(np.diff(episode, append=episode[-1] + 1))).to(device)
    w = torch.from_numpy(weights).to(device, torch.float64)
    of_u, of_v = slice(len(w) - 2 * pairs, len(w) - pairs), slice(len(w) - pairs, None)
    forms, cross, sums = w.new_zeros(len(w)), w.new_zeros(pairs), w.new_zeros(w.shape[1])
    for begin, end in _whole_episodes(episode):
        block, first, after = slice(begin, end), episode[begin], episode[end - 1] + 1
        d2 = (norms[block, None] + norms - 2 * of[block] @ of.T).clamp_(min=0)
        k = _run_sums(kernel(d2, torch), ends)
        k = _run_sums(k.T, ends[first:after] - begin).T  # (episodes of the block, E)
        k.diagonal(int(first)).zero_()  # an episode with itself
        product, own = w @ k.T, slice(first, after)
        forms += (w[:, own] * product).sum(1)
        cross += (w[of_u, own] * product[of_v]).sum(1)
        sums[own] = k.sum(1)
    return forms.cpu().numpy(), cross.cpu().numpy(), sums.cpu().numpy()


def _whole_episodes(episode: np.ndarray) -> list[tuple[int, int]]:
    """Blocks of about `ROWS` windows that part no episode."""
    starts = np.flatnonzero(np.diff(episode, prepend=-1))
    bounds, last = [0], 0
    for start in starts:
        if start - last >= ROWS:
            bounds.append(last := int(start))
    return list(zip(bounds, [*bounds[1:], len(episode)], strict=True))


def _run_sums(values: Tensor, ends: Tensor) -> Tensor:
    """Sums (R, E), in double precision, of the columns of values (R, N) up to each end since the one before.

    As differences of running sums: on a GPU, to add by place would have no order.
    """
    if len(ends) == values.shape[1]:
        return values.double()
    total = values.double().cumsum(1)[:, ends]
    return torch.cat([total[:, :1], total.diff(dim=1)], 1)
