"""How two stores differ, in numbers."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy import stats

from align.data.compatibility import (
    check_actions,
    check_compatible,
    check_rates,
    check_roles,
    labelled,
    naming_notes,
    rate_of,
)
from align.data.episodes import ACTIONS, Episodes
from align.data.plausibility import codec_gaps, doubts
from align.data.readers.reencoding import can_be_matched
from align.data.readers.times import MEASURED
from align.data.signals import delta_columns
from align.domain import Domain
from align.errors import InputError, one_line
from align.inspection.fitting import Seen, fitting_options, relative_actions
from align.inspection.store import Inspected, kind_of

LEVEL = 0.01
"""Of the test whether starts differ, over all columns of an array together."""


@dataclass(frozen=True)
class Column:
    """A column of what would be trained on, in both stores.

    Attributes:
        sim: Its smallest and largest value in sim.
        real: The same in real.
        real_outside: Share of real frames that lie outside the range of sim.
        sim_outside: Share of sim frames outside the range of real.
        kinds: Whether it is "constant" or "binary" in sim, and in real.
    """

    sim: tuple[float, float]
    real: tuple[float, float]
    real_outside: float
    sim_outside: float
    kinds: tuple[str | None, str | None]


@dataclass(frozen=True)
class Start:
    """Where episodes begin, in one column of agent_pos.

    Attributes:
        sim: Mean and standard deviation over the episodes of sim.
        real: The same of real.
        p: Of a two-sample Kolmogorov–Smirnov test, times the number of columns, at most 1 (Bonferroni).
    """

    sim: tuple[float, float]
    real: tuple[float, float]
    p: float


@dataclass
class Differences:
    """Two stores side by side.

    Attributes:
        columns: By what it is ("action", "agent_pos"), its columns; empty where their numbers differ.
        starts: Of each column of agent_pos.
        refused: Why they cannot be trained on together, a line each.
        warned: What training would say of them.
        options: What fits both, by option of `align fit`; empty where none does.
        rate_hz: The lower of their rates, where they differ.
        lossless: The domain, "sim" or "real", whose images went through no codec while the other's did.
    """

    columns: dict[str, list[Column]] = field(default_factory=dict)
    starts: list[Start] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    warned: list[str] = field(default_factory=list)
    options: dict[str, object] = field(default_factory=dict)
    rate_hz: float | None = None
    lossless: str | None = None


def compare(sim: Inspected, real: Inspected) -> Differences:
    """What differs between two stores that were inspected with the same cameras, and whether they fit."""
    found = compare_columns(sim, real)
    if sim.episodes is not None and real.episodes is not None:
        _together(found, [sim], [real])
    return found


def compare_columns(sim: Inspected, real: Inspected) -> Differences:
    """How the columns of two stores differ, and where their episodes begin."""
    found = Differences()
    if sim.episodes is None or real.episodes is None:
        return found
    for name in ("action", "agent_pos"):
        ours, theirs = (getattr(store.episodes, name) for store in (sim, real))
        if ours.shape[1] == theirs.shape[1]:
            found.columns[name] = [_column(a, b) for a, b in zip(ours.T, theirs.T, strict=True)]
    if "agent_pos" in found.columns:
        found.starts = _starts(sim.episodes, real.episodes)
    return found


def fit_together(sims: Sequence[Inspected], reals: Sequence[Inspected]) -> Differences:
    """Whether several stores of each domain can be trained on, and with which options."""
    found = Differences()
    if all(store.episodes is not None for store in (*sims, *reals)):
        _together(found, sims, reals)
    return found


def _together(found: Differences, sims: Sequence[Inspected], reals: Sequence[Inspected]) -> None:
    domains = [store.episodes for store in sims], [store.episodes for store in reals]
    every = [*domains[0], *domains[1]]
    for check in (check_compatible, check_roles, check_actions, naming_notes):
        try:
            found.warned += check(*domains) or []
        except InputError as error:
            found.refused.append(one_line(error))
    try:
        check_rates(*domains)
    except InputError as error:
        found.rate_hz = min(rate for rate in map(rate_of, every) if rate is not None)
        fast = [e for e in every if (rate_of(e) or 0) > found.rate_hz * (1 + MEASURED)]
        mended = not any(_deltas(e) for e in fast)
        (found.warned if mended else found.refused).append(f"{'warning: ' * mended}{one_line(error)}")
    found.lossless = _lossless(*domains)
    found.warned += codec_gaps(*domains)
    alike = len({e.action.shape[1] for e in every}) == 1
    found.warned += doubts(every, alike and relative_actions(every))
    try:
        seen = {
            label: Seen(store.episodes, {name: view.shape for name, view in store.reader_cameras.items()})
            for label, store in zip(labelled(*domains), (*sims, *reals), strict=True)
        }
        found.options = fitting_options(seen)
    except InputError as error:
        found.refused.append(one_line(error))


def _deltas(episodes: Episodes) -> bool:
    """Whether actions are deltas, as the store says or they look; `data.rate_hz` refuses these."""
    if episodes.attrs.get("actions") in ACTIONS:
        return episodes.attrs["actions"] == "deltas"
    columns = delta_columns(episodes.action, episodes.agent_pos, episodes.ends)
    return 4 * len(columns) >= episodes.action.shape[1]


def _lossless(sims: Sequence[Episodes], reals: Sequence[Episodes]) -> str | None:
    """The domain that can be passed through the other's codec, on all cameras for which only that has one."""
    for ours, theirs, domain in ((sims, reals, Domain.SIM), (reals, sims, Domain.REAL)):
        lacking = [camera for camera in ours[0].codecs if not any(e.codecs.get(camera) for e in ours)]
        coded = [[e.codecs.get(camera) for e in theirs] for camera in lacking]
        coded = [each for each in coded if any(each)]
        if coded and all(codec and can_be_matched(codec) for each in coded for codec in each):
            return domain.label
    return None


def _column(sim: np.ndarray, real: np.ndarray) -> Column:
    ranges = [(float(x.min()), float(x.max())) for x in (sim, real)]
    (low, high), (first, last) = ranges
    return Column(
        *ranges,
        float(((real < low) | (real > high)).mean()),
        float(((sim < first) | (sim > last)).mean()),
        (kind_of(sim), kind_of(real)),
    )


def _starts(sim: Episodes, real: Episodes) -> list[Start]:
    first = [e.agent_pos[e.starts].astype(np.float64) for e in (sim, real)]
    n = first[0].shape[1]
    found = []
    for a, b in zip(first[0].T, first[1].T, strict=True):
        p = min(1.0, n * float(stats.ks_2samp(a, b).pvalue))
        found.append(Start((a.mean(), a.std()), (b.mean(), b.std()), p))
    return found
