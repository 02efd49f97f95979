"""A few trials on the robot and many in simulation of the same starts: what simulation adds."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from align.analysis.reports.evaluation.trials import ONE, Trial
from align.analysis.reports.evaluation.words import points, signed_span, span
from align.analysis.statistics.trials.prediction_powered import Assisted, assisted_difference, assisted_rate
from align.errors import InputError


class Tried(NamedTuple):
    """One policy, on the robot and in simulation.

    Attributes:
        name: Of the arm.
        real, simulated: By start, of those that were tried on the robot.
        further: By start, simulated alone.
    """

    name: str
    real: dict[str, float]
    simulated: dict[str, float]
    further: dict[str, float]


class Helped(NamedTuple):
    """What simulation adds to what the robot shows.

    Attributes:
        name: Of the arm.
        real, further: How many starts.
        rate: Its rate or score.
        difference: From the reference; None of the reference, or where the two share too few starts.
    """

    name: str
    real: int
    further: int
    rate: Assisted
    difference: Assisted | None


def assist(
    trials: Sequence[Trial],
    simulated: Sequence[Trial],
    arms: Sequence[str],
    reference: str,
    level: float,
) -> list[Helped]:
    """Prediction-powered estimates of each arm, and of its difference from the reference.

    Args:
        trials: On the robot, with predictions of their starts or without; rows of a prediction alone are of
            starts that were only simulated.
        simulated: Trials in simulation, if they are in files of their own: of the same arms and starts.
        arms: Their names.
        reference: The one that others are compared with.
        level: Confidence level.

    Raises:
        InputError: There are no starts, several trainings, or too few simulated starts.
    """
    tried = [_tried(name, trials, simulated) for name in arms]
    base = tried[list(arms).index(reference)]
    found = []
    for arm in tried:
        starts = list(arm.real)
        rate = assisted_rate(*_three(arm, starts, list(arm.further)), level)
        difference = None
        shared = [s for s in starts if s in base.real]
        further = [s for s in arm.further if s in base.further]
        if arm is not base and len(shared) >= 3 and len(further) >= 2:
            one, other = _three(arm, shared, further), _three(base, shared, further)
            difference = assisted_difference(one[0], other[0], one[1], other[1], one[2], other[2], level)
        found.append(Helped(arm.name, len(starts), len(arm.further), rate, difference))
    return found


def _three(
    arm: Tried, starts: Sequence[str], further: Sequence[str]
) -> tuple[list[float], list[float], list[float]]:
    """Outcomes on the robot, in simulation of the same starts, and of further ones."""
    return (
        [arm.real[s] for s in starts],
        [arm.simulated[s] for s in starts],
        [arm.further[s] for s in further],
    )


def _tried(name: str, trials: Sequence[Trial], simulated: Sequence[Trial]) -> Tried:
    own = [t for t in trials if t.arm == name]
    other = [t for t in simulated if t.arm == name]
    if len({t.training for t in own}) > 1 or len({t.training for t in other} - {ONE}) > 1:
        raise InputError(
            f"arm {name!r}: several trainings; simulation assists one policy at a time: give one of each "
            "arm, or --predicted none"
        )
    if any(t.start is None for t in [*own, *other]):
        raise InputError(f"arm {name!r}: trials without starts; expected a column of starts")
    real = _means([(t.start, t.outcome) for t in own])
    predicted = _means([*((t.start, t.predicted) for t in own), *((t.start, t.outcome) for t in other)])
    lacking = [start for start in real if start not in predicted]
    if lacking:
        raise InputError(
            f"arm {name!r}: start {lacking[0]!r} was not simulated ({len(lacking)} of {len(real)}); expected "
            "every start that was tried on the robot"
        )
    further = {start: value for start, value in predicted.items() if start not in real}
    if len(real) < 3 or len(further) < 2:
        raise InputError(
            f"arm {name!r}: {len(real)} starts on the robot and {len(further)} further ones in simulation; "
            "expected 3 and 2 or more"
        )
    return Tried(name, real, {start: predicted[start] for start in real}, further)


def _means(pairs: Sequence[tuple[str, float | None]]) -> dict[str, float]:
    found: dict[str, list[float]] = {}
    for start, value in pairs:
        if value is not None:
            found.setdefault(start, []).append(value)
    return {start: float(np.mean(values)) for start, values in found.items()}


def table(found: Sequence[Helped], reference: str) -> list[dict[str, object]]:
    """A row an arm."""
    rows = []
    for arm in found:
        row: dict[str, object] = {
            "arm": arm.name, "on the robot": arm.real, "further simulated": arm.further,
            "robot alone": arm.rate.alone, "with simulation": arm.rate.interval,
            "width": _width(arm.rate), "correlation": arm.rate.correlation,
        }  # fmt: skip
        if len(found) > 1:
            row[f"minus {reference}, robot alone"] = arm.difference and arm.difference.alone
            row[f"minus {reference}, with simulation"] = arm.difference and arm.difference.interval
        rows.append(row)
    return rows


def _width(found: Assisted) -> float:
    """Of the interval with simulation, over that without."""
    return (found.interval.high - found.interval.low) / (found.alone.high - found.alone.low)


def words(found: Sequence[Helped], reference: str, binary: bool, level: float) -> list[str]:
    """What simulation adds, arm by arm."""
    said = []
    for arm in found:
        width = _width(arm.rate)
        shorter = f"which is {100 * (1 - width):.0f} % shorter"
        gain = shorter if width < 0.995 else "so simulation adds nothing that is sure"
        ends, alone = span(arm.rate.interval, binary), span(arm.rate.alone, binary)
        line = f"{arm.name}, with {arm.further} simulated starts beside its {arm.real} on the robot: {ends}, "
        line += f"{gain} "
        line += (
            f"than from the robot alone ({alone})." if width < 0.995 else f"(from the robot alone {alone})."
        )
        if arm.difference is not None:
            value = arm.difference.interval.value
            line += (
                f" It is {points(abs(value), binary)} {'better' if value >= 0 else 'worse'} than {reference} "
            )
            line += f"({signed_span(arm.difference.interval, binary)})."
        elif arm.name != reference:
            line += f" It shares too few starts with {reference} for a difference."
        said.append(line)
    said.append(
        f"A biased simulation does not bias these {100 * level:g} % intervals: the robot's own trials say "
        "how far it can be trusted. They hold if the simulated starts are of the kind that the robot is "
        "tried from. Differences are single comparisons."
    )
    return said
