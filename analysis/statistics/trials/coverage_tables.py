"""How often the intervals hold the truth, by simulation: the tables that `coverage` prints."""

from collections.abc import Iterable, Sequence
from itertools import product

import numpy as np
from scipy import stats
from scipy.special import stdtrit

from align.analysis.statistics.intervals import Interval, wilson
from align.analysis.statistics.trials import crossed, sequential
from align.analysis.statistics.trials.counts import blaker, clopper_pearson
from align.analysis.statistics.trials.prediction_powered import assisted_difference, assisted_rate
from align.analysis.statistics.trials.rates import rate, rate_difference
from align.analysis.statistics.trials.simulated import Scatter, arms_in_unit, dominated, scores
from align.analysis.statistics.trials.simultaneous import against_reference, best
from align.seeding import numpy_rng

TRAININGS, TRIALS = (2, 3, 5), (50, 150, 300)
SHARES = {"trials": 0.05, "both": 0.5, "trainings": 0.95}
LATENT = {
    "trials": Scatter(0.003, 0.5, 0.497),
    "both": Scatter(0.02, 0.3, 0.68),
    "trainings": Scatter(0.1, 0.1, 0.8),
}
RATES = (0.02, 0.05, 0.1, 0.3, 0.5, 0.7, 0.9, 0.95, 0.98)
PAIRS = ((0.02, 0.02), (0.1, 0.05), (0.3, 0.1), (0.5, 0.5), (0.7, 0.5), (0.95, 0.9), (0.98, 0.98))
RECORDED = Scatter(0.033, 0.1, 0.15)  # trainings as recorded of the pushing benchmark's target


def table(titles: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table; floats to three digits."""
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join("| " + " | ".join(_cell(x) for x in line) + " |" for line in lines) + "\n"


def _cell(x: object) -> str:
    return f"{x:.3f}".lstrip("0") if isinstance(x, float) and abs(x) < 1 else f"{x}"


def _held(found: Interval, truth: float) -> float:
    return float(np.mean((found.low <= truth) & (truth <= found.high)))


def _extremes(cells: Sequence[float]) -> str:
    outside = [sum(c < 0.93 for c in cells), sum(c > 0.97 for c in cells)]
    counted = f"{outside[0]} below .93 and {outside[1]} above .97, of {len(cells)}"
    return f"\nCoverage from {_cell(min(cells))} to {_cell(max(cells))}; {counted}.\n"


def means(repeats: int = 4000) -> str:
    """Means of unbounded scores, by three critical values."""
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
        rows.append(
            [trainings, trials, name, _held(own, 0), naive, _held(pooled, 0), *(f"{w:.2f}" for w in widths)]
        )
    titles = (
        "trainings",
        "trials",
        "dominating",
        "own",
        "Satterthwaite",
        "pooled",
        "width own",
        "width pooled",
    )
    own, naive, pooled = ([row[i] for row in rows] for i in (3, 4, 5))
    return table(titles, rows) + "".join(
        f"\n{name.capitalize()}: {_extremes(cells).strip()}\n"
        for name, cells in (("own", own), ("Satterthwaite", naive), ("pooled", pooled))
    )


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
    return table(("trainings", "trials", "dominating", *map(_cell, RATES)), rows) + _extremes(cells)


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
    return table(("trainings", "trials", "dominating", *map(_cell, RATES)), rows) + _extremes(cells)


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
    pairs = [f"{_cell(a)} − {_cell(b)}" for a, b in PAIRS]
    cells = [x for row in rows for x in row[4:]]
    return table(("trainings", "trials", "dominating", "scatter", *pairs), rows) + _extremes(cells)


def many_arms(repeats: int = 600) -> str:
    """Sixteen arms that do not differ from the reference, and seventeen of which each is the best."""
    rows = []
    for trainings, trials in ((1, 150), (2, 50), (2, 150), (3, 150)):
        rng = numpy_rng(4, "coverage of many arms", trainings, trials)
        s = RECORDED if trainings > 1 else RECORDED._replace(training=0.0)
        single, least, missed = [], [], []
        for _ in range(repeats):
            arms = list(scores(rng, 17, trainings, trials, s) + 0.2 * rng.standard_normal((1, 1, trials)))
            found = against_reference(arms, draws=1000)
            single.append(np.mean(found.p_values[1:] < 0.05))
            least.append([found.p_values.min() < 0.05, *(found.adjusted.min() < p for p in (0.05, 0.01))])
            missed.append(not best(arms, draws=1000).members[3] if len(missed) < repeats // 2 else np.nan)
        alone, five, one = (float(x) for x in np.mean(least, axis=0))
        rows.append([trainings, trials, float(np.mean(single)), alone, five, one, float(np.nanmean(missed))])
    titles = ("single at 5 %", "any single", "any simultaneous at 5 %", "at 1 %", "best left out")
    return table(("trainings", "trials", *titles), rows)


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


def sequences(repeats: int = 1000, most: int = 500) -> str:
    """Two arms followed trial by trial: how often and how soon it is settled."""
    pairs = ((0.5, 0.5), (0.05, 0.05), (0.9, 0.9), (0.6, 0.5), (0.7, 0.5), (0.8, 0.5), (0.9, 0.5), (0.3, 0.1))
    rows = []
    for (a, b), paired in product(pairs, (0.0, 0.8)):
        rng = numpy_rng(5, f"sequences {a} {b} {paired}")
        s, row = Scatter(0.0, paired, 1 - paired), []
        first, other = (x[:, 0] for x in arms_in_unit(rng, [a, b], repeats, 1, most, s, common=1.0))
        z = (first - other + 1) / 2
        worth = np.array([sequential.against_none(x) for x in z])
        for level in (0.95, 0.99):
            won = worth >= np.log(2 / (1 - level))
            row += [float(won.any(1).mean()), f"{np.where(won.any(1), won.argmax(1) + 1, most).mean():.0f}"]
        deviation = float(np.std(2 * z - 1))
        fixed = (2.8 * deviation / (a - b)) ** 2 if a > b else np.inf
        rows.append([_cell(a), _cell(b), "yes" if paired else "no", *row, f"{fixed:.0f}" if a > b else "–"])
    titles = ("settled at 5 %", "trials", "settled at 1 %", "trials", "planned, 80 % power")
    return table(("rate", "other", "starts alike", *titles), rows)


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
