"""Network building blocks: image encoders, denoisers, weight averaging. No data, no Lightning."""

from align.networks.base import Denoiser, Encoder
from align.networks.cameras import CameraEncoders
from align.networks.ema import ExponentialMovingAverage
from align.networks.encoder import ConvEncoder, ResNetEncoder, SpatialSoftmax
from align.networks.mlp import ConditionalMLP
from align.networks.unet import ConditionalUnet1D

__all__ = [
    "CameraEncoders",
    "ConditionalMLP",
    "ConditionalUnet1D",
    "ConvEncoder",
    "Denoiser",
    "Encoder",
    "ExponentialMovingAverage",
    "ResNetEncoder",
    "SpatialSoftmax",
]
