"""Where the weights of a training come from, and what a checkpoint keeps beside them."""

from collections.abc import Mapping
from typing import Any

import pytorch_lightning as pl

from align.checkpoints.initial import start_from
from align.checkpoints.reading import check_finite
from align.errors import InputError, one_line
from align.run.reference import held_out_losses
from align.step.finite import check_weights

REFERENCE = "reference_losses"
"""What a checkpoint calls the held-out losses that the weighting refers to: a run that goes on has those that
it began with, whatever has become of the run that they are of."""


class Weights(pl.LightningModule):
    """What `CotrainingModule` does before its first step and with checkpoints, with what that holds."""

    def __init__(self):
        super().__init__()
        self._reference: dict[int, float] = {}

    def on_fit_start(self) -> None:
        """Start from the initial policy, or with the normaliser fitted on the training episodes."""
        if self.weighting.refers and not self._reference:
            alpha = self.trainer.datamodule.real_alpha
            self._refer(held_out_losses(self.weighting.reference, alpha))
        if self.trainer.ckpt_path is not None:
            return
        data = self.trainer.datamodule
        if self.initial is not None:
            start_from(self.initial, self.policy, self.ema.model)
        for policy in (self.policy, self.ema.model):
            if self.initial is not None:
                policy.normalizer.widen(data.normalizer)
            else:
                policy.normalizer.load_state_dict(data.normalizer.state_dict())
            policy.expect_images(data.image_shapes)
            policy.expect_forms(data.forms)

    def _refer(self, losses: Mapping[int, float]) -> None:
        self._reference = {int(step): float(loss) for step, loss in losses.items()}
        self.weighting.refer(self._reference)

    def load_state_dict(self, state_dict: Mapping[str, Any], *arguments, **options) -> Any:
        """As PyTorch does it.

        Raises:
            InputError: They are not the weights of this policy, or not finite.
        """
        path = self._trainer.ckpt_path if self._trainer is not None else None
        try:
            loaded = super().load_state_dict(state_dict, *arguments, **options)
        except (AttributeError, RuntimeError, TypeError) as error:
            raise InputError(
                f"checkpoint={path!r}: does not fit the policy: {one_line(error)[:300]}"
            ) from None
        check_finite(self, path)
        return loaded

    def on_save_checkpoint(self, checkpoint: dict) -> None:
        """Keep what rebuilds the policy beside its weights; see `DiffusionPolicy.from_checkpoint`.

        Raises:
            InputError: The losses so far were not all finite: such weights replace no checkpoint.
        """
        self.finite.check()
        check_weights(self.global_step, self.policy, self.ema.model)  # finite losses may have other gradients
        checkpoint["policy"] = self.policy.description()
        if self._reference:
            checkpoint[REFERENCE] = self._reference

    def on_load_checkpoint(self, checkpoint: dict) -> None:
        """Take the losses that the weighting refers to, which checkpoints of earlier versions do not have."""
        if self.weighting.refers and REFERENCE in checkpoint:
            self._refer(checkpoint[REFERENCE])
