"""Validation: losses per domain and MMD² on held-out episodes, under the averaged weights."""

from collections.abc import Iterator, Sequence

import pytorch_lightning as pl
import torch
from torch import Tensor

from align.alignment.mmd import MMD
from align.batch_loss import denoising_losses
from align.domain import Domain
from align.seeding import torch_generator


class HeldOut(pl.LightningModule):
    """What `CotrainingModule` does between its steps, with what that holds."""

    def __init__(self):
        super().__init__()
        self._validation: list[tuple[Tensor, Tensor, Tensor]] = []

    def on_validation_start(self) -> None:
        """Validate no weights that were spoilt."""
        self.finite.check(agree=True)

    def validation_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        """Losses per domain and embeddings, on held-out episodes, under the averaged weights."""
        policy, generator = self.ema.model, torch_generator(self.seed, "validation", batch_idx)
        features = policy.encode(batch, batch["agent_pos"], domain=batch["domain"])
        loss, hidden = denoising_losses(policy, features, batch, generator)
        noise = torch.randn(batch["action"].shape, generator=generator).to(batch["action"])
        actions = policy.sample(features, batch["agent_pos"], noise, generator)
        error = (actions - batch["action"]).square().flatten(1).mean(1)
        for label, rows in self._held_out_rows(batch):
            if n := int(rows.sum()):
                for name, value in (("loss", loss), ("action_mse", error)):
                    self.log(f"val/{name}_{label}", value[rows].mean(), batch_size=n, on_epoch=True)
        self._validation.append((self._at_site(features, hidden), batch["domain"], loss))

    def validated(self, data) -> list[str]:
        """Names of the metrics that a validation logs.

        Args:
            data: The `CotrainingData`, read.
        """
        several = [data.stores[domain] for domain in Domain]
        labels = [domain.label for domain in Domain]
        labels += [
            f"{domain.label}.{store.name}"
            for domain, stores in zip(Domain, several, strict=True)
            if len(stores) > 1
            for store in stores
        ]
        return [*(f"val/{name}_{label}" for name in ("loss", "action_mse") for label in labels), "val/mmd2"]

    def _held_out_rows(self, batch: dict[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
        """The rows (B,) of each domain, and of each store where there are several of it, by its name."""
        data = getattr(self.trainer, "datamodule", None)  # batches may come without
        for domain in Domain:
            rows = batch["domain"] == domain
            yield domain.label, rows
            stores = () if data is None else data.stores[domain]
            for store in stores if len(stores) > 1 else ():
                episode = batch["episode"]
                inside = (episode >= store.episodes.start) & (episode < store.episodes.stop)
                yield f"{domain.label}.{store.name}", rows & inside

    def on_validation_epoch_end(self) -> None:
        """MMD² of the validation embeddings at the aligned site, all validation batches together."""
        embedding, domain, loss = (torch.cat(parts) for parts in zip(*self._validation, strict=True))
        self._validation.clear()
        if all((domain == d).sum() >= 2 for d in Domain):
            trainer = self.trainer
            if self.weighting.refers and trainer.state.fn == "fit" and not trainer.sanity_checking:
                self._see_held_out([loss[domain == d].mean() for d in Domain])
            distance = MMD(bandwidth="median").to(embedding)(
                embedding[domain == Domain.SIM], embedding[domain == Domain.REAL]
            )
            self.log("val/mmd2", distance)

    def _see_held_out(self, losses: Sequence[Tensor]) -> None:
        """Show the weighting the held-out loss, weighed as in training; the same to every process."""
        sim, real = losses
        alpha = self.trainer.datamodule.real_alpha
        loss = alpha * real + (1 - alpha) * sim
        if self.trainer.world_size > 1:
            loss = self.trainer.strategy.reduce(loss, reduce_op="mean")
        self.weighting.see_held_out(self.global_step, loss)

    test_step, on_test_epoch_end = validation_step, on_validation_epoch_end
