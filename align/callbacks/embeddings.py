"""Embeddings of held-out observations, for probes and two-sample tests after training."""

from pathlib import Path

import cv2
import numpy as np
import pytorch_lightning as pl
import torch

from align.errors import InputError
from align.files import atomic_path


class Embeddings(pl.Callback):
    """At the end of training, writes `embeddings.npz`: every site, on held-out episodes of both domains.

    Args:
        per_domain: Number of windows of each domain, spread evenly over its held-out episodes.
        thumbnail: Side in pixels of the small image kept beside each embedding, where there are images.
    """

    def __init__(self, per_domain: int = 1000, thumbnail: int = 32):
        if per_domain < 1 or thumbnail < 1:
            raise InputError(f"per_domain={per_domain}, thumbnail={thumbnail}: expected 1 or more of each")
        self.per_domain, self.thumbnail = per_domain, thumbnail

    def on_fit_end(self, trainer: pl.Trainer, module) -> None:
        if trainer.is_global_zero:
            module.to(trainer.strategy.root_device)  # Lightning has moved it to the CPU
            path = Path(trainer.default_root_dir) / "embeddings.npz"
            with atomic_path(path) as target:
                np.savez_compressed(target, **self._collect(trainer, module))

    def _collect(self, trainer: pl.Trainer, module) -> dict[str, np.ndarray]:
        rows = []
        for index, batch in enumerate(trainer.datamodule.held_out_batches(self.per_domain)):
            on_device = {key: value.to(module.device) for key, value in batch.items()}
            row = {site: z.float().cpu() for site, z in module.embed(on_device, index).items()}
            row |= {key: batch[key] for key in ("domain", "episode", "step")}
            if "image" in batch:
                row["thumbnail"] = self._shrink(batch["image"][:, -1])
            rows.append(row)
        return {key: torch.cat([row[key] for row in rows]).numpy() for key in rows[0]}

    def _shrink(self, images: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) uint8 → (B, thumbnail, thumbnail, C) uint8."""
        size = (self.thumbnail, self.thumbnail)
        frames = images.permute(0, 2, 3, 1).cpu().numpy()
        return torch.from_numpy(np.stack([cv2.resize(f, size, interpolation=cv2.INTER_AREA) for f in frames]))
