"""Image preparation: to floating point, and the crop augmentation of Diffusion Policy."""

import torch
from torch import Tensor


def to_float(images: Tensor) -> Tensor:
    """uint8 images in 0–255 → float32 in [-1, 1], any shape."""
    return images.float().div(127.5).sub_(1)  # `float` of a float image is the caller's own


def center_crop(images: Tensor, size: int) -> Tensor:
    """The central `size` × `size` pixels of images (..., H, W)."""
    height, width = images.shape[-2:]
    top, left = (height - size) // 2, (width - size) // 2
    return images[..., top : top + size, left : left + size]


def random_crop(images: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """A `size` × `size` crop at an independent random place of every image.

    Args:
        images: (B, C, H, W).
        size: Side of the crop in pixels, at most H and W.
        generator: Draws the places.

    Returns:
        (B, C, size, size), the same dtype.
    """
    batch, _, height, width = images.shape
    where = {"generator": generator, "device": generator.device}
    top = torch.randint(height - size + 1, (batch,), **where).to(images.device)
    left = torch.randint(width - size + 1, (batch,), **where).to(images.device)
    offsets = torch.arange(size, device=images.device)
    rows = (top[:, None] + offsets)[:, None, :, None]  # (B, 1, size, 1)
    columns = (left[:, None] + offsets)[:, None, None, :]  # (B, 1, 1, size)
    samples = torch.arange(batch, device=images.device)[:, None, None, None]
    channels = torch.arange(images.shape[1], device=images.device)[None, :, None, None]
    return images[samples, channels, rows, columns]
