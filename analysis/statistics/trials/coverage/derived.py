"""Coverage of derived quantities: medians, probes over trainings, aggregates, plateaus."""

from itertools import product

import numpy as np

from align.analysis.statistics.equivalent import equivalent
from align.analysis.statistics.intervals import NORMAL, Interval
from align.analysis.statistics.plateau import fit_plateau, own_luck, pool, shared_luck, widened
from align.analysis.statistics.trials import dispersion
from align.analysis.statistics.trials.aggregates import interquartile_mean, probability_of_improvement
from align.analysis.statistics.trials.coverage.simulated import arms_in_unit
from align.analysis.statistics.trials.coverage.tables import LATENT, table
from align.analysis.statistics.trials.dispersion import over_trainings
from align.analysis.statistics.trials.rates import rate, score_interval
from align.analysis.statistics.trials.resampled import log_medians, median, median_ratio
from align.analysis.statistics.trials.variance_components import of_each_arm
from align.seeding import numpy_rng

SIM, REAL, AT = (
    (0, 20, 60, 200, 600),
    (5, 10, 20, 40, 80, 160),
    20,
)  # sizes of data, and |D_real| of the curve


def medians(repeats: int = 200) -> str:
    """Medians and ratios of roughness over successful trials, scatter pooled over six arms."""
    rows = []
    for trainings, between in product((2, 3), (0.0, 0.1, 0.5)):
        held = []
        for r in range(repeats):
            rng = numpy_rng(9, f"medians {between}", trainings, r)
            hard = rng.normal(0, 0.7, 60)
            own = rng.normal(0, between, (6, trainings, 1)) + rng.normal(0, 0.4, (6, trainings, 60))
            arms = np.exp(hard + own)
            arms[rng.random(arms.shape) < 0.3] = np.nan
            scatter = of_each_arm([log_medians(arm) for arm in arms])
            found = median(arms[0], scatter[0]), median_ratio(arms[0], arms[1], scatter[:2])
            held.append([i.low <= 1 <= i.high for i in found])
        rows.append([trainings, f"{between:g}", *map(float, np.mean(held, axis=0))])
    return table(("trainings", "SD between trainings, log", "median", "ratio of medians"), rows)


def probes(repeats: int = 400) -> str:
    """Statistics with an interval a run, over trainings, scatter pooled over ten arms, one of them wild."""
    rows = []
    for trainings, factor in product((2, 3, 5), (0, 1, 4, 8)):
        held, naive, wild, calm = [], [], [], []
        for r in range(repeats):
            rng = numpy_rng(10, f"probes {factor}", trainings, r)
            deviations = np.geomspace(0.001, 0.3, 10)
            arms = [_probed(rng, deviation, factor, trainings) for deviation in deviations]
            held += _hold(arms)
            for arm in arms:
                values = np.array([run.value for run in arm])
                own = (arm[0].high - arm[0].low) / 2
                half = np.hypot(own, NORMAL * values.std(ddof=1) / np.sqrt(trainings))
                naive.append(abs(values.mean()) <= half)
            arms[r % 10] = _probed(rng, deviations[r % 10], 100 * max(factor, 1), trainings)
            told = _hold(arms)
            wild.append(told.pop(r % 10))
            calm += told
        rows.append([trainings, factor, *(float(np.mean(x)) for x in (held, naive, wild, calm))])
    titles = (
        "variance between trainings / of a run's own interval",
        "pooled",
        "normal quantile, own scatter",
        "an arm that scatters tenfold",
        "the others beside it",
    )
    return table(("trainings", *titles), rows)


def _probed(rng: np.random.Generator, deviation: float, factor: float, trainings: int) -> list[Interval]:
    """Trainings of an arm that differ, beside the luck of the episodes that they share."""
    values = rng.normal(0, deviation) + rng.normal(0, np.sqrt(factor) * deviation, trainings)
    return [Interval(v, v - NORMAL * deviation, v + NORMAL * deviation) for v in values]


def _hold(arms: list[list[Interval]]) -> list[bool]:
    """Whether the interval of each arm holds 0, the truth."""
    found = map(over_trainings, arms, dispersion.of_each_arm(arms))
    return [i.low <= 0 <= i.high for i in found]


def aggregates(repeats: int = 400) -> str:
    """Interquartile means and probabilities of improvement, scatter pooled over six arms of equal truth."""
    rows = []
    for trainings, (name, s) in product((2, 3), LATENT.items()):
        rng = numpy_rng(11, f"aggregates {name}", trainings)
        arms = arms_in_unit(rng, [0.5] * 6, repeats, trainings, 150, s, partial=True)
        held = []
        for r in range(repeats):
            values = [arm[r] for arm in arms]
            own = interquartile_mean(values[0]).interval()
            better = probability_of_improvement(values[0], values[1])
            ends = score_interval(better, 150)
            held.append([own.low <= 0.5 <= own.high, ends.low <= 0.5 <= ends.high])
        rows.append([trainings, name, *map(float, np.mean(held, axis=0))])
    return table(("trainings", "dominating", "interquartile mean", "probability of improvement"), rows)


def plateaus(repeats: int = 300) -> str:
    """What saturating fits say, of scores on trials that all runs share."""
    rows = []
    for trainings, (name, s), (top, half) in product((2, 3), LATENT.items(), ((0.6, 40), (0.45, 60))):
        rng = numpy_rng(12, f"plateaus {name} {top}", trainings)
        truths = [_rise(n, _alone(AT), top, half) for n in SIM[1:]] + [_alone(n) for n in REAL]
        arms = arms_in_unit(rng, truths, repeats, trainings, 150, s, partial=True)
        worth = [_equal(level) / AT for level in (top, truths[3])]
        held = []
        for r in range(repeats):
            tables = [arm[r] for arm in arms]
            cells = pool([t.mean(1) for t in tables], 150, own_luck(tables))
            curve, real = cells.of([4 + REAL.index(AT), 0, 1, 2, 3]), cells.of(range(4, 4 + len(REAL)))
            fit = fit_plateau(SIM, curve)
            plateau = widened(fit.plateau, shared_luck(np.concatenate(tables)))
            largest = rate(tables[3], of_each_arm(tables, relative=True)[3])
            found = [plateau, largest, equivalent(fit.plateau, AT, REAL, real)]
            truth = (top, truths[3], worth[0])
            held.append([i.low <= t <= i.high for i, t in zip(found, truth, strict=True)])
        rows.append([trainings, name, f"{top:g}", *map(float, np.mean(held, axis=0))])
    titles = ("plateau", "at the largest size", "real data that equals the plateau")
    return table(("trainings", "dominating", "true plateau", *titles), rows)


def _alone(n: float) -> float:
    return 0.12 + 0.75 * n / (n + 60)


def _rise(n: float, start: float, top: float, half: float) -> float:
    return start + (top - start) * n / (n + half)


def _equal(level: float) -> float:
    """The size at which real data alone reaches a level."""
    return 60 * (level - 0.12) / (0.75 - (level - 0.12))
