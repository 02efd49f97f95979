"""Recorded steps, with what records them played by a double that overwrites its outputs as a graph does."""

import pytest
import torch
from torch import nn

from align.cli import main
from align.step import captured, graph
from align.step.captured import Captured, capture


class _Overwritten(torch.autograd.Function):
    @staticmethod
    def forward(ctx, value, static):
        static.copy_(value)
        return static.detach()

    @staticmethod
    def backward(ctx, gradient):
        return gradient, None


@pytest.fixture
def recorded(monkeypatch):
    """Number of replays by kind of module."""
    counts: dict[str, int] = {}

    def record(module, samples):
        assert not any(s.data_ptr() == 0 for s in samples)
        name, static = type(module.owner).__name__, []
        counts[name] = 0

        def replay(*inputs):
            counts[name] += 1
            outputs = module(*inputs)
            parts = (outputs,) if torch.is_tensor(outputs) else outputs
            if not static:
                static.extend(torch.empty_like(p) for p in parts)
            parts = tuple(_Overwritten.apply(p, s) for p, s in zip(parts, static, strict=True))
            return parts[0] if torch.is_tensor(outputs) else parts

        return replay

    monkeypatch.setattr(graph, "record_module", record)
    monkeypatch.setattr(captured, "on_gpu", lambda inputs: True)
    return counts


def test_a_run_that_replays_ends_with_the_weights_of_one_that_does_not(
    recorded, write_config, tmp_path, monkeypatch
):
    """Its outputs are overwritten at the next step: a memory of past batches must not see that."""
    from align.module import CotrainingModule

    alignment = {"class_path": "align.alignment.MMD", "init_args": {"memory": 2}}
    states = {}
    for name in ("plain", "replayed"):
        with monkeypatch.context() as patch:
            if name == "replayed":
                start = lambda self: setattr(self, "_release", capture(self.policy))  # noqa: E731
                patch.setattr(CotrainingModule, "on_train_start", start)
            options = {
                "run": str(tmp_path / name),
                "model.alignment": alignment,
                "model.alignment_weight": 1.0,
            }
            assert main(["fit", "--config", write_config(name, **options)]) == 0
        path = tmp_path / name / "checkpoints/last.ckpt"
        states[name] = torch.load(path, weights_only=True)["state_dict"]
    assert recorded == {"ConvEncoder": 6, "ConditionalMLP": 6}
    assert states["plain"].keys() == states["replayed"].keys()
    for key, value in states["plain"].items():
        assert not torch.is_tensor(value) or torch.equal(value, states["replayed"][key]), key


def test_only_calls_like_the_recorded_one_are_replayed(recorded):
    layer = nn.Linear(3, 2)
    function, x = Captured(layer, layer.forward, "layer"), torch.randn(4, 3)
    with torch.no_grad():
        function(x)
    assert recorded == {}
    for call in (x, x, x[:2], x.double().float().requires_grad_()):
        assert torch.equal(function(call), layer(call))
    assert recorded == {"Linear": 2}
    layer.eval()
    function(x)
    assert recorded == {"Linear": 2}


def test_what_cannot_be_recorded_runs_as_ever_and_says_so_once(monkeypatch, capsys):
    def refuse(*_, **__):
        raise RuntimeError("operation not permitted\nwhen stream is capturing")

    monkeypatch.setattr(graph, "record_module", refuse)
    monkeypatch.setattr(captured, "on_gpu", lambda inputs: True)
    layer, x = nn.Linear(3, 2), torch.randn(4, 3)
    function = Captured(layer, layer.forward, "encoder")
    assert torch.equal(function(x), layer(x)) and torch.equal(function(x), layer(x))
    said = capsys.readouterr().out
    assert said == (
        "encoder: no CUDA graph, its kernels are launched one by one "
        "(operation not permitted when stream is capturing)\n"
    )


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_gradients_of_a_graph_are_those_of_the_kernels(capsys):
    torch.manual_seed(0)
    layer = nn.Sequential(nn.Linear(8, 16), nn.SiLU(), nn.Linear(16, 4)).cuda()
    function = Captured(layer, layer.forward, "layer")
    for _ in range(4):
        x = torch.randn(5, 8, device="cuda")
        function(x).square().sum().backward()
        found = [p.grad.clone() for p in layer.parameters()]
        layer.zero_grad()
        layer(x).square().sum().backward()
        for ours, parameter in zip(found, layer.parameters(), strict=True):
            torch.testing.assert_close(ours, parameter.grad)
        layer.zero_grad()
    assert capsys.readouterr().out == "", "nothing was recorded"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_recording_that_fails_leaves_no_trace(capsys):
    """The next module is recorded, drawn from as ever, and memory is given back."""
    layer, x = nn.Linear(8, 4).cuda(), torch.randn(5, 8, device="cuda")
    stream = torch.cuda.current_stream()
    waits = Captured(layer, lambda x: layer(x) * float(x.sum()), "waiting")
    assert torch.equal(waits(x), layer(x) * float(x.sum()))
    assert "waiting: no CUDA graph" in capsys.readouterr().out
    assert torch.cuda.current_stream() == stream
    torch.cuda.empty_cache()
    torch.randn(3, device="cuda")
    function = Captured(layer, layer.forward, "layer")
    torch.testing.assert_close(function(x), layer(x))
    torch.testing.assert_close(function(x), layer(x))
    assert capsys.readouterr().out == ""


def test_inputs_that_are_no_tensors_run_as_ever():
    """As of an encoder of several cameras, which takes a mapping."""
    assert not captured.on_gpu(({"top": torch.zeros(1)},))
