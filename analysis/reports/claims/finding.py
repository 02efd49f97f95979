"""What was found of one comparison that a claim rests on, and which arms and measure of a sweep it is of."""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from align.analysis.reports.claims.declared import DIFFERENCE, EQUIVALENT, LEVEL, NAMED, Claim, Test
from align.analysis.reports.sweep import Arm, Metric, Sweep
from align.analysis.statistics.intervals import Interval
from align.analysis.statistics.verdict import UNDECIDED, together, verdict
from align.errors import InputError
from align.run.reading import of_file

NOT_YET = "not measured yet"


@dataclass(frozen=True)
class Finding:
    """What was found of a comparison.

    Attributes:
        test: As it was declared.
        compared: What is compared, in words.
        estimate: With the interval that holds at once with all others of its family, if there is one.
        single: The interval by itself.
        trainings, trials: Behind it, of the arm with the fewest.
        lone: Nothing is known of how trainings differ: of these trainings alone, and so without a verdict.
        detectable: The smallest effect that such a sweep finds with probability 80 %, all at once: a
            difference, of ratios a factor; None where that is not known.
        earlier: What an earlier regime gave, without an interval; None where there is nothing.
    """

    test: Test
    compared: str
    estimate: Interval | None = None
    single: Interval | None = None
    trainings: int = 0
    trials: int = 0
    lone: bool = False
    detectable: float | None = None
    earlier: float | None = None

    @property
    def verdict(self) -> str:
        """What the interval says, or that there is none yet."""
        if self.estimate is None:
            return NOT_YET
        return UNDECIDED if self.lone else verdict(self.estimate, self.test.rule)


def over_all(claim: Claim, findings: Sequence[Finding]) -> str:
    """The verdict on a claim: whether it holds of every comparison, or of one at least.

    Intervals hold at once per sweep and measure, not per claim; see `together`.
    """
    found = [finding.verdict for finding in findings]
    return NOT_YET if set(found) == {NOT_YET} else together(found, claim.every)


def metric_of(sweep: Sweep, measure: str) -> Metric:
    """The metric that a measure is in a sweep: those by name are of its target."""
    if measure not in NAMED:
        return Metric.parse(measure)
    name = sweep.success if measure == "success" else measure
    return Metric(NAMED[measure], sweep.target or "none", name)


def words_of(test: Test, arm: str | None = None) -> str:
    """What is compared; of a pattern of arms, the arm is given."""
    if test.name is not None:
        return test.name
    arm = arm or test.arm
    if test.measure == EQUIVALENT:
        return arm or "multiple of real data"
    if test.unit == LEVEL:
        return f"{arm}, {Metric.parse(test.measure).place}"
    return f"{arm} {'−' if test.unit == DIFFERENCE else '/'} {test.other}"


def arms_of(sweep: Sweep, test: Test) -> list[tuple[Arm, Arm | None]]:
    """The arms that a test names, each with the one that it is compared with.

    Raises:
        InputError: The sweep has none of that name, or it is compared with itself.
    """
    arms = sweep.arms()
    with of_file(f"{sweep.path}, claimed of {test.arm!r}"):
        other = None if test.other is None else sweep.find(arms, test.other)
        found = [a for a in arms if fnmatchcase(a.label, test.arm) and a is not other]
        found = found or [sweep.find(arms, test.arm)]
        if other in found:
            raise InputError(f"{test.other!r} is compared with itself; expected another arm")
    if test.name is not None and len(found) > 1:
        raise InputError(
            f"name={test.name!r}: the pattern {test.arm!r} is of {len(found)} arms; expected one"
        )
    return [(arm, other) for arm in found]
