"""Coverage of means, rates and differences over trainings and trials."""

from collections.abc import Iterable, Sequence
from itertools import product

import numpy as np
from scipy.special import stdtrit

from align.analysis.statistics.intervals import Interval
from align.analysis.statistics.trials import crossed
from align.analysis.statistics.trials.coverage.simulated import Scatter, arms_in_unit, dominated, scores
from align.analysis.statistics.trials.rates import rate, rate_difference
from align.seeding import numpy_rng

TRAININGS, TRIALS = (2, 3, 5), (50, 150, 300)
BOOTSTRAPPED, DRAWS = 1000, 1000  # tables, and draws of each
SHARES = {"trials": 0.05, "both": 0.5, "trainings": 0.95}
LATENT = {
    "trials": Scatter(0.003, 0.5, 0.497),
    "both": Scatter(0.02, 0.3, 0.68),
    "trainings": Scatter(0.1, 0.1, 0.8),
}
RATES = (0.02, 0.05, 0.1, 0.3, 0.5, 0.7, 0.9, 0.95, 0.98)
PAIRS = ((0.02, 0.02), (0.1, 0.05), (0.3, 0.1), (0.5, 0.5), (0.7, 0.5), (0.95, 0.9), (0.98, 0.98))
FEW_PAIRS = ((0.1, 0.1), (0.3, 0.3), (0.5, 0.5), (0.7, 0.5), (0.9, 0.7), (0.9, 0.9))
COMMON = {"nothing": 0.0, "half": 0.5, "all": 1.0}
"""Share of the trials' variance that two policies have in common."""
RECORDED = Scatter(0.033, 0.1, 0.15)  # trainings as recorded of the pushing benchmark's target


