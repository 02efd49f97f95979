"""What recorded sweeps say of claims: estimates that hold all at once, and verdicts by them.

All comparisons that the claims make in one sweep and measure are one family, whose intervals hold at once: of
differences on shared trials by the max-t of `simultaneous`, of probes, ratios and multiples by Bonferroni.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np
from scipy.special import ndtri

from align.analysis.figures.plateau import Alone, Curve
from align.analysis.reports import plateau
from align.analysis.reports.claims.declared import DIFFERENCE, EQUIVALENT, LEVEL, NAMED, Claim, Test
from align.analysis.reports.sweep import Arm, Metric, Sweep
from align.analysis.reports.sweep.comparisons import compare, detectable
from align.analysis.reports.sweep.kept import is_kept
from align.analysis.reports.sweep.regime import of_regime
from align.analysis.statistics.equivalent import equivalent
from align.analysis.statistics.intervals import LEVEL as CONFIDENCE
from align.analysis.statistics.intervals import Interval
from align.analysis.statistics.plateau import Cells, fit_plateau
from align.analysis.statistics.trials.power import POWER
from align.analysis.statistics.verdict import UNDECIDED, together, verdict
from align.errors import InputError
from align.run.layout import POINT, RESULTS
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
    """The verdict on a claim: whether it holds of every comparison, or of one at least."""
    found = [finding.verdict for finding in findings]
    return NOT_YET if set(found) == {NOT_YET} else together(found, claim.every)


def find(claims: Sequence[Claim], folder: str | os.PathLike) -> list[list[Finding]]:
    """What the sweeps in a folder say of each claim's comparisons; a pattern of arms becomes several.

    Raises:
        InputError: A sweep of today's regime lacks an arm that a claim names, or a sweep cannot be read.
    """
    found: dict[int, list[Finding]] = {}
    families: dict[tuple[str, str], list[Test]] = {}
    for claim in claims:
        for test in claim.tests:
            families.setdefault((test.sweep, _family_of(test.measure)), []).append(test)
    sweeps: dict[str, Sweep | None] = {}
    for (name, _), tests in families.items():
        path = Path(folder) / name
        if name not in sweeps:
            sweeps[name] = Sweep(path) if path.is_dir() and _is_sweep(path) else None
        for test, findings in zip(tests, _family(sweeps[name], tests), strict=True):
            found[id(test)] = findings
    return [[finding for test in claim.tests for finding in found[id(test)]] for claim in claims]


def _family_of(measure: str) -> str:
    """What measures of one family have in common: of probes and the like the site does not matter."""
    if measure in (*NAMED, EQUIVALENT) or (metric := Metric.parse(measure)).by_trial:
        return measure
    return f"{metric.kind} {metric.name}"


def _is_sweep(path: Path) -> bool:
    return (path / RESULTS).is_file() or any(path.glob(f"*/{POINT}"))


def _family(sweep: Sweep | None, tests: Sequence[Test]) -> list[list[Finding]]:
    """The findings of one sweep and measure."""
    if sweep is None:
        return [[Finding(test, _words(test))] for test in tests]
    if not all(_of_regime(sweep.path, test.regime) for test in tests):
        return [_earlier(sweep, test) for test in tests]
    if tests[0].measure == EQUIVALENT:
        return [_multiples(sweep, test) for test in tests]
    arms = [_arms(sweep, test) for test in tests]
    pairs = [(test, *pair) for test, some in zip(tests, arms, strict=True) for pair in some]
    measured = iter(_measured(sweep, pairs))
    return [[next(measured) for _ in some] for some in arms]


def _of_regime(path: Path, settings: Mapping[str, object]) -> bool:
    """Whether a sweep has its runs, or kept their trials, and they had these settings."""
    return (is_kept(path) or any(path.glob(f"*/{POINT}"))) and of_regime(path, settings)


def _metric(sweep: Sweep, measure: str) -> Metric:
    if measure not in NAMED:
        return Metric.parse(measure)
    name = sweep.success if measure == "success" else measure
    return Metric(NAMED[measure], sweep.target or "none", name)


def _words(test: Test, arm: str | None = None) -> str:
    """What is compared."""
    if test.name is not None:
        return test.name
    arm = arm or test.arm
    if test.measure == EQUIVALENT:
        return arm or "multiple of real data"
    if test.unit == LEVEL:
        return f"{arm}, {Metric.parse(test.measure).place}"
    return f"{arm} {'−' if test.unit == DIFFERENCE else '/'} {test.other}"


def _arms(sweep: Sweep, test: Test) -> list[tuple[Arm, Arm | None]]:
    """The arms that a test names, each with the one that it is compared with."""
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


def _measured(sweep: Sweep, pairs: Sequence[tuple[Test, Arm, Arm | None]]) -> list[Finding]:
    """Findings that hold all at once."""
    level = 1 - (1 - CONFIDENCE) / len(pairs)
    differences = [(arm, other) for _, arm, other in pairs if other is not None]
    compared = iter(())
    metric = _metric(sweep, pairs[0][0].measure)
    if metric.by_trial and differences:
        at_once = compare(sweep, differences, metric)
        level, compared = at_once.each_level, iter(at_once.pairs)
    found = []
    for test, arm, other in pairs:
        words, metric = _words(test, arm.label), _metric(sweep, test.measure)
        behind = [sweep.estimate(a.runs, metric) for a in (arm, other) if a is not None]
        if any(estimate is None for estimate in behind):
            next(compared, None)
            found.append(Finding(test, words))
            continue
        trainings = min(len(estimate.runs) for estimate in behind)
        lone, trials = any(e.lone for e in behind), min(e.trials for e in behind)
        most = None
        if other is None:
            wide, single = sweep.estimate(arm.runs, metric, level).interval, behind[0].interval
            most = _resolved(wide, level)
        elif metric.by_trial:
            pair = next(compared)
            wide, single, lone = (pair.simultaneous, pair.single, pair.lone) if pair else (None, None, lone)
            most = detectable(sweep, [(arm, other)], metric, level)
        else:
            wide, single = (sweep.ratio(arm.runs, other.runs, metric, x) for x in (level, CONFIDENCE))
            most = wide and _factor(wide, level)
        found.append(Finding(test, words, wide, single, trainings, trials, lone, most))
    return found


def _multiples(sweep: Sweep, test: Test) -> list[Finding]:
    """Of each |D_real|, the multiple of it that alone does as well as the plateau of co-training."""
    metric = _metric(sweep, "success")
    curves, alone = plateau.read(sweep, metric)
    curves = [curve for curve in curves if curve.fit is not None]
    if alone is None or not curves:
        return [Finding(test, _words(test))]
    found, level = [], 1 - (1 - CONFIDENCE) / len(curves)
    for curve in curves:
        wide, single = (_multiple(curve, alone, x) for x in (level, CONFIDENCE))
        trainings = min(len(runs) for runs in (*curve.runs, *alone.runs))
        trials = sweep.outcomes(list(sweep.frame["run"]), metric).shape[1]
        lone = not np.isfinite(curve.cells.freedom)
        words = f"{curve.real} real demonstrations"
        most = _factor(wide, level)
        found.append(Finding(test, words, wide, single, trainings, trials, lone, most))
    return found


def _multiple(curve: Curve, alone: Alone, level: float) -> Interval:
    top = fit_plateau(curve.sizes, curve.cells, level).plateau
    return Interval(*map(float, equivalent(top, curve.real, alone.sizes, alone.cells, level)))


def _resolved(interval: Interval, level: float) -> float | None:
    """The effect found with probability 80 %, by the wider side of an interval, as of a normal one."""
    wider = max(interval.high - interval.value, interval.value - interval.low)
    return float(wider * (1 + ndtri(POWER) / ndtri((1 + level) / 2))) if np.isfinite(wider) else None


def _factor(interval: Interval, level: float) -> float | None:
    """The same of a ratio, as a factor."""
    if not 0 < interval.low <= interval.high < np.inf:
        return None
    found = _resolved(Interval(*map(float, np.log(interval))), level)
    return None if found is None else float(np.exp(found))


def _earlier(sweep: Sweep, test: Test) -> list[Finding]:
    """What a sweep of another regime, or without its trials, gave: means of runs, which have no interval."""
    if test.measure == EQUIVALENT:
        return _earlier_multiples(sweep, test)
    try:
        pairs = _arms(sweep, test)
    except InputError:  # it need not have had today's arms
        return [Finding(test, _words(test))]
    column, found = str(_metric(sweep, test.measure)), []
    for arm, other in pairs:
        means = [_mean(sweep, a, column) for a in (arm, other) if a is not None]
        value = means[0]
        if other is not None and None not in means:
            value = means[0] - means[1] if test.unit == DIFFERENCE else means[0] / means[1]
        elif None in means:
            value = None
        found.append(Finding(test, _words(test, arm.label), earlier=value))
    return found


def _mean(sweep: Sweep, arm: Arm, column: str) -> float | None:
    if column not in sweep.frame:
        return None
    values = sweep.frame.loc[sweep.frame["run"].isin(arm.runs), column].dropna()
    return float(values.mean()) if len(values) else None


def _earlier_multiples(sweep: Sweep, test: Test) -> list[Finding]:
    """The same where cells are known by their means alone, at the largest |D_sim| that was trained."""
    column, cells = str(_metric(sweep, "success")), {}
    if not set(plateau.AXES) <= set(sweep.axes):
        return [Finding(test, _words(test))]
    for arm in sweep.arms():
        if (mean := _mean(sweep, arm, column)) is not None:
            cells[tuple(int(arm.point[axis]) for axis in plateau.AXES)] = mean
    sizes = np.array(sorted(real for sim, real in cells if sim == 0), float)
    if len(sizes) < 2:
        return [Finding(test, _words(test))]
    means = np.array([cells[0, real] for real in sizes])
    alone = Cells(means, np.full(len(means), 1e-6), np.inf)
    found = []
    for real in sorted({real for sim, real in cells if sim > 0}):
        at = cells[max(sim for sim, r in cells if r == real), real]
        multiple = equivalent(Interval(at, at, at), real, sizes, alone).value
        found.append(Finding(test, f"{real} real demonstrations", earlier=float(multiple)))
    return found
