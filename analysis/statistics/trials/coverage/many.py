"""Coverage where many arms are compared: errors of whole tables, intervals at once, unlike scatter."""

import numpy as np

from align.analysis.statistics.intervals import Interval
from align.analysis.statistics.trials import crossed
from align.analysis.statistics.trials.coverage.simulated import Scatter, arms_in_unit, scores
from align.analysis.statistics.trials.coverage.tables import LATENT, RECORDED, table
from align.analysis.statistics.trials.rates import rate_difference
from align.analysis.statistics.trials.simultaneous import against_reference, best
from align.analysis.statistics.trials.variance_components import of_each_arm
from align.seeding import numpy_rng

ARMS = 17


def many_arms(repeats: int = 600) -> str:
    """Sixteen arms that do not differ from the reference, and seventeen of which each is the best."""
    rows = []
    for trainings, trials in ((1, 150), (2, 50), (2, 150), (3, 150)):
        rng = numpy_rng(4, "coverage of many arms", trainings, trials)
        s = RECORDED if trainings > 1 else RECORDED._replace(training=0.0)
        single, least, missed = [], [], []
        for _ in range(repeats):
            arms = list(scores(rng, ARMS, trainings, trials, s) + 0.2 * rng.standard_normal((1, 1, trials)))
            found = against_reference(arms, draws=1000)
            single.append(np.mean(found.p_values[1:] < 0.05))
            least.append([found.p_values.min() < 0.05, *(found.adjusted.min() < p for p in (0.05, 0.01))])
            missed.append(not best(arms, draws=1000).members[3] if len(missed) < repeats // 2 else np.nan)
        alone, five, one = (float(x) for x in np.mean(least, axis=0))
        rows.append([trainings, trials, float(np.mean(single)), alone, five, one, float(np.nanmean(missed))])
    titles = ("single at 5 %", "any single", "any simultaneous at 5 %", "at 1 %", "best left out")
    return table(("trainings", "trials", *titles), rows)


TRUTHS = {
    "scores": np.linspace(0, 0.3, ARMS),
    "scores, one arm scatters tenfold": np.linspace(0, 0.3, ARMS),
    "success rates": np.linspace(0.3, 0.8, ARMS),
    "success rates near 1": np.linspace(0.85, 0.98, ARMS),
}


def at_once(repeats: int = 300) -> str:
    """How often all sixteen differences from the first arm hold: single, by min-p, and by Bonferroni."""
    rows = []
    for kind, truth in TRUTHS.items():
        for trainings, trials in ((1, 150), (2, 50), (2, 150), (3, 150)):
            if trainings == 1 and "tenfold" in kind:
                continue
            rng, held, ratio = numpy_rng(13, f"at once {kind}", trainings, trials), [], []
            unit = "rates" in kind
            for _ in range(repeats):
                arms = _arms(rng, kind, truth, trainings, trials)
                scatter = of_each_arm(arms, relative=unit)
                found = against_reference(arms, 0, scatter, unit=unit, draws=2000)
                bonferroni = [
                    _interval(arms, scatter, i, unit, 1 - 0.05 / (ARMS - 1)) for i in range(1, ARMS)
                ]
                some = found.single[1:], found.simultaneous[1:], bonferroni
                ends = np.array(some)  # (methods, arms, 3)
                inside = (ends[..., 1] <= truth[1:] - truth[0]) & (truth[1:] - truth[0] <= ends[..., 2])
                held.append(inside.all(1))
                width = ends[..., 2] - ends[..., 1]
                ratio.append((width[1] / width[2]).mean())
            rows.append(
                [kind, trainings, trials, *map(float, np.mean(held, axis=0)), f"{np.median(ratio):.2f}"]
            )
    titles = ("all single hold", "all by min-p hold", "all by Bonferroni hold", "width, min-p / Bonferroni")
    return table(("outcomes", "trainings", "trials", *titles), rows)


def _arms(
    rng: np.random.Generator, kind: str, truth: np.ndarray, trainings: int, trials: int
) -> list[np.ndarray]:
    if "rates" in kind:
        s = LATENT["both"] if trainings > 1 else Scatter(0.0, 0.3, 0.7)
        return [arm[0] for arm in arms_in_unit(rng, list(truth), 1, trainings, trials, s)]
    s = RECORDED if trainings > 1 else RECORDED._replace(training=0.0)
    arms = scores(rng, ARMS, trainings, trials, s) + 0.2 * rng.standard_normal((1, 1, trials))
    if "tenfold" in kind:
        arms[5] += 10 * RECORDED.training * rng.standard_normal((trainings, 1))
    return list(arms + truth[:, None, None])


def _interval(arms: list[np.ndarray], scatter: list, i: int, unit: bool, level: float) -> Interval:
    known = None if scatter[i] is None else [scatter[i], scatter[0]]
    if unit:
        return rate_difference(arms[i], arms[0], known, level)
    return crossed.difference(arms[i], arms[0], known).interval(level)


def unlike(repeats: int = 400) -> str:
    """Differences where the scatter that is pooled is not the same in all arms."""
    rows = []
    for ratio in (1, 2, 4):
        held = []
        for r in range(repeats):
            rng = numpy_rng(8, f"unlike {ratio}", r)
            calm, wild = RECORDED._replace(training=0.02), RECORDED._replace(training=0.02 * ratio)
            arms = [*scores(rng, 9, 2, 150, calm), *scores(rng, 8, 2, 150, wild)]
            scatter = of_each_arm(arms)
            found = [
                crossed.difference(arms[i], arms[j], [scatter[i], scatter[j]]).interval()
                for i, j in ((0, 1), (0, 9), (9, 10))
            ]
            found.append(crossed.difference(arms[9], arms[10]).interval())
            held.append([i.low <= 0 <= i.high for i in found])
        rows.append([ratio, *map(float, np.mean(held, axis=0))])
    titles = ("calm − calm", "wild − calm", "wild − wild", "wild − wild, by these two alone")
    return table(("SD of the wild / the calm", *titles), rows)
