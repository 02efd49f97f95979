"""Two processes give every objective's value and gradients of one process on the concatenated batch."""

import sys
from pathlib import Path

import pytest
import torch
from torch import nn
from waiting import LONG

sys.path.append(str(Path(__file__).parents[1] / "alignment"))

from objectives import OBJECTIVES, make_objective

from align.alignment import GradientRatio, MomentMatching, Objective, Samples
from align.alignment.auxiliary import Auxiliary, Readout
from align.alignment.gather import gather, gather_domains
from align.batch_loss import told_samples
from align.errors import InputError
from align.experiments import warm
from align.step.finite import FiniteWatch
from align.step.pulls import global_norms, watch_pulls

DOMAINS = ([0, 0, 0, 0, 1, 1], [0, 1, 1, 1, 1, 1])  # of each process: the same number of rows, another mix


NAN, INF = float("nan"), float("inf")
LOSSES = (([1.0, 2.0], [3.0, 4.0]), ([1.0, 2.0], [3.0, NAN]), ([INF, 2.0], [3.0, NAN]))
"""Cases of the losses of each process at two steps."""
REFUSALS = ("", "loss is not finite at step 1: nan", "loss is not finite at step 0: inf")


def _refusal(losses: list[float]) -> str:
    """What a process says when all look at their losses."""
    watch = FiniteWatch("other", "loss")
    for step, loss in enumerate(losses):
        watch.see(step, torch.tensor(0.5), torch.tensor(loss))
    try:
        watch.check(agree=True)
    except InputError as error:
        return str(error).partition(";")[0]
    return ""


class _Model(nn.Module):
    """An encoder and an objective that meet as in `CotrainingModule`: gathered, then told apart."""

    def __init__(self, objective: Objective):
        super().__init__()
        torch.manual_seed(1)
        self.encoder, self.objective = nn.Linear(3, 5), objective

    def forward(self, x: torch.Tensor, action: torch.Tensor, domain: torch.Tensor) -> torch.Tensor:
        sim, real = gather_domains(Samples(self.encoder(x), action, action[:, :2]), domain)
        self.objective.update(sim.each(torch.Tensor.detach), real.each(torch.Tensor.detach))
        return self.objective(sim, real)


class _Told(_Model):
    """An encoder and what reads the privileged state of sim samples from it, as in `CotrainingModule`."""

    def __init__(self):
        super().__init__(Readout(Auxiliary("state", angles=(1,), width=3), 5, 4))

    def forward(self, x: torch.Tensor, action: torch.Tensor, domain: torch.Tensor) -> torch.Tensor:
        state = action.masked_fill(domain[:, None] == 1, torch.nan)  # nothing is known of real samples
        sim = told_samples(self.encoder(x), {"privileged": state, "domain": domain})
        return self.objective(sim.embedding, sim.privileged)


class _Weighed(_Model):
    """An alignment whose λ follows from gradients, beside a loss that is a mean over the batch."""

    def __init__(self):
        super().__init__(MomentMatching())
        self.weighting = GradientRatio(ratio=0.3, smallest=0.01)

    def forward(self, x: torch.Tensor, action: torch.Tensor, domain: torch.Tensor) -> torch.Tensor:
        layer, lambda_ = self.encoder(x), self.weighting.weight(0)
        aligned = layer.view_as(layer)
        watch_pulls(layer, {"alignment": aligned}, lambda pulls, rest: self._see(pulls, rest, lambda_))
        sim, real = gather_domains(Samples(aligned), domain)
        return (layer[:, :4] - action).square().mean() + lambda_ * self.objective(sim, real)

    def _see(self, pulls: dict, rest: torch.Tensor, lambda_: torch.Tensor) -> None:
        self.weighting.see_pulls(*global_norms(pulls["alignment"] / lambda_, rest))


def _made(name: str) -> _Model:
    if name == "weighting":
        return _Weighed()
    return _Told() if name == "auxiliary" else _Model(make_objective(name))


def _batch() -> tuple[torch.Tensor, ...]:
    g = torch.Generator().manual_seed(0)
    domain = torch.tensor([*DOMAINS[0], *DOMAINS[1]])
    x = torch.randn(12, 3, generator=g) + domain[:, None]
    return x, torch.randn(12, 4, generator=g), domain


def _result(model: nn.Module, value: torch.Tensor) -> dict[str, torch.Tensor]:
    gradients = {k: p.grad for k, p in model.named_parameters() if p.grad is not None}
    learned = {f"{k}=": p.detach() for k, p in model.objective.named_parameters()}
    if isinstance(model, _Weighed):
        value = value.detach() * 0  # of half a batch that of the mean differs
        learned |= {"seen": model.weighting.squares, "next λ": model.weighting.weight(1)}
    return {"value": value.detach(), **gradients, **learned}


def _worker(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=2
    )
    found = {}
    for name in (*OBJECTIVES, "auxiliary", "weighting"):
        torch.manual_seed(2)
        model = _made(name)
        parallel = nn.parallel.DistributedDataParallel(model)
        value = parallel(*(v[6 * rank : 6 * rank + 6] for v in _batch()))
        value.backward()
        found[name] = _result(model, value)
    found["refusals"] = [_refusal(losses[rank]) for losses in LOSSES]
    torch.save(found, Path(folder) / f"{rank}.pt")
    torch.distributed.destroy_process_group()


@pytest.fixture(scope="module")
def ranks(tmp_path_factory) -> list[dict]:
    folder = tmp_path_factory.mktemp("ranks")
    workers = [warm.start(_worker, rank, str(folder)) for rank in range(2)]
    for worker in workers:
        worker.join(LONG)
    assert [worker.exitcode for worker in workers] == [0, 0]
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(2)]


@pytest.mark.parametrize("name", [*OBJECTIVES, "auxiliary", "weighting"])
def test_two_processes_are_as_one(name, ranks):
    torch.manual_seed(2)
    model = _made(name)
    value = model(*_batch())
    value.backward()
    expected = _result(model, value)
    assert expected["encoder.weight"].abs().max() > 0 or "spectral" in name  # whose reversal starts at zero
    for found in ranks:
        assert found[name].keys() == expected.keys()
        for key, value in expected.items():
            assert torch.allclose(found[name][key], value, atol=2e-6), key


def test_processes_stop_together_whosever_loss_is_not_finite(ranks):
    """One that stopped alone would leave the others waiting for its gradients."""
    assert [found["refusals"] for found in ranks] == [list(REFUSALS)] * 2
    assert _refusal(LOSSES[1][0]) == "" and _refusal(LOSSES[1][1]) == REFUSALS[1]


def test_single_process_is_left_as_it_is():
    x = torch.ones(2, 3)
    assert gather(x) is x
