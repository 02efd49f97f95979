"""Image encoders: a small convolutional one for CPUs and a ResNet-18 as in Diffusion Policy.

A user's own encoder is any `nn.Module` that does as `Encoder` says.
"""

from contextlib import nullcontext

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from align.errors import SIZE, check_numbers
from align.networks.base import Encoder


class SpatialSoftmax(nn.Module):
    """The expected image position of each channel's activation (Levine et al. 2016, arXiv 1504.00702).

    Args:
        channels: Channels of the incoming feature map.
        keypoints: How many positions to extract, through a 1 × 1 convolution.
        sharpness: Scale of the logits. Near 1 the attention is at first uniform, so that positions carry
            little gradient and training is slow.
    """

    def __init__(self, channels: int, keypoints: int = 32, sharpness: float = 10.0):
        super().__init__()
        check_numbers(SIZE, whole=True, channels=channels, keypoints=keypoints)
        check_numbers("(0, 1e6]", sharpness=sharpness)
        self.channels, self.keypoints, self.sharpness = channels, keypoints, sharpness
        self.project = nn.Conv2d(channels, keypoints, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) → (B, 2 · keypoints): x then y of each keypoint, in [-1, 1]; in full precision."""
        device, (height, width) = x.device.type, x.shape[-2:]
        xs = torch.linspace(-1, 1, width, device=x.device).repeat(height)
        ys = torch.linspace(-1, 1, height, device=x.device).repeat_interleave(width)
        cells = x.permute(0, 2, 3, 1).flatten(1, 2).float()  # (B, H · W, C), as they lie with channels last
        weight, bias = self.project.weight.flatten(1), self.project.bias
        half = torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device)
        with torch.autocast(device, enabled=False) if half else nullcontext():  # bf16 is too coarse
            attention = F.linear(cells, self.sharpness * weight, self.sharpness * bias).softmax(1)
            return (torch.stack([xs, ys]) @ attention).flatten(1)


def _group_norm(channels: int) -> nn.GroupNorm:
    """GroupNorm in groups of 16 channels (or one group), which does not mix samples as BatchNorm does."""
    return nn.GroupNorm(max(1, channels // 16), channels)


def _block(width: int) -> list[nn.Module]:
    return [nn.Conv2d(width, width, 3, padding=1), _group_norm(width), nn.ReLU()]


class ConvEncoder(Encoder):
    """A few convolutions and a spatial softmax, small enough to train on one CPU core.

    Args:
        features: Size of the output.
        width: Channels.
        blocks: Number of 3 × 3 convolutions at a quarter of the input's resolution.
        in_channels: Channels of the images.
    """

    def __init__(self, features: int = 64, width: int = 32, blocks: int = 2, in_channels: int = 3):
        super().__init__()
        check_numbers(SIZE, whole=True, features=features, width=width, in_channels=in_channels)
        check_numbers("[0, 1000]", whole=True, blocks=blocks)
        self.features, self.width, self.blocks, self.in_channels = features, width, blocks, in_channels
        self.backbone = nn.Sequential(
            nn.Conv2d(in_channels, width, 4, stride=4),
            _group_norm(width),
            *[layer for _ in range(blocks) for layer in _block(width)],
        )
        self.pool = SpatialSoftmax(width, keypoints=width)
        self.head = nn.Linear(2 * width, features)

    def forward(self, images: Tensor) -> Tensor:
        """(B, C, H, W) in [-1, 1] → (B, features)."""
        images = images.contiguous(memory_format=torch.channels_last)
        return self.head(self.pool(self.backbone(images)))


class ResNetEncoder(Encoder):
    """ResNet-18 with GroupNorm and spatial softmax, as in Diffusion Policy (arXiv 2303.04137, §4).

    Args:
        features: Size of the output.
        keypoints: Channels of the spatial softmax.
    """

    def __init__(self, features: int = 64, keypoints: int = 32):
        from torchvision.models import resnet18  # late, as it is seldom needed and takes a while

        super().__init__()
        check_numbers(SIZE, whole=True, features=features, keypoints=keypoints)
        self.features, self.keypoints = features, keypoints
        resnet = resnet18(weights=None, norm_layer=_group_norm)
        self.backbone = nn.Sequential(*list(resnet.children())[:-2])  # drop average pool and classifier
        self.pool = SpatialSoftmax(512, keypoints)
        self.head = nn.Linear(2 * keypoints, features)

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) in [-1, 1] → (B, features)."""
        return self.head(self.pool(self.backbone(images)))
