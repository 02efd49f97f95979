"""Steps taken whole end with the weights of steps as they ever are, recorded or not.

On a CPU a tape plays the graph: it keeps the operations of one call and repeats them on the same tensors, so
that whatever else a step might read of Python stays as it was when it was recorded.
"""

from functools import partial
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from align.alignment import (
    ADDA,
    CORAL,
    DANN,
    MMD,
    GradientRatio,
    JointMMD,
    MomentMatching,
    SinkhornDivergence,
)
from align.alignment.objective import Samples
from align.alignment.weighting import Fixed
from align.cli import main
from align.module import CotrainingModule
from align.step.whole import OBJECTIVES, WholeStep, not_whole

WAITS = ("_local_scalar_dense", "nonzero", "masked_select", "is_nonzero", "_to_cpu")


class _Tape(TorchDispatchMode):
    """Keeps calls with their tensors, and what lay before in those that it did not make."""

    def __init__(self):
        super().__init__()
        self.calls: list[tuple] = []
        self.before: dict[int, tuple | None] = {}

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if function.overloadpacket._qualified_op_name.removeprefix("aten::").startswith(WAITS):
            raise RuntimeError(f"{function} while it records")
        for storage in _storages((args, kwargs)):
            self.before.setdefault(storage.data_ptr(), (storage, storage.clone()))
        outputs = function(*args, **(kwargs or {}))
        for storage in _storages(outputs):
            self.before.setdefault(storage.data_ptr(), None)
        self.calls.append((function, args, kwargs or {}, outputs))
        return outputs


def _storages(values) -> list:
    return [x.untyped_storage() for x in tree_leaves(values) if isinstance(x, torch.Tensor)]


def tape(function, generator):
    """As `align.step.graph.record`: what the recording wrote is taken back."""
    with _Tape() as recorded:
        outputs = function()
    for storage, content in filter(None, recorded.before.values()):
        storage.copy_(content)

    @torch.no_grad()
    @torch.autocast("cpu", enabled=False)  # what it does was recorded
    def replay():
        tape.replayed += 1
        for called, args, kwargs, before in recorded.calls:
            now = called(*args, **kwargs)
            for old, new in zip(tree_leaves(before), tree_leaves(now), strict=True):
                if isinstance(old, torch.Tensor) and old.data_ptr() != new.data_ptr():
                    old.detach().copy_(new.detach())
        return outputs

    return replay


tape.replayed = 0
FREE = "pool.project.bias"
"""What no loss depends on: its gradient is round-off, of which AdamW makes steps."""
OPTIONS = {
    "model.policy.crop": 12,
    "model.policy.color_jitter": 0.2,
    "model.policy.domain_conditioning": True,
    "model.label_dropout": 0.2,
    "model.noise_draws": 2,
    "model.learning_rate": 1e-3,
    "model.lr_warmup": 4,
    "model.encoder_learning_rate": 3e-4,
    "model.alignment_warmup": 5,
    "model.alignment_weight": 0.3,
    "trainer.precision": "bf16-mixed",
    "trainer.gradient_clip_val": 0.05,
    "trainer.log_every_n_steps": 5,
    "trainer.max_steps": 13,
    "trainer.val_check_interval": 8,
    "embeddings": {"per_domain": 8, "paired": 0},
}


@pytest.fixture
def trained(write_config, tmp_path, monkeypatch):
    """Trains, with steps taken whole and recorded by `record` if there is one; returns the last checkpoint.

    With `killed_at` it is killed before that step, and goes on.
    """

    def train(name: str, record=None, killed_at: int | None = None, **changes) -> dict:
        config = write_config(name, run=str(tmp_path / name), **{**OPTIONS, **changes})
        is_logged = CotrainingModule._is_logged

        def killed(self):
            if self.global_step == killed_at:
                raise RuntimeError("killed")
            return is_logged(self)

        with monkeypatch.context() as patch:
            if record is not None:
                patch.setattr("align.module.prepared", lambda module: WholeStep(module, record).release)
            if killed_at is not None:
                with patch.context() as once, pytest.raises(RuntimeError, match="killed"):
                    once.setattr(CotrainingModule, "_is_logged", killed)
                    main(["fit", "--config", config])
            assert main(["fit", "--config", config]) == 0
        return torch.load(tmp_path / name / "checkpoints/last.ckpt", weights_only=True)

    return train


def assert_same(ours: dict, theirs: dict) -> None:
    """Whether weights, averages, optimiser and schedule are equal to the bit."""
    for part in ("state_dict", "optimizer_states", "lr_schedulers", "global_step"):
        pairs = list(zip(tree_leaves(ours[part]), tree_leaves(theirs[part]), strict=True))
        assert all(type(a) is type(b) for a, b in pairs)
        assert all(torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b for a, b in pairs), part


def stale(function, generator):
    """As `tape`, of a graph that does not see its inputs change."""
    tape(function, generator)
    outputs = torch.tensor(0.1), torch.tensor(0.1)
    return lambda: outputs


def frozen(function, generator):
    """As `tape`, of a graph that moves no weight."""
    replay, weights = tape(function, generator), list(function.__self__._module.policy.parameters())

    @torch.no_grad()
    def without_moves():
        before = [x.clone() for x in weights]
        outputs = replay()
        torch._foreach_copy_(weights, before)
        return outputs

    return without_moves


