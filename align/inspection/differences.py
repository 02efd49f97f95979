"""How two stores differ, in numbers."""

from dataclasses import dataclass, field

import numpy as np
from scipy import stats

from align.data.episodes import Episodes, check_compatible, check_rates, check_roles
from align.data.plausibility import codec_gaps, doubts
from align.data.readers.reencoding import CODECS
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
    """What differs between two stores that were inspected with the same cameras."""
    found = Differences()
    if sim.episodes is None or real.episodes is None:
        return found
    pair = sim.episodes, real.episodes
    for name in ("action", "agent_pos"):
        ours, theirs = (getattr(episodes, name) for episodes in pair)
        if ours.shape[1] == theirs.shape[1]:
            found.columns[name] = [_column(a, b) for a, b in zip(ours.T, theirs.T, strict=True)]
    if "agent_pos" in found.columns:
        found.starts = _starts(*pair)
    for check in (check_compatible, check_roles):
        try:
            found.warned += check(*pair) or []
        except InputError as error:
            found.refused.append(one_line(error))
    try:
        check_rates(*pair)
    except InputError as error:
        found.rate_hz = min(e.attrs["rate_hz"] for e in pair)
        fast = next(e for e in pair if e.attrs["rate_hz"] > found.rate_hz)
        mended = 4 * len(delta_columns(fast.action, fast.agent_pos, fast.ends)) < fast.action.shape[1]
        (found.warned if mended else found.refused).append(f"{'warning: ' * mended}{one_line(error)}")
    found.lossless = _lossless(*pair)
    found.warned += codec_gaps(*pair)
    found.warned += doubts(*pair, "action" in found.columns and relative_actions(pair))
    try:
        seen = {
            domain: Seen(store.episodes, {name: view.shape for name, view in store.reader_cameras.items()})
            for domain, store in ((Domain.SIM, sim), (Domain.REAL, real))
        }
        found.options = fitting_options(seen)
    except InputError as error:
        found.refused.append(one_line(error))
    return found


def _lossless(sim: Episodes, real: Episodes) -> str | None:
    """The domain without a codec where only one has none, on a camera that can be passed through it."""
    pairs = [(sim.codecs[c], real.codecs[c]) for c in sorted(set(sim.codecs) & set(real.codecs))]
    if any(a is None and b is not None and b.codec in CODECS for a, b in pairs):
        return Domain.SIM.label
    return Domain.REAL.label if any(b is None and a and a.codec in CODECS for a, b in pairs) else None


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
