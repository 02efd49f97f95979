"""A sampler of diffusion steps and of samples that they admit."""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from align.data.gating.levels import Bands
from align.domain import Domain
from align.errors import InputError
from align.seeding import torch_generator


class Draw(NamedTuple):
    """What a training step sees of one domain.

    Attributes:
        index: (n,) int64 numbers of the samples; n differs from step to step.
        steps: (n, k) int64 diffusion steps, all of them admitting the sample.
        weight: (n, k) weights of the denoising losses.
    """

    index: Tensor
    steps: Tensor
    weight: Tensor


class GatedSampler:
    """Draws diffusion steps first, then samples that they admit: a pure function of (seed, step).

    At a diffusion step t a sample s is drawn with p(s | t) = b_s · 1[t admits s] / Z_t, where b_s shares α
    evenly among the real samples and 1 − α among the sim ones. So t is uniform whatever is admitted, and
    where all are admitted the objective is that of co-training. B values of t, stratified, choose the B
    samples of a batch. With k > 1 noise draws a sample, its k steps follow p(t | s) ∝ 1[t admits s] / Z_t,
    stratified over that distribution: one Gibbs step of the same joint distribution, so every one of the
    k · B pairs has it, t uniform included, though only B observations are encoded.

    Samples are drawn with replacement: a walk in epochs would see each equally often, which p(s | t) is not.
    With `balanced`, b_s gives each domain half, and the weights restore the objective of α.

    Args:
        admitted: Bands of the samples of each domain.
        train_steps: Number of diffusion steps T.
        batch_size: Samples in a batch, B.
        draws: Noise draws a sample, k.
        alpha: Share α of real where everything is admitted, in [0, 1].
        seed: Seed of the draws.
        balanced: Draw both domains alike where everything is admitted, whatever α is.

    Raises:
        InputError: A domain of positive share is never admitted, or a step admits no sample.
    """

    def __init__(
        self,
        admitted: Mapping[Domain, Bands],
        train_steps: int,
        batch_size: int,
        draws: int,
        alpha: float,
        seed: int,
        balanced: bool = False,
    ):
        self.train_steps, self.batch_size, self.draws, self.seed = train_steps, batch_size, draws, seed
        target = {Domain.SIM: 1 - alpha, Domain.REAL: alpha}
        drawn = {d: 0.5 for d in Domain} if balanced else target
        self._domains = {d: _Admitted(admitted[d], train_steps) for d in Domain}
        for d, samples in self._domains.items():
            if drawn[d] > 0 and not samples.count.any():
                raise InputError(
                    f"gating: admits none of the {samples.n} {d.label} windows at any noise level; "
                    f"expected a {'lower' if d is Domain.SIM else 'higher'} σ_min"
                )
        for share in (target, drawn):
            starved = sum(share[d] * self._domains[d].count for d in Domain) == 0
            if starved.any():
                raise InputError(
                    f"gating: with α = {alpha:g} no window is admitted at {int(starved.sum())} of "
                    f"{train_steps} diffusion steps, the first of them {int(starved.nonzero()[0])}; expected "
                    "some at each"
                )
        fraction = {d: samples.count.double() / max(samples.n, 1) for d, samples in self._domains.items()}
        z_target = sum(target[d] * fraction[d] for d in Domain)  # (T,)
        z = sum(drawn[d] * fraction[d] for d in Domain)
        self._share = drawn[Domain.REAL] * fraction[Domain.REAL] / z
        self._weight = {d: target[d] / max(drawn[d], 1e-12) * z / z_target for d in Domain}
        self._mass = torch.cat([torch.zeros(1), (1 / z).cumsum(0)])  # (T + 1,) float64

    @property
    def real_share(self) -> float:
        """Expected share of real samples in a batch."""
        return float(self._share.mean())

    def batch(self, step: int, rank: int = 0, processes: int = 1) -> dict[Domain, Draw]:
        """The samples of a training step and their diffusion steps, per domain: those of one process."""
        generator = torch_generator(self.seed, "gating", step)

        def uniform(*shape: int) -> Tensor:
            return torch.rand(shape, generator=generator, dtype=torch.float64)

        n = self.batch_size
        t = ((torch.arange(n) + uniform(n)) * (self.train_steps / n)).long().clamp_max(self.train_steps - 1)
        coin = (torch.randperm(n, generator=generator) + uniform(n)) / n  # stratified, independent of t
        real, place, strata = coin < self._share[t], uniform(n), uniform(n, self.draws)
        ours = torch.arange(n) % processes == rank
        drawn = {}
        for domain, samples in self._domains.items():
            rows = ours & (real == (domain == Domain.REAL))
            index = samples.pick(t[rows], place[rows])
            steps = t[rows, None] if self.draws == 1 else self._redraw(samples, index, strata[rows])
            drawn[domain] = Draw(index, steps, self._weight[domain][steps].float())
        return drawn

    def _redraw(self, samples: "_Admitted", index: Tensor, strata: Tensor) -> Tensor:
        """Steps (n, k) of p(t | s), by the inverse of its cumulative mass, one in each of k strata."""
        below, above = samples.below[index, None], samples.above[index, None]
        low, skipped, total = self._mass[below], self._mass[above], self._mass[-1]
        u = (torch.arange(self.draws) + strata) / self.draws * (low + total - skipped)
        is_low = u < low
        t = torch.searchsorted(self._mass, torch.where(is_low, u, u - low + skipped), right=True) - 1
        t = torch.where(is_low, torch.minimum(t, below - 1), torch.maximum(t, above))
        return t.clamp_max(self.train_steps - 1)


class _Admitted:
    """The samples of a domain, listed so that any of those a step admits is found at once."""

    def __init__(self, admitted: Bands, train_steps: int):
        self.below, self.above = admitted
        self.n = len(self.above)
        steps = torch.arange(train_steps)
        above, self._by_above = self.above.sort(stable=True)
        below, self._by_below = self.below.sort(stable=True, descending=True)
        self._n_above = torch.searchsorted(above, steps, right=True)  # (T,) samples with above ≤ t
        self.count = self._n_above + (self.n - torch.searchsorted(below.flip(0), steps, right=True))

    def pick(self, steps: Tensor, place: Tensor) -> Tensor:
        """Samples (n,), each the one at `place` in [0, 1) of those that its step admits."""
        if not len(steps):
            return torch.empty(0, dtype=torch.int64)
        place = (place * self.count[steps]).long().minimum(self.count[steps] - 1)
        first = self._n_above[steps]
        low = self._by_below[(place - first).clamp(0, self.n - 1)]
        return torch.where(place < first, self._by_above[place.clamp_max(self.n - 1)], low)
