"""How sim and real are mixed: what a batch holds, and how the loss weighs it.

The objective is `alpha * L_real + (1 - alpha) * L_sim`. A batch holds a fixed quota of each domain; where
the quota differs from alpha the loss is reweighted, so that alignment can see balanced domains at any alpha.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from align.data.pairing import Partners
from align.domain import Domain
from align.errors import InputError
from align.seeding import torch_generator


def resolve_alpha(alpha: float | str | None, n_sim_windows: int, n_real_windows: int) -> float:
    """The share of real data in the objective.

    Args:
        alpha: A number in [0, 1]; None or "natural" is `n_real / (n_real + n_sim)`.
        n_sim_windows: Training windows of sim.
        n_real_windows: Training windows of real.

    Raises:
        InputError: `alpha` is anything else, or a domain with a weight above 0 has no windows.
    """
    if alpha is None or alpha == "natural":
        alpha = n_real_windows / max(n_real_windows + n_sim_windows, 1)
    if isinstance(alpha, bool | str) or not 0 <= alpha <= 1:
        raise InputError(f"alpha: {alpha!r}; expected a number in [0, 1], None or 'natural'")
    for domain, weight, n in ((Domain.SIM, 1 - alpha, n_sim_windows), (Domain.REAL, alpha, n_real_windows)):
        if weight > 0 and not n:
            raise InputError(
                f"alpha: {alpha:g} gives {domain.label} the weight {weight:g}, but it has no windows;"
                " expected some, or a weight of 0"
            )
    return float(alpha)


def real_quota(
    alpha: float | str | None,
    batch_size: int,
    n_sim_windows: int,
    n_real_windows: int,
    balanced: bool = False,
) -> int:
    """Real samples in each batch.

    Args:
        alpha: As in `resolve_alpha`.
        batch_size: Samples in a batch, B.
        n_sim_windows: Training windows of sim.
        n_real_windows: Training windows of real.
        balanced: B // 2 whatever alpha is, for objectives that compare the domains.

    Returns:
        `round(alpha * B)`, at least 1 and at most B - 1 unless alpha is 0 or 1; or B // 2 if balanced.

    Raises:
        InputError: As `resolve_alpha`, or B is too small to hold both domains.
    """
    alpha = resolve_alpha(alpha, n_sim_windows, n_real_windows)
    mixed = balanced or 0 < alpha < 1
    if batch_size < 1 + mixed:
        raise InputError(f"batch_size: {batch_size}; expected at least {1 + mixed}")
    if balanced:
        return batch_size // 2
    quota = round(alpha * batch_size)
    return min(max(quota, 1), batch_size - 1) if mixed else quota


def weights(alpha: float, n_sim: int, n_real: int) -> Tensor:
    """Weights of the samples of a batch that make the mean over it the objective.

    Args:
        alpha: Share of real in the objective, in [0, 1].
        n_sim: Sim samples in the batch.
        n_real: Real samples in the batch.

    Returns:
        (n_sim + n_real,) float32, sim first: `(weights * loss).mean()` is
        `alpha * mean(loss of real) + (1 - alpha) * mean(loss of sim)`.

    Raises:
        InputError: A domain with a weight above 0 has no sample.
    """
    alpha, total = resolve_alpha(alpha, n_sim, n_real), n_sim + n_real
    sim = torch.full((n_sim,), (1 - alpha) * total / max(n_sim, 1))
    real = torch.full((n_real,), alpha * total / max(n_real, 1))
    return torch.cat([sim, real])


class Stratum(NamedTuple):
    """A store of a domain with a share of its own.

    Attributes:
        windows: How many it has; those of the stores of a domain are numbered one store's behind another's.
        quota: Samples of it in a batch.
    """

    windows: int
    quota: int


class MixtureSampler:
    """Which windows of each domain a training step sees: a pure function of (seed, step).

    Each domain is walked in shuffled epochs without replacement, at its own pace; an epoch that ends inside a
    batch is followed by the next in the same batch. Nothing needs saving to resume a run. For data-parallel
    training, draw the global batch on every rank and keep `indices[rank::world_size]`.

    Args:
        n_windows: Windows of each domain.
        batch_size: Samples in a batch.
        quota: Real samples among them; the others are sim. See `real_quota`.
        seed: Seed of the shuffles.
        partners: Sim windows that go with real ones; `None` draws both domains independently. Real windows
            are the same with and without.
        share: Share of `min(quotas)` that is drawn as pairs, rounded, at least one: the first so many sim
            windows of a batch are partners of its first so many real ones, in order. The other sim windows
            are walked as ever, at the pace that is left to them.
        strata: Stores of a domain that have shares of their own: each is walked at its own pace, and a batch
            holds its samples together, in the order of the stores. Without, a domain is walked as a whole.

    Raises:
        InputError: The quota is not in [0, batch_size], a domain or a stratum it draws from has no windows,
            or there are partners but a batch does not hold both domains.
    """

    def __init__(
        self,
        n_windows: Mapping[Domain, int],
        batch_size: int,
        quota: int,
        seed: int,
        partners: Partners | None = None,
        share: float = 1.0,
        strata: Mapping[Domain, Sequence[Stratum]] | None = None,
    ):
        if not 0 <= quota <= batch_size or batch_size < 1:
            raise InputError(f"quota: {quota}; expected 0 to batch_size = {batch_size}, which is at least 1")
        self.n_windows = {domain: int(n_windows.get(domain, 0)) for domain in Domain}
        self.quotas = {Domain.SIM: batch_size - quota, Domain.REAL: quota}
        self.batch_size, self.seed = batch_size, seed
        for domain, n in self.quotas.items():
            if n and not self.n_windows[domain]:
                raise InputError(
                    f"{domain.label}: no training windows; expected some for {n} samples a batch"
                )
        room = min(self.quotas.values())
        if partners is not None and not room:
            raise InputError(f"quota: {quota} of {batch_size}; expected both domains in a batch to pair them")
        self.partners = partners
        self.n_pairs = 0 if partners is None else max(round(share * room), 1)
        self.strata = dict(strata or {})
        for domain, parts in self.strata.items():
            windows, quotas = (sum(column) for column in zip(*parts, strict=True))
            fits = (windows, quotas) == (self.n_windows[domain], self.quotas[domain])
            if not fits or self.partners is not None:
                raise InputError(
                    f"strata: {windows} {domain.label} windows and {quotas} a batch; expected "
                    f"{self.n_windows[domain]} and {self.quotas[domain]}, and no partners"
                )
            if empty := [n for n, part in enumerate(parts) if part.quota and not part.windows]:
                raise InputError(f"{domain.label}[{empty[0]}]: no training windows; expected some")
        self._shuffles: dict[str, dict[int, Tensor]] = {}

    def batch(self, step: int) -> dict[Domain, Tensor]:
        """Numbers of the windows of each domain at a step, (quota,) int64; empty where the quota is 0.

        Partners are in the same places: so they are in `indices[rank::world_size]`.
        """
        real = self._draw(Domain.REAL, step, self.quotas[Domain.REAL])
        sim = self._draw(Domain.SIM, step, self.quotas[Domain.SIM] - self.n_pairs)
        if self.partners is not None:
            generator = torch_generator(self.seed, "mixture/pairs", step)
            sim = torch.cat([self.partners.draw(real[: self.n_pairs], generator), sim])
        return {Domain.SIM: sim, Domain.REAL: real}

    def _draw(self, domain: Domain, step: int, quota: int) -> Tensor:
        if domain not in self.strata:
            return self._walk(f"mixture/{domain.label}", self.n_windows[domain], step, quota)
        drawn, first = [], 0
        for n, part in enumerate(self.strata[domain]):
            drawn.append(first + self._walk(f"mixture/{domain.label}/{n}", part.windows, step, part.quota))
            first += part.windows
        return torch.cat(drawn)

    def _walk(self, purpose: str, n: int, step: int, quota: int) -> Tensor:
        """The windows (quota,) of a step in the shuffled epochs of n."""
        if not quota:
            return torch.empty(0, dtype=torch.int64)
        start, end = step * quota, (step + 1) * quota
        epochs = range(start // n, (end - 1) // n + 1)
        cached = self._shuffles.get(purpose, {})
        shuffles = {e: cached[e] if e in cached else self._shuffle(purpose, n, e) for e in epochs}
        self._shuffles[purpose] = shuffles  # only those of this batch are kept
        return torch.cat([shuffle[max(start - e * n, 0) : end - e * n] for e, shuffle in shuffles.items()])

    def _shuffle(self, purpose: str, n: int, epoch: int) -> Tensor:
        return torch.randperm(n, generator=torch_generator(self.seed, purpose, epoch))
