"""Which windows train the denoiser at which noise levels, and the batches of it."""

from align.data.gating.levels import Gating

__all__ = ["Gating"]
