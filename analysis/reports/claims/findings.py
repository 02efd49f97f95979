"""What recorded sweeps say of claims: estimates that hold all at once, and verdicts by them.

All comparisons that the claims make in one sweep and measure are one family, whose intervals hold at once: of
differences on shared trials by the max-t of `simultaneous`, of probes, ratios and multiples by Bonferroni.
They hold so per sweep and measure, not per claim: a claim over several sweeps or measures rests on several
families, each of which may miss with probability 5 %.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from scipy.special import ndtri

from align.analysis.figures.plateau import Alone, Curve
from align.analysis.reports import plateau
from align.analysis.reports.claims.declared import EQUIVALENT, NAMED, Claim, Test
from align.analysis.reports.claims.earlier import found_earlier
from align.analysis.reports.claims.finding import Finding, arms_of, metric_of, words_of
from align.analysis.reports.sweep import Arm, Metric, Sweep
from align.analysis.reports.sweep.comparisons import compare, detectable
from align.analysis.reports.sweep.kept import is_kept, is_sweep
from align.analysis.reports.sweep.regime import of_regime
from align.analysis.statistics.equivalent import equivalent
from align.analysis.statistics.intervals import LEVEL as CONFIDENCE
from align.analysis.statistics.intervals import Interval
from align.analysis.statistics.plateau import fit_plateau
from align.analysis.statistics.trials.power import POWER
from align.run.layout import POINT


def find(claims: Sequence[Claim], folder: str | os.PathLike) -> list[list[Finding]]:
    """What the sweeps in a folder say of each claim's comparisons; a pattern of arms becomes several.

    Raises:
        InputError: A sweep of today's regime lacks an arm that a claim names, or a sweep cannot be read.
    """
    found: dict[int, list[Finding]] = {}
    families: dict[tuple[str, str, str], list[Test]] = {}
    for claim in claims:
        for test in claim.tests:
            families.setdefault((test.sweep, _family_of(test.measure), test.unit), []).append(test)
    sweeps: dict[str, Sweep | None] = {}
    for (name, *_), tests in families.items():
        path = Path(folder) / name
        if name not in sweeps:
            sweeps[name] = Sweep(path) if is_sweep(path) else None
        for test, findings in zip(tests, _family(sweeps[name], tests), strict=True):
            found[id(test)] = findings
    return [[finding for test in claim.tests for finding in found[id(test)]] for claim in claims]


def _family_of(measure: str) -> str:
    """What measures of one family have in common: of probes and the like the site does not matter."""
    if measure in (*NAMED, EQUIVALENT) or (metric := Metric.parse(measure)).by_trial:
        return measure
    return f"{metric.kind} {metric.name}"


def _family(sweep: Sweep | None, tests: Sequence[Test]) -> list[list[Finding]]:
    """The findings of one sweep and measure."""
    if sweep is None:
        return [[Finding(test, words_of(test))] for test in tests]
    if not all(_of_regime(sweep.path, test.regime) for test in tests):
        return [found_earlier(sweep, test) for test in tests]
    if tests[0].measure == EQUIVALENT:
        return [_multiples(sweep, test) for test in tests]
    arms = [arms_of(sweep, test) for test in tests]
    pairs = [(test, *pair) for test, some in zip(tests, arms, strict=True) for pair in some]
    measured = iter(_measured(sweep, pairs))
    return [[next(measured) for _ in some] for some in arms]


def _of_regime(path: Path, settings: Mapping[str, object]) -> bool:
    """Whether a sweep has its runs, or kept their trials, and they had these settings."""
    return (is_kept(path) or any(path.glob(f"*/{POINT}"))) and of_regime(path, settings)


def _measured(sweep: Sweep, pairs: Sequence[tuple[Test, Arm, Arm | None]]) -> list[Finding]:
    """Findings that hold all at once."""
    level = 1 - (1 - CONFIDENCE) / len(pairs)
    differences = [(arm, other) for _, arm, other in pairs if other is not None]
    compared = iter(())
    metric = metric_of(sweep, pairs[0][0].measure)
    if metric.by_trial and differences:
        at_once = compare(sweep, differences, metric)
        level, compared = at_once.each_level, iter(at_once.pairs)
    found = []
    for test, arm, other in pairs:
        pair = next(compared) if metric.by_trial and other is not None else None
        words, metric = words_of(test, arm.label), metric_of(sweep, test.measure)
        behind = [sweep.estimate(a.runs, metric) for a in (arm, other) if a is not None]
        if any(estimate is None for estimate in behind):
            found.append(Finding(test, words))
            continue
        trainings = min(len(estimate.runs) for estimate in behind)
        lone, trials = any(e.lone for e in behind), min(e.trials for e in behind)
        most = None
        if other is None:
            wide, single = sweep.estimate(arm.runs, metric, level).interval, behind[0].interval
            most = _resolved(wide, level)
        elif metric.by_trial:
            wide, single, lone = (pair.simultaneous, pair.single, pair.lone) if pair else (None, None, lone)
            most = detectable(sweep, [(arm, other)], metric, level)
        else:
            wide, single = (sweep.ratio(arm.runs, other.runs, metric, x) for x in (level, CONFIDENCE))
            most = wide and _factor(wide, level)
        found.append(Finding(test, words, wide, single, trainings, trials, lone, most))
    return found


def _multiples(sweep: Sweep, test: Test) -> list[Finding]:
    """Of each |D_real|, the multiple of it that alone does as well as the plateau of co-training.

    One with fewer sizes than a plateau needs is not measured yet, as are all without real data alone.
    """
    if not plateau.applies(sweep):
        return [Finding(test, words_of(test))]
    metric = metric_of(sweep, "success")
    curves, alone = plateau.read(sweep, metric)
    if not curves:
        return [Finding(test, words_of(test))]
    fitted = [curve for curve in curves if curve.fit is not None]
    found, level = [], 1 - (1 - CONFIDENCE) / max(len(fitted), 1)
    for curve in curves:
        words = f"{curve.real} real demonstrations"
        if alone is None or curve.fit is None:
            found.append(Finding(test, words))
            continue
        wide, single = (_multiple(curve, alone, x) for x in (level, CONFIDENCE))
        trainings = min(len(runs) for runs in (*curve.runs, *alone.runs))
        trials = sweep.outcomes(list(sweep.frame["run"]), metric).shape[1]
        lone = not np.isfinite(curve.cells.freedom)
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
