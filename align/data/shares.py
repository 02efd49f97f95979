"""How much of training is of which domain and which store: of the loss, of a batch, and in words."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from align.data.mixture import MixtureSampler, Stratum, weights
from align.data.pairing import Pairing
from align.data.windows import Windows
from align.domain import Domain
from align.errors import InputError

Shares = Mapping[Domain, Sequence[float] | None]
"""Shares of each domain's stores, adding up to 1; None draws all their windows alike."""


def check_shares(option: str, shares: Sequence[float] | None, n: int) -> list[float] | None:
    """Shares of n stores that add up to 1; None where none are given, or there is one store.

    Raises:
        InputError: There are not as many as stores, or they are not positive.
    """
    if shares is None:
        return None
    if len(shares) != n:
        raise InputError(f"{option}={list(shares)}: {len(shares)} shares of {n} stores; expected one of each")
    if n == 1:
        return None
    total = sum(shares)
    return [share / total for share in shares]


def store_quotas(shares: Sequence[float], quota: int, option: str) -> list[int]:
    """Samples of each store in a batch, by the largest remainders; at least one of each.

    Args:
        shares: Of each store, adding up to 1.
        quota: Samples of the domain in a batch.
        option: Whose shares they are, for messages.

    Raises:
        InputError: There are fewer samples than stores.
    """
    if quota < len(shares):
        raise InputError(
            f"{option}: a batch holds {quota} windows of {len(shares)} stores; expected one of each or more, "
            "by a larger batch_size, or no shares"
        )
    wanted = np.asarray(shares) * quota
    counts = np.maximum(np.floor(wanted), 1).astype(int)
    while counts.sum() < quota:
        counts[np.argmax(wanted - counts)] += 1
    while counts.sum() > quota:
        counts[np.argmax(np.where(counts > 1, counts - wanted, -np.inf))] -= 1
    return counts.tolist()


def weighted_parts(
    train: Mapping[Domain, Windows], alpha: float, shares: Shares
) -> tuple[list[Windows], list[float]]:
    """What training sees, in parts of which all windows weigh alike, and the weight of each part.

    Args:
        train: Training windows of each domain.
        alpha: Weight of the real loss.
        shares: Of each domain's stores.

    Raises:
        InputError: A store that has a share has no windows.
    """
    parts, weights = [], []
    for domain, weight in ((Domain.SIM, 1 - alpha), (Domain.REAL, alpha)):
        if weight <= 0:
            continue
        if shares[domain] is None:
            parts, weights = [*parts, train[domain]], [*weights, weight]
            continue
        for name, ids in train[domain].by_store().items():
            if not len(part := train[domain].of(ids)):
                raise InputError(f"data.{domain.label}: store {name} has no training windows to share")
            parts.append(part)
        weights += [weight * share for share in shares[domain]]
    return parts, weights


def mixture_sampler(
    train: Mapping[Domain, Windows],
    batch_size: int,
    quota: int,
    seed: int,
    shares: Shares,
    pairing: Pairing | None,
    alpha: float | None,
) -> MixtureSampler:
    """What draws the batches.

    Args:
        train: Training windows of each domain.
        batch_size, quota, seed: As of `MixtureSampler`.
        shares: Of each domain's stores; none where there is a pairing.
        pairing: How sim windows go with real ones, if they do.
        alpha: As it was asked for, for messages.

    Raises:
        InputError: There is a pairing, but a batch does not hold both domains; or it holds fewer windows than
            there are stores.
    """
    arguments = {domain: len(windows) for domain, windows in train.items()}, batch_size, quota, seed
    if pairing is None:
        quotas = {Domain.SIM: batch_size - quota, Domain.REAL: quota}
        strata = {d: _strata(d, train[d], shares[d], n) for d, n in quotas.items() if shares[d] and n}
        return MixtureSampler(*arguments, strata=strata)
    if quota in (0, batch_size):
        raise InputError(
            f"pairing: with alpha={alpha} a batch holds one domain; expected both, or pairing=null"
        )
    partners = pairing.match(train[Domain.SIM], train[Domain.REAL])
    return MixtureSampler(*arguments, partners, pairing.share)


def _strata(domain: Domain, windows: Windows, shares: Sequence[float], quota: int) -> list[Stratum]:
    """The stores of a domain with shares."""
    quotas = store_quotas(shares, quota, f"{domain.label}_shares")
    return [Stratum(n, q) for n, q in zip(windows.windows_by_store().values(), quotas, strict=True)]


def store_weights(shares: Sequence[float], quotas: Sequence[int]) -> Tensor:
    """Weights (quota,) of mean 1 of a domain's samples, a store's behind another's.

    With them the mean loss is that of shares which quotas, being whole, only come near.
    """
    total = sum(quotas)
    return torch.cat([torch.full((q,), s * total / q) for s, q in zip(shares, quotas, strict=True)])


def domain_weights(alpha: float, sampler: MixtureSampler, shares: Shares) -> dict[Domain, Tensor]:
    """Weights (quota,) of each domain's samples of a batch, which make the mean over it the objective."""
    n_sim, n_real = (sampler.quotas[domain] for domain in Domain)
    found = dict(zip(Domain, weights(alpha, n_sim, n_real).split([n_sim, n_real]), strict=True))
    for domain, strata in sampler.strata.items():
        found[domain] = found[domain] * store_weights(shares[domain], [s.quota for s in strata])
    return found


def demonstrations_in_words(
    train: Mapping[Domain, Windows],
    held_out: Mapping[Domain, Windows],
    shares: Shares,
    sampler: MixtureSampler | None,
) -> str:
    """How many demonstrations there are, of which store; without a sampler not how many a batch has."""
    return ", ".join(
        f"{train[d].n_episodes} {d.label} demonstrations ({len(train[d])} windows; "
        f"{held_out[d].n_episodes} held out)"
        + (f", {len(skipped)} of them too short for a window" if len(skipped) else "")
        + _stores_in_words(train[d], shares[d], [] if sampler is None else sampler.strata.get(d, []))
        for d in Domain
        for skipped in [train[d].skipped]
    )


def _stores_in_words(windows: Windows, shares: Sequence[float] | None, strata: Sequence[Stratum]) -> str:
    """What each of several stores is of a domain."""
    counts = windows.windows_by_store()
    if len(counts) == 1:
        return ""
    shares = shares or [n / sum(counts.values()) for n in counts.values()]
    batch = [f", {s.quota} a batch" for s in strata] or [""] * len(counts)
    told = zip(counts.items(), shares, batch, strict=True)
    return f" of {', '.join(f'{name} ({n} windows, {share:.1%}{b})' for (name, n), share, b in told)}"


def batch_in_words(sampler: MixtureSampler, alpha: float) -> str:
    """What a batch holds, and how it is weighed."""
    pairs = ""
    if sampler.partners is not None:
        pairs = (
            f", {sampler.n_pairs} of each in aligned pairs (which reach, effectively, "
            f"{sampler.partners.reach():.1%} of the sim windows)"
        )
    return (
        f"{sampler.quotas[Domain.SIM]} sim + {sampler.quotas[Domain.REAL]} real windows a batch"
        f"{pairs}, weight of the real loss α = {alpha:.3f}"
    )
