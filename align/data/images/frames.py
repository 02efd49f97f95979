"""Images as batches are gathered from them, of one store or of several."""

import bisect
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from align.data.images.segments import Segments
from align.run.opencv import cv2

_SCALED = (torch.arange(256) / 255).numpy()[None]
"""Of each byte, its value from 0 to 1."""


class Frames:
    """Images as batches are gathered from them, channels first; of one store or of several.

    Args:
        segments: (Tk, C, H, W) uint8 of each store.
    """

    def __init__(self, segments: Sequence[Tensor]):
        self.segments = list(segments)
        self._ends = torch.tensor([len(s) for s in self.segments]).cumsum(0)

    @classmethod
    def of(cls, images: np.ndarray | Segments) -> "Frames":
        """Of images (T, H, W, C)."""
        arrays = images.arrays if isinstance(images, Segments) else [images]
        return cls([torch.from_numpy(array).permute(0, 3, 1, 2) for array in arrays])

    @property
    def nbytes(self) -> int:
        """Their size."""
        return sum(segment.nbytes for segment in self.segments)

    def to(self, device: torch.device) -> "Frames":
        """On a device, as one tensor: there, frames of several stores are taken without asking which."""
        if len(self.segments) == 1:
            return Frames([self.segments[0].to(device)])
        first = self.segments[0]
        whole = torch.empty((int(self._ends[-1]), *first.shape[1:]), dtype=first.dtype, device=device)
        begin = 0
        for segment in self.segments:
            whole[begin : (begin := begin + len(segment))].copy_(segment)
        return Frames([whole])

    def put(self, rows: Tensor, out: Tensor) -> None:
        """Write the frames of `rows` (n,) int64, scaled to 0 to 1, into `out` (n, C, H, W) float32.

        One at a time, straight from where it lies, by a table of the 256 values: memory is gone over once.
        """
        ends = self._ends.tolist()
        for row, into in zip(rows.tolist(), out.unbind(), strict=True):
            k = bisect.bisect_right(ends, row)
            frame = self.segments[k][row - ends[k]]  # from the end of its store
            alike = frame.shape == into.shape and into.dtype == torch.float32  # or cv2 would write elsewhere
            if alike and frame.is_cpu and frame.is_contiguous() and into.is_contiguous():
                cv2.LUT(frame.flatten(0, 1).numpy(), _SCALED, dst=into.flatten(0, 1).numpy())
            else:
                into.copy_(frame).div_(255)

    def take(self, rows: Tensor) -> Tensor:
        """The frames of `rows` (n,) int64, (n, C, H, W)."""
        if len(self.segments) == 1:
            return self.segments[0].index_select(0, rows)
        which = torch.searchsorted(self._ends, rows.contiguous(), right=True)
        out = torch.empty((len(rows), *self.segments[0].shape[1:]), dtype=self.segments[0].dtype)
        store, counts = torch.unique_consecutive(which, return_counts=True)
        begin = 0
        for k, n in zip(store.tolist(), counts.tolist(), strict=True):
            here = rows[begin : begin + n] - (int(self._ends[k]) - len(self.segments[k]))
            torch.index_select(self.segments[k], 0, here, out=out[begin : (begin := begin + n)])
        return out
