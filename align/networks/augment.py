"""Image preparation: to floating point, and the augmentations of training: crops and colours."""

import torch
from torch import Tensor

from align.errors import InputError


def to_float(images: Tensor) -> Tensor:
    """uint8 images in 0–255 → float32 in [-1, 1], any shape."""
    images = images.to(torch.float32, copy=True)  # a float image is the caller's own
    return images.div_(127.5).sub_(1)


def prepare(
    images: Tensor, crop: int | None, color_jitter: float, generator: torch.Generator | None, camera: str
) -> Tensor:
    """Images as an encoder sees them.

    Args:
        images: (N, C, H, W) uint8.
        crop: Side of what is cut out of them; `None` takes them whole.
        color_jitter: As of `jitter_colors`; 0 leaves colours as they are.
        generator: Draws crops and colours, in training; without it the central crop is taken, as it is.
        camera: Whose they are, for messages.

    Returns:
        (N, C, H, W) or (N, C, crop, crop), in [-1, 1].

    Raises:
        InputError: They are smaller than the crop, or have no colours to change.
    """
    if crop is not None and crop > min(images.shape[-2:]):
        raise InputError(f"crop={crop}: images are {tuple(images.shape[-2:])} pixels")
    if crop is not None:
        images = center_crop(images, crop) if generator is None else random_crop(images, crop, generator)
    images = to_float(images)
    if color_jitter == 0 or generator is None:
        return images
    if images.shape[1] != 3:
        raise InputError(f"color_jitter={color_jitter}: {camera} has {images.shape[1]} channels; expected 3")
    return jitter_colors(images, color_jitter, generator)


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
    windows = images.unfold(2, size, 1).unfold(3, size, 1)  # a view: (B, C, tops, lefts, size, size)
    return windows[torch.arange(batch, device=images.device), :, top, left]


def jitter_colors(images: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Brightness, contrast and saturation, each multiplied by a random factor of its own for every image.

    The operations are those of torchvision's `ColorJitter`, in the order of its arguments, for a batch at
    once and on its device.

    Args:
        images: (B, 3, H, W) in [-1, 1].
        strength: s in [0, 1]; the factors are uniform in [1 − s, 1 + s].
        generator: Draws the factors.

    Returns:
        (B, 3, H, W) in [-1, 1].
    """
    drawn = torch.rand(3, len(images), 1, 1, 1, generator=generator, device=generator.device)
    brightness, contrast, saturation = (1 + strength * (2 * drawn - 1)).to(images)
    images = ((images + 1) / 2 * brightness).clamp(0, 1)
    mean = _gray(images).mean((-3, -2, -1), keepdim=True)
    images = torch.lerp(mean, images, contrast).clamp(0, 1)
    images = torch.lerp(_gray(images), images, saturation).clamp(0, 1)
    return images * 2 - 1


def _gray(images: Tensor) -> Tensor:
    """Luma (B, 1, H, W) of RGB images, by ITU-R BT.601 as in torchvision."""
    red, green, blue = images.split(1, dim=-3)
    return 0.2989 * red + 0.587 * green + 0.114 * blue
