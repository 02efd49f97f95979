"""Images at the size of training, resized as align resizes them: by area averaging."""

import torch
from torch import Tensor


def fit_image(image: Tensor, size: tuple[int, int], fit: str) -> Tensor:
    """An image (C, H, W) at a size (height, width), of the same scale.

    Args:
        image: Float, of any range.
        size: Neither side larger than the image's, as it is seen: nothing is made up.
        fit: "stretch", whatever that does to its proportions; "pad", between black bars; "crop", its centre.
    """
    height, width = image.shape[-2:]
    if fit == "stretch":
        return _area(image, size)
    scale = {"pad": min, "crop": max}[fit]
    ratio = scale(size[0] / height, size[1] / width)
    if fit == "crop":
        part = [min(side, round(to / ratio)) for side, to in ((height, size[0]), (width, size[1]))]
        top, left = (height - part[0]) // 2, (width - part[1]) // 2
        return _area(image[:, top : top + part[0], left : left + part[1]], size)
    inner = [min(to, max(1, round(side * ratio))) for side, to in ((height, size[0]), (width, size[1]))]
    out = image.new_zeros((image.shape[0], *size))
    top, left = (size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2
    out[:, top : top + inner[0], left : left + inner[1]] = _area(image, tuple(inner))
    return out


def _area(image: Tensor, size: tuple[int, int]) -> Tensor:
    down, across = (_shares(n, m, image) for n, m in zip(image.shape[-2:], size, strict=True))
    return down @ image @ across.T


def _shares(n: int, m: int, like: Tensor) -> Tensor:
    """(m, n) shares of n pixels in each of m <= n equal parts of a side."""
    if m > n:
        raise ValueError(f"image: a side of {n} pixels; expected at least {m}, as in training")
    edges = torch.arange(n + 1, dtype=torch.float64)
    at = torch.arange(m + 1, dtype=torch.float64) * n / m
    overlap = torch.minimum(edges[1:], at[1:, None]) - torch.maximum(edges[:-1], at[:-1, None])
    return (overlap.clamp(min=0) * m / n).to(like)
