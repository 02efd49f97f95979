"""Two arms followed trial by trial, read anew each time: settled, or not yet."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

from align.analysis.figures.evaluation import figure_sequence
from align.analysis.reports.evaluation.trials import Trial
from align.analysis.reports.evaluation.words import points, signed_span
from align.analysis.statistics.trials import sequential
from align.errors import InputError


class Pairs(NamedTuple):
    """Trials of two arms, pair by pair in the order they came.

    Attributes:
        arm, reference: Names; the difference is the first minus the second.
        outcomes, of_reference: (n,) of each.
        starts: What each pair began from; its number where the file does not say.
        waiting: Trials whose partner has not come yet.
        shared: Pairs are of one start, not merely of one number.
    """

    arm: str
    reference: str
    outcomes: np.ndarray
    of_reference: np.ndarray
    starts: list[str]
    waiting: int
    shared: bool


def pair_up(trials: Sequence[Trial], arms: Sequence[str] | None, reference: str | None) -> Pairs:
    """The pairs of two arms: of one start, or without starts the first with the first.

    A pair comes when its second trial does, in the order of the rows. Rows without an outcome keep their
    number, so that filling one in later changes no other pair.

    Args:
        trials: In the order of the file.
        arms: The two arms, if there are more.
        reference: Which of them is taken off; by default the first.

    Raises:
        InputError: There are not two arms, an arm has several trainings, or no pair is there yet.
    """
    trials = [t for t in trials if t.outcome is not None and (not arms or t.arm in arms)]
    names = list(arms or dict.fromkeys(t.arm for t in trials))
    if len(names) != 2 or {t.arm for t in trials} != set(names):
        found = ", ".join(map(repr, dict.fromkeys(t.arm for t in trials)))
        raise InputError(f"arms: sequential compares two, found {found}; say which, --arms '[A, B]'")
    for name in names:
        if len({t.training for t in trials if t.arm == name}) > 1:
            raise InputError(f"arm {name!r}: several trainings; sequential compares two policies")
    if reference is not None and reference not in names:
        raise InputError(f"reference={reference!r}: expected one of {', '.join(map(repr, names))}")
    base = reference or names[0]
    arm = next(name for name in names if name != base)
    waiting: dict[tuple[str, str], list[Trial]] = {}
    found: list[tuple[float, float]] = []
    starts = []
    for trial in trials:
        start = str(trial.number) if trial.start is None else trial.start
        other = waiting.get((arm if trial.arm == base else base, start))
        if not other:
            waiting.setdefault((trial.arm, start), []).append(trial)
            continue
        partner = other.pop(0)
        both = {t.arm: t.outcome for t in (trial, partner)}
        found.append((both[arm], both[base]))
        starts.append(start)
    if not found:
        raise InputError(
            f"arms {arm!r} and {base!r}: no start that both have tried yet; expected one or more"
        )
    outcomes = np.array(found, float)
    left = sum(map(len, waiting.values()))
    return Pairs(arm, base, outcomes[:, 0], outcomes[:, 1], starts, left, trials[0].start is not None)


def follow(pairs: Pairs, level: float) -> tuple[sequential.Sequence, list[dict[str, object]]]:
    """What was known after each pair, and a row for each."""
    found = sequential.compare(pairs.outcomes, pairs.of_reference, level)
    rows = [
        {
            "pair": i + 1, "start": start, pairs.arm: float(a), pairs.reference: float(b),
            "difference": float(found.difference[i]), "low": float(found.low[i]),
            "high": float(found.high[i]), "p": float(found.p_values[i]),
        }
        for i, (start, a, b) in enumerate(zip(pairs.starts, pairs.outcomes, pairs.of_reference, strict=True))
    ]  # fmt: skip
    return found, rows


def words(pairs: Pairs, found: sequential.Sequence, level: float) -> list[str]:
    """Whether it is settled, and if not how long it may take."""
    binary = bool(np.isin([pairs.outcomes, pairs.of_reference], (0, 1)).all())
    n, interval = len(pairs.outcomes), found.interval()
    of = (
        "starts that both tried"
        if pairs.shared
        else "pairs, the first trial of one with the first of the other"
    )
    lead = points(abs(interval.value), binary)
    way = "better" if interval.value > 0 else "worse"
    so_far = f"After {n} {of}, {pairs.arm} did {f'{lead} {way} than' if interval.value else 'as well as'} "
    so_far += f"{pairs.reference}; the interval that holds at all times is {signed_span(interval, binary)}."
    said = [so_far]
    if found.settled is not None:
        sign = "better" if interval.low + interval.high > 0 else "worse"
        said[0] = (
            f"Settled: {pairs.arm} is {sign} than {pairs.reference}, since pair {found.settled}. {so_far}"
        )
        said.append("You may stop, or go on to learn by how much: the answer stays valid.")
    else:
        said[0] = f"Not settled. {so_far}"
        more = sequential.pairs_to_go(pairs.outcomes, pairs.of_reference, level)
        if interval.value == 0:
            said.append("No difference was seen so far, so nothing tells how long it may take.")
        elif more is None:
            said.append("If trials go on like those so far, more than 1000 further pairs are likely needed.")
        else:
            said.append(
                f"If trials go on like those so far, about {more} further pairs settle it, as likely as not."
            )
    risk = f"{100 * (1 - level):g} %"
    said.append(
        "You may look after every trial and stop when it is settled: it is settled wrongly with a "
        f"probability of at most {risk}, provided that no trial is left out for how it went and that rows "
        "are in the order in which the trials came."
    )
    said.append("It is of these two policies as they are; another training of either may differ.")
    if pairs.waiting:
        waits = "1 trial waits" if pairs.waiting == 1 else f"{pairs.waiting} trials wait"
        said.append(f"{waits} for the other arm's.")
    return [" ".join(said[:2]), " ".join(said[2:])]


def draw(pairs: Pairs, found: sequential.Sequence, level: float) -> Figure:
    """The figure."""
    title = f"{pairs.arm} − {pairs.reference}"
    caption = f"{100 * level:g} % confidence sequence, valid at all times"
    return figure_sequence(found.difference, found.low, found.high, found.settled, title, caption)
