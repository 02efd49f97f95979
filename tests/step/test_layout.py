"""Channels last change where numbers lie, and not what they are."""

import copy

import pytest
import torch

from align.networks import ConvEncoder, ResNetEncoder
from align.step.layout import channels_last


@pytest.mark.parametrize(
    "make", [lambda: ConvEncoder(8, 16, 1), lambda: ResNetEncoder(16)], ids=["conv", "resnet"]
)
def test_an_encoder_computes_the_same_with_channels_last(make):
    torch.manual_seed(0)
    encoder = make()
    other, x = copy.deepcopy(encoder), torch.rand(2, 3, 32, 32)
    release, seen = channels_last(other), []
    for convolution in (m for m in other.modules() if isinstance(m, torch.nn.Conv2d)):
        convolution.register_forward_hook(
            lambda m, i, o: seen.append(o.is_contiguous(memory_format=torch.channels_last))
        )
    found, expected = other(x), encoder(x)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)
    assert seen and all(seen)
    for output in (found, expected):
        output.square().sum().backward()
    for ours, theirs in zip(other.parameters(), encoder.parameters(), strict=True):
        layouts = [ours.stride(), theirs.stride(), ours.grad.stride(), theirs.grad.stride()]
        for size, strides in zip(ours.shape, zip(*layouts, strict=True), strict=True):
            assert size == 1 or len(set(strides)) == 1  # of one place any stride is as good
        scale = float(theirs.grad.abs().max())
        torch.testing.assert_close(ours.grad, theirs.grad, atol=1e-4 * scale + 1e-6, rtol=1e-3)
    release()
    assert torch.equal(other(x).detach(), expected.detach())
    assert not any(m._forward_pre_hooks for m in other.modules())
