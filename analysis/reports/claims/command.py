"""`align claims`: what was published beside what the recorded sweeps say of it."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from align.analysis.figures import style as figures
from align.analysis.figures.claims import LOGARITHMIC, Row, figure_claims
from align.analysis.reports.claims.declared import (
    DECLARED,
    DIFFERENCE,
    EQUIVALENT,
    NAMED,
    RATIO,
    Claim,
    read_claims,
)
from align.analysis.reports.claims.finding import NOT_YET, Finding, over_all
from align.analysis.reports.claims.findings import find
from align.analysis.reports.sweep import Metric
from align.analysis.reports.sweep.markdown import Markup, plain
from align.analysis.reports.tables import markdown_table, write_csv
from align.analysis.statistics.intervals import Interval, decimals, minus
from align.analysis.statistics.trials.power import in_words
from align.analysis.statistics.verdict import UNDECIDED
from align.errors import InputError
from align.files import write_text

WRITTEN = "claims"
NOTES = (
    "Ours: estimate [interval]; the intervals of all comparisons that the table makes in one sweep and "
    "measure hold at once in 95 % of sweeps. They do so per sweep and measure, not per claim: those of a "
    "claim about several sweeps or measures all hold less often. Differences are on shared trials, with "
    "crossed random effects of trainings and trials; ratios of accelerations are medians on the trials in "
    "which both succeed, where published ones are of two means; multiples of real data are what real data "
    "alone needs to reach the plateau.",
    "An effect (above, below) is **confirmed** where the interval leaves out the null (0; a ratio of 1; "
    "chance) on the claimed side, however small it may be, else **refuted** where it leaves out every effect"
    " on that side as large as the margin. That there is none (not above, not below) is confirmed where the "
    "whole interval lies short of the margin, refuted where the whole interval lies at it or beyond: one "
    "that merely holds 0 confirms nothing, one that merely leaves it out refutes nothing. A multiple is "
    "confirmed where its interval lies within the allowed range, refuted where it lies outside. A claim "
    "about several comparisons holds of every one, where not said otherwise; one that fails refutes it. Else"
    " **undecided**: then the smallest effect that such a sweep tells from none with probability 80 % says "
    "what it could have shown (of ratios a factor; of probes and ratios as of a normal distribution).",
    "**Not measured yet**: no sweep at today's settings has kept its trials, or it has too few sizes for a "
    "plateau. What an *earlier regime* gave stands there without an interval, and decides nothing.",
)
LONE = "†: of these trainings alone, since nothing is known of how trainings of an arm differ: no verdict."


def claims(path: str, out: str | None = None) -> None:
    """Say of published claims whether the recorded sweeps confirm or refute them, or cannot tell.

    Writes claims.md, claims.csv and claims.png. The claims, the arms that test them and the margins that
    decide are declared in claims.yaml.

    Args:
        path: Folder of recorded sweeps, as results, which holds claims.yaml.
        out: Folder to write to; by default the same one.
    """
    for written in report(path, path if out is None else out):
        print(written)
    print(Path(out or path, f"{WRITTEN}.md").read_text(encoding="utf-8").split("\n\n")[0])


def report(path: str | os.PathLike, out: str | os.PathLike) -> list[Path]:
    """Write the tables and the figure of the claims; returns what was written.

    Raises:
        InputError: No claims are declared there, or as in `find`.
    """
    declared, stem = Path(path) / DECLARED, Path(out) / WRITTEN
    if not declared.is_file():
        raise InputError(
            f"path={str(path)!r}: holds no {DECLARED}; expected a folder that declares claims there"
        )
    if Path(out).exists() and not Path(out).is_dir():
        raise InputError(f"out={str(out)!r}: a file; expected a folder to write to")
    stated = read_claims(declared)
    found = list(zip(stated, find(stated, path), strict=True))
    lone = [LONE] if any(f.lone for _, findings in found for f in findings) else []
    parts = [summary(found), details(found), *NOTES, *lone]
    written = [stem.with_suffix(suffix) for suffix in (".md", ".csv", ".png")]
    write_text(written[0], "\n\n".join(part.rstrip("\n") for part in parts) + "\n")
    write_csv(written[1], [row for claim, findings in found for row in records(claim, findings)])
    figures.save(draw(found), written[2])
    return written


Found = Sequence[tuple[Claim, Sequence[Finding]]]


def summary(found: Found) -> str:
    """A row a claim."""
    rows = []
    for claim, findings in found:
        verdict = over_all(claim, findings)
        if verdict == UNDECIDED and (power := _could_find(findings)):
            verdict += f"; {power} would be found in 80 %"
        rows.append({
            "claim": claim.title, "published": _published(claim),
            "ours": Markup("<br>".join(plain(_ours(f, len(findings) > 1)) for f in findings)),
            "verdict": verdict,
        })  # fmt: skip
    return markdown_table(rows)


def details(found: Found) -> str:
    """A row a comparison."""
    rows = []
    for claim, findings in found:
        for i, f in enumerate(findings):
            rows.append({
                "claim": "" if i else claim.title,
                "compared": f.compared, "measure": f.test.measure,
                "claimed": _claimed(f),
                "published": None if f.test.published is None else _range(f.test.published, f.test.unit),
                "ours, all at once": _ours(f, False),
                "by itself": f.single and _number(f.single, f.test.unit),
                "found in 80 %": _effect(f), "trainings": f.trainings or None, "trials": f.trials or None,
                "sweep": f.test.sweep, "verdict": f.verdict,
            })  # fmt: skip
    return markdown_table(rows)


def records(claim: Claim, findings: Sequence[Finding]) -> list[dict[str, object]]:
    """The same with all digits, for `claims.csv`."""
    return [
        {
            "claim": claim.title, "source": claim.source, "verdict on the claim": over_all(claim, findings),
            "sweep": f.test.sweep, "compared": f.compared, "measure": f.test.measure, "unit": f.test.unit,
            "claimed": f.test.rule.claimed, "null": f.test.rule.null, "margin": f.test.rule.margin,
            "published": f.test.published or Interval(np.nan, np.nan, np.nan),
            "ours": f.estimate or Interval(np.nan, np.nan, np.nan),
            "by itself": f.single or Interval(np.nan, np.nan, np.nan),
            "found in 80 %": f.detectable, "trainings": f.trainings, "trials": f.trials, "lone": f.lone,
            "earlier regime": f.earlier, "verdict": f.verdict,
        }
        for f in findings
    ]  # fmt: skip


def draw(found: Found) -> Figure:
    """The figure."""
    rows = [
        Row(
            _heading(claim, findings) if i == 0 else "",
            f.compared + ("" if f.test.measure == "success" else f" ({_measure(f)})"),
            _axis(f), f.test.rule.null, f.test.rule.where,
            f.test.rule.allowed[0] if f.test.rule.ends else f.test.rule.threshold,
            f.test.published, f.estimate, f.single, f.earlier, f.verdict, f.lone,
        )
        for claim, findings in found
        for i, f in enumerate(findings)
    ]  # fmt: skip
    return figure_claims(rows, "What was claimed, and what came out")


def _published(claim: Claim) -> str:
    return " ".join(filter(None, (claim.says, f"({claim.source})")))


def _heading(claim: Claim, findings: Sequence[Finding]) -> str:
    verdict = over_all(claim, findings)
    return claim.title if verdict == NOT_YET else f"{claim.title}: {verdict}"


def _axis(f: Finding) -> str:
    """What the axis of a comparison shows."""
    if f.test.unit == DIFFERENCE:
        return f"Difference in {_measure(f)}"
    return LOGARITHMIC if f.test.unit == RATIO else Metric.parse(f.test.measure).title


def _ours(f: Finding, several: bool) -> str:
    """The estimate; what is missing is said."""
    if f.estimate is not None:
        text = _number(f.estimate, f.test.unit) + ("†" if f.lone else "")
    else:
        text = "—" if f.earlier is None else f"earlier regime {_number(f.earlier, f.test.unit)}"
    what = f.compared + ("" if f.test.measure in ("success", EQUIVALENT) else f", {_measure(f)}")
    return f"{what}: {text}" if several else text


def _measure(f: Finding) -> str:
    return "multiple" if f.test.measure == EQUIVALENT else f.test.measure.rsplit("/", 1)[-1]


def _claimed(f: Finding) -> str:
    """What is claimed and what decides, in numbers."""
    rule = f.test.rule
    if rule.ends is not None:
        low, high = rule.allowed
        return f"within {low:.2f} to {high:.2f}"
    return f"{rule.claimed} {rule.null:g}; margin {rule.margin:g}"


def _effect(f: Finding) -> str | None:
    if f.detectable is None:
        return None
    if f.test.unit == RATIO:
        return f"×{f.detectable:.2f}"
    named = f.test.measure in NAMED  # of outcomes in [0, 1]
    return in_words(f.detectable, 2, 1.0 if named else Metric.parse(f.test.measure).largest)


def _could_find(findings: Sequence[Finding]) -> str:
    """The smallest effects that undecided comparisons could have shown, those of each unit together."""
    effects: dict[tuple[str, str], list[Finding]] = {}
    for f in findings:
        if f.verdict == UNDECIDED and f.detectable:
            effects.setdefault((f.test.unit, _measure(f)), []).append(f)
    texts = []
    for (_, measure), some in effects.items():
        of_size = sorted(some, key=lambda f: f.detectable)
        text = " to ".join(dict.fromkeys((_effect(of_size[0]), _effect(of_size[-1]))))
        texts.append(f"{text} in {measure}" if len(effects) > 1 else text)
    return ", ".join(texts)


def _number(found: Interval | float, unit: str) -> str:
    """A number, with its interval if it has one; infinity is beyond what was tried."""
    if isinstance(found, Interval):
        value, low, high = (_digits(x, unit) for x in found)
        return f"{value} [{low}, {high}]"
    return _digits(found, unit)


def _range(found: Interval, unit: str) -> str:
    ends = [_digits(x, unit) for x in found[1:]]
    return ends[0] if ends[0] == ends[1] else " to ".join(ends)


def _digits(number: float, unit: str) -> str:
    if np.isinf(number):
        return "beyond"
    return minus(decimals(number, 2, "+" if unit == DIFFERENCE else ""))
