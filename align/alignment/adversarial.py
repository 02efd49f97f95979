"""Adversarial alignment: an encoder against a classifier d_φ that tells sim from real embeddings.

`DANN` trains both at once, through a reversed gradient; `ADDA` in turns. Neither game need converge. Both
log what its instability shows in: the classifier's accuracy, both losses, and two signs of collapse.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from align.alignment.objective import Objective, Samples
from align.errors import SIZE, InputError, check_numbers

SATURATED = 0.99
"""Average accuracy from which on the classifier has won, and its gradient says little."""
COLLAPSED = 0.01
"""Share of their first variance below which the embeddings have collapsed, and the encoder has won."""
MEMORY = 0.99
"""Decay of the average accuracy; the first 1 / (1 − MEMORY) steps only fill it."""


class _Reverse(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, strength: Tensor | float) -> Tensor:
        ctx.strength = strength
        return x.view_as(x)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None]:
        return -ctx.strength * gradient, None


def reverse_gradient(x: Tensor, strength: Tensor | float) -> Tensor:
    """x, whose gradient is multiplied by −strength on the way back (Ganin et al. 2016, arXiv 1505.07818)."""
    return _Reverse.apply(x, strength)


def classification_loss(sim: Tensor, real: Tensor) -> Tensor:
    """Balanced cross-entropy of logits (n,) for sim and (m,) for real, the positive class."""
    return 0.5 * (softplus(sim).mean() + softplus(-real).mean())


def accuracy(sim: Tensor, real: Tensor) -> Tensor:
    """Balanced accuracy of the same logits, without gradient."""
    return 0.5 * ((sim < 0).float().mean() + (real > 0).float().mean())


class Discriminator(nn.Sequential):
    """An MLP from an embedding (n, D) to a logit (n, 1), positive for real.

    Args:
        dim: Size D of the embedding.
        widths: Hidden units of each layer.
        spectral_norm: Bound each layer's Lipschitz constant by 1 (Miyato et al. 2018, arXiv 1802.05957).
    """

    def __init__(self, dim: int, widths: Sequence[int], spectral_norm: bool):
        sizes, layers = (dim, *widths, 1), []
        for inputs, outputs in pairwise(sizes):
            linear = nn.Linear(inputs, outputs)
            layers += [nn.utils.parametrizations.spectral_norm(linear) if spectral_norm else linear]
            layers += [nn.LeakyReLU(0.2)]
        super().__init__(*layers[:-1])


class Adversarial(Objective):
    """What DANN and ADDA share: the classifier, and the watch over it.

    Args:
        widths: Hidden units of the classifier's layers.
        spectral_norm: Bound its layers' Lipschitz constants by 1.
        memory: As in `Objective`.
    """

    min_samples = 1
    discriminator: Discriminator

    def __init__(self, widths: Sequence[int] = (64, 64), spectral_norm: bool = False, memory: int = 0):
        super().__init__(memory)
        check_numbers(SIZE, whole=True, widths=widths)
        if not widths:
            raise InputError("widths=(): expected one or more hidden layers")
        self.widths, self.spectral_norm = tuple(widths), spectral_norm
        self.register_buffer("calls", torch.tensor(0))
        self.register_buffer("average_accuracy", torch.tensor(0.5))
        self.register_buffer("first_variance", torch.tensor(float("nan")))

    def build(self, dim: int) -> None:
        self.discriminator = Discriminator(dim, self.widths, self.spectral_norm)

    def _classify(self, sim: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (n,) and (m,)."""
        logits = self.discriminator(torch.cat([sim, real])).squeeze(-1)
        return logits[: len(sim)], logits[len(sim) :]

    @torch.no_grad()
    def _watch(self, sim: Tensor, real: Tensor, logits: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        """Accuracy and signs of collapse; their state moves in training only."""
        found = accuracy(*logits)
        variance = torch.cat([sim, real]).var(0, correction=0).sum()
        if self.training:
            self.calls += 1
            self.average_accuracy.lerp_(found, 1 - MEMORY)
            first = self.first_variance
            first.copy_(torch.where(first.isfinite(), first, variance))
        warm = self.calls * (1 - MEMORY) >= 1
        return {
            "discriminator_accuracy": found,
            "discriminator_loss": classification_loss(*logits),
            "discriminator_saturated": (warm & (self.average_accuracy > SATURATED)).float(),
            "embedding_collapsed": (variance < COLLAPSED * self.first_variance).float(),
        }


class DANN(Adversarial):
    """Domain-adversarial training by gradient reversal (Ganin et al. 2016, arXiv 1505.07818).

    The value is the classifier's balanced cross-entropy, which the classifier lowers, in the main optimiser
    and at its learning rate, while the embeddings receive the reversed gradient: they raise it.

    Args:
        ramp: Steps over which the reversal's strength 2 / (1 + exp(−10 p)) − 1, p = step / ramp, rises from
            0 to 1; 0 reverses fully from the start. How far it has come is part of the state.
        widths, spectral_norm, memory: As in `Adversarial`.
    """

    def __init__(
        self, ramp: int = 1000, widths: Sequence[int] = (64, 64), spectral_norm: bool = False, memory: int = 0
    ):
        super().__init__(widths, spectral_norm, memory)
        check_numbers("[0, 1e9]", whole=True, ramp=ramp)
        self.ramp = ramp

    @property
    def strength(self) -> Tensor:
        """How strongly the gradient is reversed at this step."""
        if self.ramp == 0:
            return torch.ones_like(self.average_accuracy)
        return 2 / (1 + torch.exp(-10 * (self.calls / self.ramp).clamp_max(1))) - 1

    def distance(self, sim: Samples, real: Samples) -> Tensor:
        """The classifier's loss; scalar, its gradient to both embeddings reversed."""
        strength = self.strength
        logits = self._classify(*(reverse_gradient(x.embedding, strength) for x in (sim, real)))
        self.logs = self._watch(sim.embedding, real.embedding, logits)
        self.logs["reversal"] = strength
        return classification_loss(*logits)


class ADDA(Adversarial):
    """Alternating adversarial updates, as in ADDA (Tzeng et al. 2017, arXiv 1702.05464), on one encoder.

    Before each training step the classifier takes `discriminator_steps` steps of its own optimiser on the
    detached embeddings of the global batch; the value is then the encoder's loss against it, held fixed:
    the cross-entropy of the moved domains with the *other* domain's label. The classifier's parameters take
    no gradient outside `update`, so neither the main optimiser nor DDP sees them, and every process makes
    the same update from the same gathered batch. (Lightning's manual optimisation would do this too, but its
    `global_step` counts the steps of every optimiser.)

    Args:
        learning_rate: Of the classifier's Adam.
        discriminator_steps: Its steps before each training step.
        gradient_penalty: Weight of R1, ½ E‖∂d/∂z‖² on both domains (Mescheder et al. 2018,
            arXiv 1801.04406); 0 is none.
        moved: Which domain's embeddings get the encoder's loss: "both", "sim" (towards real) or "real".
        widths, spectral_norm, memory: As in `Adversarial`.
    """

    def __init__(
        self,
        learning_rate: float = 1e-4,
        discriminator_steps: int = 1,
        gradient_penalty: float = 0.0,
        moved: Literal["both", "sim", "real"] = "both",
        widths: Sequence[int] = (64, 64),
        spectral_norm: bool = False,
        memory: int = 0,
    ):
        super().__init__(widths, spectral_norm, memory)
        check_numbers("(0, 10]", learning_rate=learning_rate)
        check_numbers(SIZE, whole=True, discriminator_steps=discriminator_steps)
        check_numbers("[0, 1e6]", gradient_penalty=gradient_penalty)
        if moved not in ("both", "sim", "real"):
            raise InputError(f"moved={moved!r}: expected 'both', 'sim' or 'real'")
        self.learning_rate, self.discriminator_steps = learning_rate, discriminator_steps
        self.gradient_penalty, self.moved = gradient_penalty, moved
        self._restored: dict | None = None

    def build(self, dim: int) -> None:
        super().build(dim)
        self.discriminator.requires_grad_(False)
        self.optimizer = torch.optim.Adam(
            self.discriminator.parameters(), self.learning_rate, betas=(0.5, 0.999)
        )

    @torch.enable_grad()
    def update(self, sim: Samples, real: Samples) -> None:
        """Steps of the classifier on detached samples."""
        if self._restored is not None:  # now, when the parameters are on their device
            self.optimizer.load_state_dict(self._restored)
            self._restored = None
        z = [x.embedding.detach().float().requires_grad_(self.gradient_penalty > 0) for x in (sim, real)]
        self.discriminator.requires_grad_(True)
        with torch.autocast(z[0].device.type, enabled=False):
            for _ in range(self.discriminator_steps):
                logits = self._classify(*z)
                loss = classification_loss(*logits)
                if self.gradient_penalty:
                    slopes = torch.autograd.grad(torch.cat(logits).sum(), z, create_graph=True)
                    loss = loss + self.gradient_penalty * 0.25 * sum(s.square().sum(1).mean() for s in slopes)
                self.optimizer.zero_grad()
                loss.backward()
                self.optimizer.step()
        self.optimizer.zero_grad()
        self.discriminator.requires_grad_(False)

    def distance(self, sim: Samples, real: Samples) -> Tensor:
        """The encoder's loss; scalar, with gradient to the moved embeddings."""
        z = [
            x.embedding if self.moved in ("both", name) else x.embedding.detach()
            for x, name in ((sim, "sim"), (real, "real"))
        ]
        logits = self._classify(*z)
        self.logs = self._watch(sim.embedding, real.embedding, logits)
        losses = {"sim": softplus(-logits[0]).mean(), "real": softplus(logits[1]).mean()}
        return sum(losses.values()) / 2 if self.moved == "both" else losses[self.moved]

    def get_extra_state(self) -> dict:
        return self._restored or self.optimizer.state_dict()

    def set_extra_state(self, state: dict) -> None:
        self._restored = state
