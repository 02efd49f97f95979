"""Two processes give the MMD and the gradients of one process on the concatenated batch."""

import tempfile
from pathlib import Path

import torch
import torch.multiprocessing as mp
from torch import nn

from align.alignment.gather import gather
from align.alignment.mmd import MMD


def _embeddings() -> tuple[torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(0)
    return torch.randn(8, 5, generator=g), torch.randn(6, 5, generator=g) + 0.5


def _model() -> nn.Module:
    torch.manual_seed(1)
    return nn.Linear(5, 3)


def _worker(rank: int, folder: str) -> None:
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=2
    )
    model = nn.parallel.DistributedDataParallel(_model())
    sim, real = (x[rank::2] for x in _embeddings())
    z = model(torch.cat([sim, real]))
    value = MMD()(gather(z[: len(sim)]), gather(z[len(sim) :]))
    value.backward()
    torch.save((value.detach(), model.module.weight.grad), Path(folder) / f"{rank}.pt")
    torch.distributed.destroy_process_group()


def test_gradient_of_two_processes_is_that_of_one():
    model = _model()
    sim, real = _embeddings()
    expected = MMD()(model(sim), model(real))
    expected.backward()
    with tempfile.TemporaryDirectory() as folder:
        mp.spawn(_worker, (folder,), nprocs=2)
        for rank in range(2):
            value, gradient = torch.load(Path(folder) / f"{rank}.pt", weights_only=True)
            assert torch.allclose(value, expected.detach(), atol=1e-6)
            assert torch.allclose(gradient, model.weight.grad, atol=1e-6)


def test_single_process_is_left_as_it_is():
    x = torch.ones(2, 3)
    assert gather(x) is x
