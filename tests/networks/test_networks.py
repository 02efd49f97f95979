"""Encoders, denoisers and averaging: shapes, conditioning, invariances."""

import copy

import pytest
import torch
from torch import nn

from align.errors import InputError
from align.networks import (
    ConditionalMLP,
    ConditionalUnet1D,
    ConvEncoder,
    ExponentialMovingAverage,
    ResNetEncoder,
    SpatialSoftmax,
)
from align.networks.augment import center_crop, jitter_colors, random_crop, to_float


@pytest.mark.parametrize(
    ("encoder", "size"), [(ConvEncoder(features=20), 64), (ResNetEncoder(features=20), 84)]
)
def test_encoder_maps_images_to_features_sample_by_sample(encoder, size):
    images = torch.rand(3, 3, size, size, generator=torch.Generator().manual_seed(0)) * 2 - 1
    features = encoder(images)
    assert features.shape == (3, encoder.features)
    assert torch.allclose(encoder(images[1:2]), features[1:2], atol=1e-5)  # no mixing over the batch
    assert not any(isinstance(m, nn.BatchNorm2d) for m in encoder.modules())


def test_keypoints_are_in_full_precision_under_autocast():
    pool, x = SpatialSoftmax(8), torch.randn(4, 8, 16, 16).bfloat16()  # as convolutions leave it there
    with torch.autocast("cpu", torch.bfloat16):
        found = pool(x)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, pool(x.float()))


def test_spatial_softmax_finds_a_peak():
    pool = SpatialSoftmax(1, keypoints=1)
    nn.init.constant_(pool.project.weight, 1.0)
    x = torch.full((1, 1, 5, 9), -50.0)
    x[0, 0, 1, 6] = 50.0
    assert pool(x).tolist() == [[pytest.approx(0.5), pytest.approx(-0.5)]]  # column 6 of 0–8, row 1 of 0–4


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_spatial_softmax_is_the_mean_position_under_the_softmax_of_its_logits(memory_format):
    pool = SpatialSoftmax(3, keypoints=4, sharpness=2.0)
    x = torch.randn(2, 3, 4, 6, generator=torch.Generator().manual_seed(0))
    found = pool(x.contiguous(memory_format=memory_format)).detach()
    for sample, keypoints in zip(x, found, strict=True):
        for k in range(4):
            logit = 2.0 * ((pool.project.weight[k] * sample).sum(0) + pool.project.bias[k])
            share = (logit - logit.max()).exp()
            share = (share / share.sum()).detach().tolist()
            places = [(2 * c / 5 - 1, 2 * r / 3 - 1, share[r][c]) for r in range(4) for c in range(6)]
            assert keypoints[k].item() == pytest.approx(sum(x * p for x, _, p in places), abs=1e-6)
            assert keypoints[4 + k].item() == pytest.approx(sum(y * p for _, y, p in places), abs=1e-6)


DENOISERS = [
    ConditionalUnet1D(3, 5, channels=(8, 16), groups=4, step_features=16),
    ConditionalUnet1D(3, 5, channels=(8, 16, 24), kernel=3, groups=4, step_features=16),
    ConditionalMLP(3, 5, horizon=8, width=32),
]


@pytest.mark.parametrize("denoiser", DENOISERS)
def test_denoiser_uses_all_its_inputs(denoiser):
    g = torch.Generator().manual_seed(0)
    x, condition = torch.randn(4, 8, 3, generator=g), torch.randn(4, 5, generator=g)
    steps = torch.tensor([0, 10, 50, 99])
    out, hidden = denoiser.features(x, steps, condition)
    assert out.shape == x.shape and hidden.shape[0] == 4 and hidden.dim() == 2
    assert torch.equal(denoiser(x, steps, condition), out)
    for changed in ((x + 1, steps, condition), (x, steps + 1, condition), (x, steps, condition + 1)):
        assert (denoiser(*changed) - out).abs().flatten(1).amax(1).min() > 1e-6


def test_unet_refuses_a_horizon_it_cannot_halve():
    with pytest.raises(InputError, match="horizon=10"):
        DENOISERS[1](torch.zeros(1, 10, 3), torch.zeros(1), torch.zeros(1, 5))