def test_recorded_steps_end_with_the_same_bits_and_wrong_recordings_are_found(trained, capsys):
    """Clipped, with rates, λ and the averaging's decay that differ from step to step, some of them logged."""
    plain = trained("plain")
    tape.replayed = 0
    assert_same(trained("taped", tape, killed_at=8), plain)
    assert tape.replayed == 3, "5 to 7: those before are warm or logged, and those after"
    assert "recorded the step as one CUDA graph" in capsys.readouterr().out
    told = "the step is no CUDA graph, its kernels are launched one by one (a replay found other numbers)"
    for wrong in (stale, frozen):
        assert_same(trained(wrong.__name__, wrong), plain)
        assert capsys.readouterr().out.count(told) == 1, wrong


def walked(objective, steps: int, record=None) -> list[torch.Tensor]:
    """Embeddings, and what an objective learns, after so many steps down its distance."""
    torch.manual_seed(0)
    objective.build(6)
    objective.trusts = True
    sim, real = (torch.randn(8, 6) + i for i in range(2))
    moved = [torch.randn(8, 6, requires_grad=True), *(p for p in objective.parameters() if p.requires_grad)]
    action = torch.randn(8, 4)

    def step():
        for parameter in moved:
            parameter.grad = None
        objective.update(Samples(moved[0].detach() + sim, action), Samples(real, action))
        distance = objective(Samples(moved[0] + sim, action), Samples(real, action))
        distance.backward()
        with torch.no_grad():
            torch._foreach_sub_(moved, [p.grad for p in moved])
        return (distance.detach(),)

    taken = step
    for i in range(steps):
        sim.copy_(torch.randn(8, 6, generator=torch.Generator().manual_seed(i)))
        if record is not None and i == 2:
            taken = record(step, None)
        taken()
    return [*(p.detach().clone() for p in moved), *(b.clone() for b in objective.buffers())]


CAPTURED = {
    "MMD": partial(MMD),
    "MMD, ema": partial(MMD, bandwidth="ema"),
    "MMD, linear": partial(MMD, kernel="laplacian", estimator="linear"),
    "energy": partial(MMD, kernel="energy", bandwidth=1.0),
    "joint MMD": partial(JointMMD),
    "CORAL": partial(CORAL, scaled=True),
    "moments": partial(MomentMatching, scaled=True),
    "DANN": partial(DANN, ramp=5),
}


@pytest.mark.parametrize("name", CAPTURED)
def test_what_is_recorded_computes_with_tensors_alone(name):
    make = CAPTURED[name]
    for ours, theirs in zip(walked(make(), 7, tape), walked(make(), 7), strict=True):
        assert torch.equal(ours, theirs)
    assert {type(m()) for m in CAPTURED.values()} == set(OBJECTIVES)


def test_the_tape_finds_what_does_not():
    """So a memory of past batches is left to steps as ever, and so is what asks for numbers."""
    memory = partial(MMD, memory=1)
    assert not torch.equal(walked(memory(), 7, tape)[0], walked(memory(), 7)[0])
    with pytest.raises(RuntimeError, match="while it records"):
        walked(SinkhornDivergence(), 7, tape)


class _Mine(nn.Linear):
    pass


class _MyMMD(MMD):
    pass


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, None),
        ({"alignment": MMD(memory=1)}, "memory"),
        ({"alignment": ADDA()}, "ADDA"),
        ({"alignment": _MyMMD()}, "_MyMMD"),
        ({"alignment": DANN(spectral_norm=True)}, "spectral"),
        ({"weighting": GradientRatio()}, "GradientRatio"),
        ({"policy": nn.Sequential(nn.Linear(2, 2), _Mine(2, 2))}, "_Mine"),
        ({"world_size": 2}, "several devices"),
        ({"precision": "16-mixed"}, "16-mixed"),
        ({"accumulate_grad_batches": 2}, "accumulate"),
    ],
    ids=lambda value: value if isinstance(value, str) else ",".join(value or {}),
)
def test_what_may_do_more_than_compute_is_left_to_steps_as_ever(change, reason):
    trainer = {"world_size": 1, "precision": "bf16-mixed", "accumulate_grad_batches": 1}
    trainer = SimpleNamespace(**{name: change.get(name, value) for name, value in trainer.items()})
    module = {"alignment": MMD(), "weighting": Fixed(1.0), "policy": nn.Linear(2, 2)}
    module = SimpleNamespace(trainer=trainer, **{name: change.get(name, x) for name, x in module.items()})
    found = not_whole(module)
    assert found is None if reason is None else reason in found


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_a_graph_of_the_whole_step_ends_with_the_weights_of_its_kernels(trained, precision, capsys):
    """To what the order of additions and rates in float32 make of them."""
    gpu = {"trainer.accelerator": "gpu", "trainer.devices": 1, "trainer.precision": precision}
    plain = trained("plain", **gpu, **{"model.cuda_graphs": False})
    capsys.readouterr()
    graph = trained("graph", **gpu, **{"model.whole_step": True})
    assert "recorded the step as one CUDA graph" in capsys.readouterr().out
    loose = 1e-4 if precision == "32-true" else 1e-2
    for name, value in plain["state_dict"].items():
        if torch.is_tensor(value) and not name.endswith(FREE):
            told = lambda text, name=name: f"{name}: {text}"  # noqa: E731
            torch.testing.assert_close(graph["state_dict"][name], value, atol=loose, rtol=loose, msg=told)
