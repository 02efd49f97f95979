"""Coverage where trials are few or counted: exact intervals, paired counts, and simulation's help."""

from itertools import product

import numpy as np
from scipy import stats

from align.analysis.statistics.intervals import wilson
from align.analysis.statistics.trials.counts import blaker, clopper_pearson
from align.analysis.statistics.trials.coverage.tables import table
from align.analysis.statistics.trials.paired_counts import Discordant, mcnemar, paired_difference, tango
from align.analysis.statistics.trials.prediction_powered import assisted_difference, assisted_rate
from align.seeding import numpy_rng


def counts() -> str:
    """Intervals of a count, by enumeration over rates."""
    rates, rows = np.linspace(0.005, 0.995, 991), []
    methods = {"Wilson": wilson, "Clopper-Pearson": clopper_pearson, "Blaker": blaker}
    for n, (name, method) in product((20, 50, 100), methods.items()):
        ends = np.array([method(x, n)[1:] for x in range(n + 1)])
        inside = (ends[:, 0] <= rates[:, None]) & (rates[:, None] <= ends[:, 1])
        held = np.sum(stats.binom.pmf(np.arange(n + 1), n, rates[:, None]) * inside, axis=1)
        rows.append([n, name, *map(float, (held.min(), held.mean(), np.mean(ends[:, 1] - ends[:, 0])))])
    return table(("trials", "interval", "least coverage", "mean coverage", "mean width"), rows)


def paired_counts() -> str:
    """Differences of successes on shared starts, by enumeration over rates of wins and of losses."""
    rows = []
    for n in (5, 10, 20, 50):
        cells = np.array([(b, c) for b in range(n + 1) for c in range(n + 1 - b)])
        pairs = [Discordant(int(b), int(c), n) for b, c in cells]
        counted = np.column_stack([cells, n - cells.sum(1)])
        rates = np.linspace(0.02, 0.5, 25)
        equal = [stats.multinomial.pmf(counted, n, (q, q, 1 - 2 * q)) for q in rates]
        some = [(w, v) for w, v in product(np.linspace(0.01, 0.9, 15), repeat=2) if w + v <= 0.99]
        apart = [stats.multinomial.pmf(counted, n, (w, v, 1 - w - v)) for w, v in some]
        p_values = np.array([mcnemar(pair) for pair in pairs])
        for name, method in (("Tango", tango), ("with McNemar", paired_difference)):
            low, high = np.array([method(pair)[1:] for pair in pairs]).T
            shown = (low > 0) | (high < 0)
            held = [p[(low <= w - v) & (w - v <= high)].sum() for (w, v), p in zip(some, apart, strict=True)]
            errors = max(p[shown].sum() for p in equal)
            contrary = int(np.sum(shown != (p_values <= 0.05)))
            rows.append([n, name, *map(float, (errors, min(held), np.mean(held))), contrary])
    titles = ("most errors at equal rates", "least coverage", "mean coverage", "outcomes that p contradicts")
    return table(("starts", "interval", *titles), rows)


def assisted(repeats: int = 1000) -> str:
    """Few trials on the robot, many in simulation, of all kinds of simulation."""
    rows = []
    for n, further in ((10, 100), (20, 200), (20, 1000), (50, 1000)):
        for correlation in (-0.5, 0.0, 0.6, 0.8, 0.95):
            held, ratio = [], []
            for truth, bias in product((0.05, 0.2, 0.5, 0.8, 0.95), (-0.15, 0.05)):
                rng = numpy_rng(6, f"assisted {truth} {bias} {correlation}", n, further)
                runs = [_assisted(rng, n, further, truth, bias, correlation) for _ in range(repeats // 2)]
                found = [assisted_rate(*run) for run in runs]
                held.append(np.mean([f.interval.low <= truth <= f.interval.high for f in found]))
                width = [
                    np.mean([i.high - i.low for i in ends]) for ends in list(zip(*found, strict=True))[:2]
                ]
                ratio.append(width[0] / width[1])
            rng = numpy_rng(7, f"assisted difference {correlation}", n, further)
            two = [
                [_assisted(rng, n, further, p, 0.05, correlation) for p in (0.7, 0.5)] for _ in range(repeats)
            ]
            apart = [assisted_difference(a[0], b[0], a[1], b[1], a[2], b[2]).interval for a, b in two]
            held.append(np.mean([i.low <= 0.2 <= i.high for i in apart]))
            rows.append(
                [
                    *(n, further, f"{correlation:.2f}"),
                    *map(float, (min(held[:-1]), np.mean(held[:-1]), held[-1])),
                    *(f"{np.mean(ratio):.2f}", f"{ratio[4]:.2f}"),
                ]
            )
    titles = ("least coverage", "mean coverage", "of a difference", "width / alone", "at a rate of .5")
    return table(("on the robot", "further simulated", "latent correlation", *titles), rows)


def _assisted(
    rng: np.random.Generator, n: int, further: int, truth: float, bias: float, correlation: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    start = rng.standard_normal(n)
    simulated = correlation * start + np.sqrt(1 - correlation**2) * rng.standard_normal(n)
    thresholds = stats.norm.ppf([truth, np.clip(truth + bias, 0.03, 0.97)])
    return start < thresholds[0], simulated < thresholds[1], rng.standard_normal(further) < thresholds[1]