def table(titles: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table; floats to three digits."""
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join("| " + " | ".join(cell(x) for x in line) + " |" for line in lines) + "\n"


def cell(x: object) -> str:
    return f"{x:.3f}".lstrip("0") if isinstance(x, float) and abs(x) < 1 else f"{x}"


def _held(found: Interval, truth: float) -> float:
    return float(np.mean((found.low <= truth) & (truth <= found.high)))


def _extremes(cells: Sequence[float]) -> str:
    outside = [sum(c < 0.93 for c in cells), sum(c > 0.97 for c in cells)]
    counted = f"{outside[0]} below .93 and {outside[1]} above .97, of {len(cells)}"
    return f"\nCoverage from {cell(min(cells))} to {cell(max(cells))}; {counted}.\n"


def means(repeats: int = 4000) -> str:
    """Means of unbounded scores, by three critical values and by a bootstrap."""
    rows = []
    for trainings, trials, (name, share) in product(TRAININGS, TRIALS, SHARES.items()):
        rng = numpy_rng(0, "coverage of means", trainings, trials, round(100 * share))
        s = dominated(share, trainings, trials)
        values = scores(rng, repeats, trainings, trials, s)
        found, c = crossed.mean(values), crossed.components(values)
        parts = [(x / (trainings * trials)) for x in (c.ms_training, c.ms_trial, c.ms_rest)]
        df = (trainings - 1, trials - 1, (trainings - 1) * (trials - 1))
        satterthwaite = found.variance**2 / sum(p**2 / d for p, d in zip(parts, df, strict=True))
        half = stdtrit(np.maximum(satterthwaite, 1), 0.975) * np.sqrt(found.variance)
        square = s.training**2 + s.rest**2 / trials
        pool = crossed.Between(square * rng.chisquare(17, repeats) / 17, s.rest**2 / trials, 17)
        pooled = crossed.mean(values, pool).interval()
        true = 1.96 * np.sqrt(s.training**2 / trainings + (s.trial**2 + s.rest**2 / trainings) / trials)
        own = found.interval()
        widths = [float(np.median(i.high - i.low) / (2 * true)) for i in (own, pooled)]
        naive = _held(Interval(found.value, found.value - half, found.value + half), 0.0)
        drawn = _held(_bootstrap(values[:BOOTSTRAPPED], rng), 0)
        held = (_held(own, 0), naive, _held(pooled, 0), drawn)
        rows.append([trainings, trials, name, *held, *(f"{w:.2f}" for w in widths)])
    titles = (
        "trainings",
        "trials",
        "dominating",
        "own",
        "Satterthwaite",
        "pooled",
        "bootstrap",
        "width own",
        "width pooled",
    )
    own, naive, pooled = ([row[i] for row in rows] for i in (3, 4, 5))
    return table(titles, rows) + "".join(
        f"\n{name.capitalize()}: {_extremes(cells).strip()}\n"
        for name, cells in (("own", own), ("Satterthwaite", naive), ("pooled", pooled))
    )


def _bootstrap(values: np.ndarray, rng: np.random.Generator) -> Interval:
    """Percentile intervals of means of `values` (tables, trainings, trials), of which both are drawn anew.

    One set of draws serves all tables.
    """
    trainings, trials = values.shape[1:]
    weight = [rng.multinomial(n, np.full(n, 1 / n), DRAWS) / n for n in (trainings, trials)]
    means = np.einsum("rtk,dt,dk->rd", values, *weight, optimize=True)
    return Interval(values.mean((1, 2)), *np.quantile(means, (0.025, 0.975), axis=1))


def _pool(arms: Sequence[np.ndarray]) -> crossed.Between:
    return crossed.between_trainings(arms, relative=True)


def rates_alone(partial: bool, repeats: int = 2000) -> str:
    """Rates or scores of one arm by its own trainings."""
    rows = []
    for trainings, trials, (name, s) in product(TRAININGS, TRIALS, LATENT.items()):
        row = []
        for truth in RATES:
            rng = numpy_rng(1, f"coverage of rates {name} {partial}", trainings, trials, round(100 * truth))
            (values,) = arms_in_unit(rng, [truth], repeats, trainings, trials, s, partial)
            row.append(_held(rate(values), truth))
        rows.append([trainings, trials, name, *row])
    cells = [x for row in rows for x in row[3:]]
    return table(("trainings", "trials", "dominating", *map(cell, RATES)), rows) + _extremes(cells)


def rates_pooled(partial: bool, repeats: int = 1000) -> str:
    """Rates or scores of an arm, one or two trainings, scatter pooled over eight others of two."""
    rows = []
    for trainings, trials, (name, s) in product((1, 2), TRIALS, LATENT.items()):
        row = []
        for truth in RATES:
            rng = numpy_rng(2, f"coverage of pooled {name} {partial}", trainings, trials, round(100 * truth))
            others = [float(np.clip(truth + d, 0.03, 0.97)) for d in np.linspace(-0.2, 0.2, 8)]
            arms = arms_in_unit(rng, [truth, *others], repeats, 2, trials, s, partial)
            row.append(_held(rate(arms[0][:, :trainings], _pool(arms[1:])), truth))
        rows.append([trainings, trials, name, *row])
    cells = [x for row in rows for x in row[3:]]
    return table(("trainings", "trials", "dominating", *map(cell, RATES)), rows) + _extremes(cells)


def differences(partial: bool, repeats: int = 1500) -> str:
    """Paired differences of rates or scores, by the two arms' scatter and by that of eight."""
    rows = []
    for trainings, trials, (name, s) in product((2, 3), TRIALS[:2], LATENT.items()):
        own, pooled = [], []
        for a, b in PAIRS:
            rng = numpy_rng(3, f"coverage of differences {name} {partial} {a} {b}", trainings, trials)
            others = [float(x) for x in np.clip(np.linspace(b - 0.1, a + 0.1, 6), 0.03, 0.97)]
            arms = arms_in_unit(rng, [a, b, *others], repeats, trainings, trials, s, partial)
            own.append(_held(rate_difference(arms[0], arms[1]), a - b))
            pooled.append(_held(rate_difference(arms[0], arms[1], _pool(arms)), a - b))
        rows += [[trainings, trials, name, "own", *own], [trainings, trials, name, "pooled", *pooled]]
    pairs = [f"{cell(a)} − {cell(b)}" for a, b in PAIRS]
    cells = [x for row in rows for x in row[4:]]
    return table(("trainings", "trials", "dominating", "scatter", *pairs), rows) + _extremes(cells)


def few_shared(repeats: int = 4000) -> str:
    """Paired differences of the scores of two policies, one training each, on few shared trials."""
    rows = []
    for trials, (name, common) in product((2, 3, 5, 10, 20, 30, 50), COMMON.items()):
        held = []
        for a, b in FEW_PAIRS:
            rng = numpy_rng(3, f"coverage of few shared trials {name} {a} {b}", trials)
            arms = arms_in_unit(rng, [a, b], repeats, 1, trials, Scatter(0, 0.6, 0.4), True, common)
            held.append(_held(rate_difference(*arms), a - b))
        rows.append([trials, name, *held])
    pairs = [f"{cell(a)} − {cell(b)}" for a, b in FEW_PAIRS]
    cells = [x for row in rows for x in row[2:]]
    return table(("trials", "in common", *pairs), rows) + _extremes(cells)
