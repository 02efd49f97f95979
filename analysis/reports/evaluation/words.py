"""What was found, in plain words: what is shown, what is not, and how many more trials would show it."""

from collections.abc import Sequence

from align.analysis.reports.evaluation.findings import Difference, Finding, Findings
from align.analysis.statistics.intervals import Interval, decimals, minus

ROUGH = "The difference seen is itself uncertain: take that as a rough guide."
MANY = 100  # trainings an arm, of which nobody needs a more exact number


class Words:
    """Writes about findings: success rates in percent, scores as they are.

    Args:
        findings: What was found.
        binary: Outcomes are successes and failures.
        skipped: Rows that had no outcome.
    """

    def __init__(self, findings: Findings, binary: bool, skipped: int = 0):
        self.findings, self.binary, self.skipped = findings, binary, skipped
        self.single = all(len(found.arm.table) == 1 for found in findings.arms)
        self.level = f"{100 * findings.level:g} %"

    def paragraphs(self) -> list[str]:
        """All of it."""
        said = [" ".join(self._arm(found) for found in self.findings.arms)]
        said += [self._difference(f, f.difference) for f in self.findings.arms if f.difference is not None]
        if self.findings.comparisons > 1:
            said.append(self._best())
        return [*said, " ".join(self._not_shown())]

    def _arm(self, found: Finding) -> str:
        trainings, trials = found.arm.table.shape
        over = f"{found.arm.tried} trials"
        again = found.arm.tried > found.arm.table.size
        if trainings > 1:
            over += f" ({trials}{' starts' * again} of each of {trainings} trainings)"
        elif again:
            over = f"{trials} starts ({over})"
        level = f"{self.level} interval" if found is self.findings.arms[0] else "interval"
        mean = amount(found.interval.value, self.binary)
        ends = f"({level} {span(found.interval, self.binary)})"
        if self.binary:
            return f"{found.arm.name} succeeded in {int(found.arm.table.sum())} of {over}: {mean} {ends}."
        return f"{found.arm.name} scored {mean} on average over {over} {ends}."

    def _difference(self, found: Finding, difference: Difference) -> str:
        findings, interval, value = self.findings, difference.simultaneous, difference.single.value
        several = findings.comparisons > 1
        where = "Over trials from starts of their own"
        if findings.paired:
            where = f"On the {findings.paired} starts that " + ("all arms share" if several else "both tried")
        way = "better" if value > 0 else "worse"
        how = f"{points(abs(value), self.binary)} {way} than" if value else "as well as"
        held = f"{self.level} interval of the difference {signed_span(interval, self.binary)}"
        if several:
            number = "both" if findings.comparisons == 2 else f"all {findings.comparisons}"
            held += f", wide enough for {number} comparisons at once"
        said = [f"{where}, {found.arm.name} did {how} {findings.reference} ({held})."]
        if difference.settled:
            near, far = sorted(map(abs, interval[1:]))
            said.append(f"So it is shown that {found.arm.name} is {way}.")
            if near < far / 2:
                said.append(f"By how much is less sure: it may be as little as {points(near, self.binary)}.")
            return " ".join(said)
        said.append("Which of them is better is not shown; nor is it shown that they are alike.")
        if difference.detectable < 1:
            least = points(difference.detectable, self.binary)
            said.append(f"Trials like these find a true difference of {least} four times in five.")
        else:
            said.append("So few trials find no difference reliably, however large.")
        return " ".join([*said, self._more(difference)])

    def _more(self, difference: Difference) -> str:
        """How many more trials would show what was seen."""
        if difference.single.value == 0:
            return "No difference was seen, so none to plan for; align plan takes one that would matter."
        paired = self.findings.paired
        now = paired or min(found.arm.table.shape[1] for found in self.findings.arms)
        what = ("shared starts" if paired else "trials an arm") + ("" if self.single else " of each training")
        supposed = (
            f"If the true difference is the {points(abs(difference.single.value), self.binary)} seen here,"
        )
        if difference.trials is not None and difference.trials <= now:
            return f"{supposed} as many {what} again would most likely show it. {ROUGH}"
        if difference.trials is None:
            said = f"{supposed} no number of {what} shows it with so few trainings"
        else:
            said = f"{supposed} about {difference.trials} {what} show it four times in five"
            said += f", {difference.trials - now} more than now"
        if difference.trainings is not None:
            number = f"about {difference.trainings}" if difference.trainings <= MANY else f"more than {MANY}"
            said += f"; {number} trainings an arm do, on the {now} there are"
        return f"{said}. {ROUGH}"

    def _best(self) -> str:
        members = [found.arm.name for found in self.findings.arms if found.may_be_best]
        if len(members) == 1:
            return (
                f"By comparisons in one direction, which show more than those above, {members[0]} alone "
                "may be the best of all arms."
            )
        return f"Which arm is the best is not shown: it may be {listed(members, 'or')}."

    def _not_shown(self) -> list[str]:
        if self.findings.lone and not self.single:
            said = [
                "All this is of the trainings that were tried: no arm of several had both successes and "
                "failures, so that nothing here says how another training of the same method does."
            ]
        elif self.findings.lone:
            them = "these policies as they are" if self.findings.comparisons else "this policy as it is"
            said = [
                f"All this is of {them}, one training each: another training of the same method may do "
                "better or worse, and nothing here says by how much."
            ]
        else:
            said = [
                "Trainings and starts are taken as samples: this is of the methods, not of single policies."
            ]
        if self.findings.aside:
            said.append(
                f"The trainings of {listed(self.findings.aside)} differ far more than those of the other "
                "arms, and are judged by themselves alone."
            )
        said.append("And it is of starts like those that were tried, on this robot as it was then.")
        if not self.findings.paired and self.findings.comparisons:
            said.append("Trying all arms from the same starts would show more with as many trials.")
        if self.skipped:
            rows = "1 row was" if self.skipped == 1 else f"{self.skipped} rows were"
            said.append(
                f"{rows} left out for want of an outcome: that is right only if how the trial went had "
                "nothing to do with it."
            )
        return said


def listed(names: Sequence[str], last: str = "and") -> str:
    """`a`, `a and b`, `a, b and c`."""
    return f" {last} ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def amount(value: float, binary: bool) -> str:
    """A rate in percent, or a score."""
    return f"{100 * value:.0f} %" if binary else f"{value:.2f}"


def span(interval: Interval, binary: bool) -> str:
    """From end to end; an end that is not 0 is not written as 0."""
    scale, digits, unit = (100, 0, " %") if binary else (1, 2, "")
    return " to ".join(decimals(scale * end, digits) for end in interval[1:]) + unit


def points(value: float, binary: bool) -> str:
    """The size of a difference."""
    if not binary:
        return decimals(value, 2)
    text = decimals(100 * value, 0)
    return f"{text} percentage point{'s' * (text != '1')}"


def signed_span(interval: Interval, binary: bool) -> str:
    """Both ends of a difference, with their signs; an end that is not 0 is not written as 0."""
    scale, digits, unit = (100, 0, " points") if binary else (1, 2, "")
    return " to ".join(minus(decimals(scale * end, digits, "+")) for end in interval[1:]) + unit
