"""Training: denoising loss + λ · alignment + μ · auxiliary loss, as a LightningModule."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor, nn

from align.alignment.auxiliary import Auxiliary, Readout, fitted_readout
from align.alignment.mmd import MMD
from align.alignment.objective import Objective
from align.alignment.weighting import Weighting
from align.batch_loss import aligned_samples, denoising_losses, told_samples
from align.checks import as_weighting, check_training
from align.diffusion.ambient import Ambient
from align.domain import Domain
from align.errors import SEED, SIZE, check_numbers
from align.networks.ema import ExponentialMovingAverage
from align.optimizer import adamw, clip_apart, parts_of, warmup_cosine
from align.policy import DiffusionPolicy, Features
from align.seeding import torch_generator
from align.sites import embed
from align.step.finite import FiniteWatch
from align.step.held_out import HeldOut
from align.step.pulls import global_norms, watch_pulls
from align.step.terms import Terms
from align.step.weights import Weights
from align.step.whole import prepared


class CotrainingModule(HeldOut, Weights):
    """Co-trains a diffusion policy on sim and real demonstrations.

    The loss of a batch is `α · L_real + (1 − α) · L_sim + λ · distance(z_sim, z_real) + μ · error(z_sim)`:
    the denoising losses are weighted by the batch (see `align.data.mixture`), the distance is between the
    embeddings at the named site, the error is that of reading from them what the simulator knows.

    Args:
        policy: The policy to train.
        alignment: Distance between sim and real embeddings, of `align.alignment` or yours; it is measured and
            logged even where λ = 0.
        alignment_weight: λ ≥ 0; not together with `weighting`.
        alignment_warmup: Steps over which λ rises linearly; it is 0 at the first.
        weighting: What sets λ step by step, of `align.alignment` or yours; `None` takes `alignment_weight`.
        site: What is aligned: "image" (image features), "image.NAME" (those of one of several cameras),
            "observation" (the whole conditioning vector) or "denoiser" (its last hidden layer). From "image"
            proprioception stays out, since its gap is not an artefact. A policy without images has no
            "image", and nothing to train at "observation".
        learning_rate: Peak learning rate of AdamW.
        encoder_learning_rate: That of the encoder, e.g. a lower one where `initial` has a pretrained encoder;
            `None` has the same for all.
        weight_decay: Weight decay of AdamW.
        lr_warmup: Steps of linear warm-up, followed by a cosine to 0 at the last step.
        noise_draws: Noise draws per encoded observation; more of them use one encoding better.
        ema_power: Exponent of the averaging's warm-up.
        ema_max_decay: Largest decay of the averaging.
        probe_step: Diffusion step at which the denoiser's hidden layer is read for analysis.
        label_dropout: Share of training samples from which a policy with domain conditioning has its domain
            withheld, as classifier-free guidance needs.
        initial: Run directory or checkpoint whose policy training starts from (fine-tuning), normaliser
            included; `None` starts afresh.
        seed: Seed of the noise and crops of training.
        ambient: How it learns from samples trusted only above a noise level, which needs `data.gating`;
            `None` has the ordinary denoising loss, at the admitted levels where there is gating.
        auxiliary: What a simulator knows and the embeddings of sim samples are to hold, e.g. {targets:
            "state[2:5]", angles: [2]}; `None` has no such loss.
        cuda_graphs: Record the encoder's and the denoiser's kernels once and replay them, on a single GPU.
        whole_step: Record all of a step's instead, losses, clipping, optimiser and averaging included, where
            they can be; a step that is logged is taken as ever. Not yet tried on a GPU.
        channels_last: Have the encoder's pictures lie in memory with channels last, on a GPU; weights lie as
            ever. Not yet tried there.
    """

    def __init__(
        self,
        policy: DiffusionPolicy,
        alignment: Objective | None = None,
        alignment_weight: float = 0.0,
        alignment_warmup: int = 0,
        weighting: Weighting | None = None,
        site: str = "image",
        learning_rate: float = 1e-4,
        encoder_learning_rate: float | None = None,
        weight_decay: float = 1e-6,
        lr_warmup: int = 500,
        noise_draws: int = 1,
        ema_power: float = 0.75,
        ema_max_decay: float = 0.9999,
        probe_step: int = 10,
        label_dropout: float = 0.0,
        initial: str | None = None,
        seed: int = 0,
        ambient: Ambient | None = None,
        auxiliary: Auxiliary | None = None,
        cuda_graphs: bool = True,
        whole_step: bool = False,
        channels_last: bool = False,
    ):
        super().__init__()
        alignment = MMD() if alignment is None else alignment
        check_numbers("[0, 1e6]", alignment_weight=alignment_weight)
        check_numbers("[0, 1e9]", whole=True, alignment_warmup=alignment_warmup, lr_warmup=lr_warmup)
        check_numbers("(0, 10]", learning_rate=learning_rate, encoder_learning_rate=encoder_learning_rate)
        check_numbers("[0, 10]", weight_decay=weight_decay)
        check_numbers(SIZE, whole=True, noise_draws=noise_draws)
        check_numbers("(0, 10]", ema_power=ema_power)
        check_numbers("[0, 1]", ema_max_decay=ema_max_decay)
        check_numbers("[0, 1)", label_dropout=label_dropout)
        check_numbers(SEED, whole=True, seed=seed)
        self.weighting = as_weighting(weighting, alignment_weight)
        rest = (probe_step, label_dropout, auxiliary, encoder_learning_rate)
        check_training(policy, alignment, self.weighting, site, *rest)
        self.label_dropout, self.initial = label_dropout, initial
        self.cuda_graphs, self.whole_step, self.channels_last = cuda_graphs, whole_step, channels_last
        self.policy, self.ambient, self.auxiliary = policy, ambient, auxiliary
        self.readout: Readout | None = None
        self.alignment = alignment
        self.ema = ExponentialMovingAverage(policy, ema_power, ema_max_decay)
        self.alignment_warmup, self.site = alignment_warmup, site
        self.alignment.build(policy.site_sizes()[site])
        self.learning_rate, self.weight_decay, self.lr_warmup = learning_rate, weight_decay, lr_warmup
        self.encoder_learning_rate = encoder_learning_rate
        self.noise_draws, self.probe_step, self.seed = noise_draws, probe_step, seed
        self.alignment.trusts = True
        self.finite = FiniteWatch("denoising loss", "loss")
        self._release = lambda: None
        self._pulls: tuple[Tensor, Tensor] | None = None
        self._clipped: tuple[tuple[int, int], list[list[nn.Parameter]]] | None = None

    def setup(self, stage: str) -> None:
        """Make what reads the privileged state, before weights are loaded and optimised."""
        self.make_readout(self.trainer.datamodule)

    def make_readout(self, data) -> None:
        """Make what reads the privileged state of some data's sim windows, if it is asked for and not there.

        Args:
            data: The `CotrainingData`, read.

        Raises:
            InputError: The options do not fit the data.
        """
        if self.auxiliary is None or self.readout is not None:
            return
        dim, told = self.policy.site_sizes()[self.site], data.train[Domain.SIM].privileged()
        self.readout = fitted_readout(self.auxiliary, dim, told, self.seed)

    def on_train_start(self) -> None:
        """Have the kernels of a step recorded, where they can be."""
        self._clipped = None  # of the optimiser of this training
        self.ema.forget()
        self._release = prepared(self)

    def on_train_end(self) -> None:
        self._release()

    def alignment_lambda(self) -> float | Tensor:
        """λ at the current step."""
        return self.lambda_at(self.global_step)

    def lambda_at(self, step: int) -> float | Tensor:
        """λ of a step, warm-up included, as the weighting has it now.

        Args:
            step: Optimiser steps taken before it.
        """
        value = self.weighting.weight(step)
        return value if self.alignment_warmup == 0 else value * min(1.0, step / self.alignment_warmup)

    def is_aligning(self) -> bool:
        """Whether λ is above 0 at the current step, which may be known on the device alone."""
        return self.weighting.aligns and (self.alignment_warmup == 0 or self.global_step > 0)

    def auxiliary_mu(self) -> float:
        """μ at the current step."""
        return 0.0 if self.readout is None else self.auxiliary.weight_at(self.global_step)

    def is_reading(self) -> bool:
        """Whether μ is above 0 at the current step."""
        return self.readout is not None and self.auxiliary.weight_at(self.global_step) > 0

    def step_generator(self, device: torch.device | str | None = None) -> torch.Generator:
        """What the current step draws from."""
        device = self.device if device is None else device
        return torch_generator(self.seed, "training", self.global_step, self.global_rank, device=device)

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        """The loss of a batch: denoising loss + λ · alignment + μ · auxiliary loss."""
        step, generator = self.global_step, self.step_generator()
        features = self._encode(batch, generator)
        loss, hidden = self._denoise(features, batch, generator)
        denoise = (loss * batch["weight"]).mean()
        layer, lambda_, aligns = self._at_site(features, hidden), self.alignment_lambda(), self.is_aligning()
        aligned = layer.view_as(layer)  # what comes back to it is the alignment's gradient alone
        distance = self._distance(aligned, batch, aligns) if aligns or self._is_logged() else None
        total = denoise + lambda_ * distance if aligns else denoise
        told, mu, reads = layer.view_as(layer), self.auxiliary_mu(), self.is_reading()  # as above
        error = self.readout(*self._told(told, batch)) if reads else None
        total = total + mu * error if reads else total
        for parameter in (*self._opponents(), *self._readers()):  # DDP awaits the gradient of each, even of 0
            total = total + 0.0 * parameter.sum()
        self.finite.see(step, denoise, total)
        if self._is_logged():  # the only steps that wait for the device
            self.finite.check(agree=True)
            self._log_terms(Terms(denoise, distance, lambda_, error, mu if self.readout else None), batch)
        if self._is_logged() or self.weighting.measures:
            views = {"grad_ratio": aligned} if aligns and self.alignment.measured else {}
            views |= {"auxiliary_grad_ratio": told} if reads else {}
            camera = self.policy.image_sites.get(self.site)  # a part of what denoising sees, not on its way
            see = partial(self._see_pulls, lambda_, self._is_logged())
            watch_pulls(layer if camera is None else features.image, views, see, camera)
        return total

    def _encode(self, batch: dict[str, Tensor], generator: torch.Generator) -> Features:
        """Features of a training batch, cropped at random, the domain withheld from some."""
        features = self.policy.encode(batch, batch["agent_pos"], generator, batch["domain"])
        if self.label_dropout > 0:
            drawn = torch.rand(len(features.label), 1, generator=generator, device=generator.device)
            features = replace(
                features, label=features.label * (drawn >= self.label_dropout).to(features.label)
            )
        return features

    def _denoise(
        self, features: Features, batch: dict[str, Tensor], generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Denoising losses (B,) of a training batch, and the denoiser's last hidden layer."""
        return denoising_losses(self.policy, features, batch, generator, self.noise_draws, self.ambient)

    def _distance(self, layer: Tensor, batch: dict[str, Tensor], aligns: bool) -> Tensor:
        """Distance of sim from real at the aligned layer, 0 where a domain has too few samples for one.

        With λ = 0 it is measured without gradient, and the objective learns nothing.
        """
        sim, real = aligned_samples(self.policy, layer, batch)
        if aligns and min(sim.n, real.n) >= self.alignment.min_samples:
            self.alignment.update(sim.each(Tensor.detach), real.each(Tensor.detach))
        with torch.set_grad_enabled(aligns):
            return self.alignment(sim, real)

    def _opponents(self) -> list[nn.Parameter]:
        """Parameters of the objective that training updates together with the policy."""
        return [p for p in self.alignment.parameters() if p.requires_grad]

    def _told(self, layer: Tensor, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Embeddings (n, D) and privileged state (n, S) of the global batch's sim samples."""
        sim = told_samples(layer, batch)
        return sim.embedding, sim.privileged

    def _readers(self) -> list[nn.Parameter]:
        """Parameters of what reads the privileged state."""
        return [] if self.readout is None else list(self.readout.parameters())

    def _at_site(self, features: Features, hidden: Tensor) -> Tensor:
        """The layer that is aligned: (B, D), or (draws · B, D) in the denoiser."""
        if self.site in self.policy.image_sites:
            return features.image[:, self.policy.image_sites[self.site]]
        return {"image": features.image, "observation": features.observation, "denoiser": hidden}[self.site]

    def _log_terms(self, terms: Terms, batch: dict[str, Tensor]) -> None:
        if self.trainer.world_size > 1:  # of the global batch, as the distance is
            whole = self.trainer.strategy.reduce(terms.denoise.detach().clone(), reduce_op="mean")
            terms = replace(terms, denoise=whole)
        self.log_dict(terms.logs(batch, self.alignment, self.weighting))

    def _is_logged(self) -> bool:
        """Whether the logger writes what this step logs."""
        step = self.global_step + 1
        return step % self.trainer.log_every_n_steps == 0 or step == self.trainer.max_steps

    def _see_pulls(
        self, lambda_: float | Tensor, logged: bool, pulls: dict[str, Tensor], denoising: Tensor
    ) -> None:
        """Log how strongly each term pulls beside denoising, and keep what the weighting is to see."""
        if logged:
            for name, pull in pulls.items():
                self.log(f"train/{name}", float(pull / denoising.clamp_min(torch.finfo(torch.float32).tiny)))
        if self.weighting.measures and "grad_ratio" in pulls:
            self._pulls = pulls["grad_ratio"] / lambda_, denoising

    def on_after_backward(self) -> None:
        """Show the weighting the gradients of the global batch."""
        if self._pulls is not None:
            self.weighting.see_pulls(*global_norms(*self._pulls))
            self._pulls = None

    def configure_gradient_clipping(
        self,
        optimizer: torch.optim.Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip by norm what the alignment reaches apart from the rest; see `align.optimizer.clip_apart`.

        So it is at λ = 0 too: what differs from there on is the alignment, and not how gradients are clipped.
        """
        if gradient_clip_algorithm == "value" and gradient_clip_val:
            nn.utils.clip_grad_value_(
                [p for g in optimizer.param_groups for p in g["params"]], gradient_clip_val
            )
        elif gradient_clip_val:
            trained = id(optimizer), sum(len(group["params"]) for group in optimizer.param_groups)
            if self._clipped is None or self._clipped[0] != trained:  # a callback may unfreeze weights
                reached = self.policy if self.site == "denoiser" else self.policy.encoder
                parts = [] if reached is None else [reached.parameters()]
                parts = parts_of(optimizer, [*parts, self._opponents(), self._readers()])
                self._clipped = trained, parts
            clip_apart(self._clipped[1], gradient_clip_val)

    def optimizer_step(self, *args, **kwargs) -> None:
        """Step, then average: here, so that a checkpoint written after the step holds both."""
        super().optimizer_step(*args, **kwargs)
        self.ema.update(self.policy, self.global_step)

    def embed(
        self, batch: dict[str, Tensor], index: int = 0, sites: Sequence[str] | None = None
    ) -> dict[str, Tensor]:
        """Embeddings (B, D) of a batch under the averaged weights; see `align.sites.embed`.

        The noise is derived from (seed, index).
        """
        generator = torch_generator(self.seed, "embed", index)
        return embed(self.ema.model, batch, sites, generator, self.probe_step)

    def configure_optimizers(self) -> dict:
        fused = self.trainer.precision != "16-mixed"  # whose gradients are scaled until the optimiser steps
        optimizer = adamw(
            self.policy,
            self._opponents(),
            self.learning_rate,
            self.weight_decay,
            fused,
            self._readers(),
            self.encoder_learning_rate,
        )
        total = self.trainer.estimated_stepping_batches
        scheduler = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: warmup_cosine(step, self.lr_warmup, total)
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}
