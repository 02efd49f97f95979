"""What an interval says of a claim: confirmed, refuted, or undecided.

"Above" and "below" are claims of an effect: confirmed where the interval leaves out the null on the claimed
side, however small the effect may be; else refuted where it leaves out every effect on that side as large as
a margin, the smallest that would matter. "Not above" and "not below" are claims that there is no effect as
large as the margin: confirmed where the whole interval lies short of the margin (non-inferiority: Schuirmann,
Journal of Pharmacokinetics and Biopharmaceutics 15, 1987), refuted only where the whole interval lies at it
or beyond. One that merely holds the null confirms nothing, and one that leaves it out refutes nothing.

With an interval that misses its truth to either side with probability 2.5 %, so often at most is: an effect
confirmed that is none or on the other side; one as large as the margin refuted; "not" confirmed of such a
one, or refuted of a smaller one; a number confirmed "within" that is not. One that is within is refuted with
probability 5 % at most; so is any such error made among several numbers whose intervals hold at once.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from align.analysis.statistics.intervals import Interval
from align.errors import InputError, check_numbers

CONFIRMED, REFUTED, UNDECIDED = "confirmed", "refuted", "undecided"
Claimed = Literal["above", "below", "not above", "not below", "within"]
"""What is claimed of a number."""


@dataclass(frozen=True)
class Rule:
    """What is claimed of a number, and what would settle it.

    Args:
        claimed: Above or below `null`; not above or below it by `margin` or more; or within `ends`.
        null: The number that says "no effect": 0 of a difference, 1 of a ratio, chance of an accuracy.
        margin: The smallest effect that would matter, in the number's own unit; of `ends` the factor,
            above 1, by which the number may miss them.
        ends: The two ends that the number is claimed to lie between, above 0; None of other claims.

    Raises:
        InputError: No such claim, a margin that is none, or ends that are none.
    """

    claimed: Claimed
    null: float = 0.0
    margin: float = 0.0
    ends: tuple[float, float] | None = None

    def __post_init__(self):
        if self.claimed not in get_args(Claimed):
            raise InputError(f"claimed={self.claimed!r}: expected one of {', '.join(get_args(Claimed))}")
        within = self.claimed == "within"
        if within != (self.ends is not None):
            raise InputError(
                f"claimed={self.claimed!r}, ends={self.ends}: ends are of a claim 'within' alone"
            )
        check_numbers("(1, 1e6]" if within else "(0, 1e6]", margin=self.margin)
        check_numbers("[-1e6, 1e6]", null=self.null)
        if within and not 0 < self.ends[0] <= self.ends[1]:
            raise InputError(f"ends={list(self.ends)}: expected two numbers above 0 in increasing order")

    @property
    def allowed(self) -> tuple[float, float]:
        """Between which numbers a claim "within" holds: its ends, a margin further out."""
        return self.ends[0] / self.margin, self.ends[1] * self.margin

    @property
    def where(self) -> tuple[float, float]:
        """Between which numbers the claim says that it lies: an interval all within confirms it."""
        if self.claimed == "within":
            return self.allowed
        edge = self.threshold if self.claimed.startswith("not") else self.null
        up = self.claimed in ("above", "not below")
        return (edge, np.inf) if up else (-np.inf, edge)

    @property
    def threshold(self) -> float:
        """The smallest effect that would matter, on the side that the claim is about."""
        return self.null - self.margin if self.claimed.endswith("below") else self.null + self.margin


def verdict(interval: Interval, rule: Rule) -> str:
    """`CONFIRMED`, `REFUTED` or `UNDECIDED`, by an interval whose ends are known."""
    _, low, high = interval
    if np.isnan([low, high]).any():
        return UNDECIDED
    if rule.claimed == "within":
        least, most = rule.allowed
        if least <= low and high <= most:
            return CONFIRMED
        return REFUTED if high < least or low > most else UNDECIDED
    null, threshold = rule.null, rule.threshold
    if rule.claimed.endswith("below"):
        low, high, null, threshold = -high, -low, -null, -threshold
    if rule.claimed.startswith("not"):
        return CONFIRMED if high < threshold else REFUTED if low >= threshold else UNDECIDED
    return CONFIRMED if low > null else REFUTED if high < threshold else UNDECIDED


def together(verdicts: Iterable[str], every: bool = True) -> str:
    """The verdict on a claim about several numbers.

    It is wrong at most as often as one of their intervals misses: in 5 % where all hold at once with 95 %; in
    more where those of several sweeps or measures, which hold at once within each alone, come together.

    Args:
        verdicts: That on each number.
        every: The claim is about every one of them; else about one at least.
    """
    found = list(verdicts)
    one, all_ = (REFUTED, CONFIRMED) if every else (CONFIRMED, REFUTED)
    if one in found:
        return one
    return all_ if found and all(v == all_ for v in found) else UNDECIDED