def test_paper_unet_has_the_published_size():
    """Diffusion Policy's U-Net for Push-T images has about 65 million parameters at [256, 512, 1024]."""
    unet = ConditionalUnet1D(2, 132, channels=(256, 512, 1024))
    assert 60e6 < sum(p.numel() for p in unet.parameters()) < 72e6


def test_color_jitter_is_torchvisions_with_factors_of_each_image_own():
    from torchvision.transforms import functional as F

    images = torch.rand(5, 3, 6, 7, generator=torch.Generator().manual_seed(1)) * 2 - 1
    jittered = jitter_colors(images, 0.4, torch.Generator().manual_seed(0))
    factors = 1 + 0.4 * (2 * torch.rand(3, 5, generator=torch.Generator().manual_seed(0)) - 1)
    assert len(set(factors.flatten().tolist())) == 15
    for image, found, (brightness, contrast, saturation) in zip(images, jittered, factors.T, strict=True):
        expected = F.adjust_brightness((image + 1) / 2, float(brightness))
        expected = F.adjust_saturation(F.adjust_contrast(expected, float(contrast)), float(saturation))
        torch.testing.assert_close(found, expected * 2 - 1, atol=1e-5, rtol=0)
    torch.testing.assert_close(jitter_colors(images, 0.0, torch.Generator()), images)


def test_random_crop_takes_a_window_of_each_image():
    images = torch.arange(6 * 7).view(1, 1, 6, 7).repeat(50, 1, 1, 1)
    crops = random_crop(images, 4, torch.Generator().manual_seed(0))
    corners = crops[:, 0, 0, 0]
    assert len(corners.unique()) > 5
    expected = corners[:, None, None] + torch.arange(4)[:, None] * 7 + torch.arange(4)
    assert torch.equal(crops[:, 0], expected)
    assert center_crop(images, 4)[0, 0, 0, 0] == 1 * 7 + 1


def test_to_float_covers_minus_one_to_one():
    assert to_float(torch.tensor([0, 255], dtype=torch.uint8)).tolist() == [-1.0, 1.0]


def test_moving_average_finds_what_moving_a_model_made_anew():
    """Its weights are looked for once; a model's buffers are other tensors on another device."""
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2, momentum=1.0))
    ema = ExponentialMovingAverage(model, max_decay=0.0)
    for step in range(3):
        for part in (model, ema.model):
            part[1].running_mean = torch.full((2,), -1.0)
        if step == 1:
            model[0].weight = nn.Parameter(torch.full((2, 2), 5.0))
        if step == 2:
            ema.model[0].weight = nn.Parameter(torch.zeros(2, 2), requires_grad=False)
        model(torch.randn(4, 2) + step)
        ema.update(model, step)
        for name, x in model.state_dict().items():
            assert torch.equal(ema.model.state_dict()[name], x), (step, name)
    other = copy.deepcopy(model).requires_grad_(False)
    other[0].weight.add_(1.0)
    ema.update(other, 3)
    assert torch.equal(ema.model[0].weight, other[0].weight), "another model than before"
    other[1].weight = nn.Parameter(torch.full((2,), 7.0), requires_grad=False)
    ema.forget()
    ema.update(other, 4)
    assert torch.equal(ema.model[1].weight, other[1].weight), "one that is not the first, as training begins"
    assert copy.deepcopy(ema)._known is None, "a copy does not hold the model that it followed"


def test_moving_average_follows_its_definition():
    model = nn.Linear(2, 2)
    ema = ExponentialMovingAverage(model, power=0.75, max_decay=0.9)
    expected = copy.deepcopy(model.weight.data)
    for step in range(60):
        nn.init.constant_(model.weight, float(step))
        ema.update(model, step)
        decay = min(0.9, 1 - (1 + step) ** -0.75)
        expected = decay * expected + (1 - decay) * model.weight.data
    assert torch.allclose(ema.model.weight, expected, rtol=1e-5)
    assert ema.decay(59) == 0.9 and ema.decay(0) == 0.0
    assert not any(p.requires_grad for p in ema.model.parameters())
