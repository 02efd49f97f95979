"""Embeddings of held-out observations at the end of training."""

from collections.abc import Sequence
from pathlib import Path

import pytorch_lightning as pl

from align.callbacks.termination import is_trained
from align.embeddings import write_embeddings
from align.errors import COUNT, InputError, check_numbers
from align.run.ticking import telling


class Embeddings(pl.Callback):
    """At the end of training, writes `embeddings.npz` and, for pushing worlds, `paired.npz`.

    Both are of the averaged policy and of held-out episodes; `align.embeddings` says what they hold.

    Args:
        per_domain: Number of windows of each domain, spread evenly over its held-out episodes.
        thumbnail: Side in pixels of the small image kept beside each embedding, where there are images; at
            most 128, and no larger than they are.
        sites: Where embeddings are read: "image", "observation", "denoiser", or the path of a module of the
            policy, as "encoder.backbone.0"; "denoiser@50" and "denoiser.layers.1@50" read at diffusion step
            50 instead of `model.probe_step`. `None` is the first three, without "image" where there are none.
        paired: Number of states that are rendered and embedded in both worlds; 0 leaves them out.
    """

    def __init__(
        self,
        per_domain: int = 1000,
        thumbnail: int = 32,
        sites: Sequence[str] | None = None,
        paired: int = 300,
    ):
        check_numbers(COUNT, whole=True, per_domain=per_domain)
        check_numbers("[1, 128]", whole=True, thumbnail=thumbnail)
        check_numbers("[0, 1e9]", whole=True, paired=paired)
        if sites is not None and not sites:
            raise InputError("sites: none; expected one or more, as image")
        self.per_domain, self.thumbnail, self.paired = per_domain, thumbnail, paired
        self.sites = None if sites is None else tuple(dict.fromkeys(sites))

    def on_fit_end(self, trainer: pl.Trainer, module) -> None:
        if trainer.is_global_zero and is_trained(trainer):
            with telling("embedding held-out observations"):
                write_embeddings(
                    Path(trainer.default_root_dir),
                    module.ema.model.to(trainer.strategy.root_device),  # Lightning has moved it to the CPU
                    trainer.datamodule,
                    self.sites,
                    self.per_domain,
                    self.paired,
                    self.thumbnail,
                    module.probe_step,
                    module.seed,
                )
