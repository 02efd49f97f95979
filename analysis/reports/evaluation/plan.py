"""`align plan`: what a comparison will be able to show, before its trials are run."""

import dataclasses
from pathlib import Path

import numpy as np

from align.analysis.reports.evaluation.design import Design, arrange
from align.analysis.reports.evaluation.findings import spread
from align.analysis.reports.evaluation.trials import read_trials
from align.analysis.reports.evaluation.words import points
from align.analysis.reports.tables import markdown_table, write_tables
from align.analysis.statistics.trials.power import (
    Variances,
    detectable_difference,
    in_words,
    trainings_needed,
    trials_needed,
)
from align.analysis.statistics.trials.variance_components import of_each_arm, set_aside
from align.errors import InputError, check_numbers
from align.run.reading import of_file

TRAINING_SD, RUN_SD, RUN_TRIALS = 0.033, 0.018, 150
"""Of scores in the pushing benchmark's target: between trainings, and of a run's mean over so many trials."""
TRAININGS, TRIALS = (1, 2, 3, 5, 10), (20, 50, 150, 300)
"""What the table shows beside what was asked."""


@dataclasses.dataclass
class Known:
    """What is known of the scatter, and where from.

    Attributes:
        v: Variances of a difference.
        said: Where they come from.
        binary: Outcomes are successes.
    """

    v: Variances
    said: list[str]
    binary: bool = False


def plan(
    like: str | list[str] | None = None,
    difference: float | None = None,
    trainings: int = 2,
    trials: int = 50,
    reference_trainings: int | None = None,
    arms: int = 2,
    rate: float | None = None,
    training_sd: float | None = None,
    difference_sd: float | None = None,
    world: str | None = None,
    measure: str = "score",
    power: float = 0.8,
    level: float = 0.95,
    out: str | None = None,
) -> None:
    """Say which differences a comparison can detect, and how many trials or trainings a given one takes.

    Args:
        like: A sweep's folder, or files as align evaluate takes them, whose scatter is that to expect; by
            default that of the pushing benchmark.
        difference: A difference worth detecting, in units of the outcome, e.g. 0.1.
        trainings: Trainings of each arm; 1 compares two policies as they are.
        trials: Trials of each training, from starts that all share.
        reference_trainings: Trainings of the reference, if there are more.
        arms: Arms in all: their trainings' scatter is pooled, their intervals hold at once.
        rate: Success rate to expect, for trials that succeed or fail.
        training_sd: Standard deviation between trainings of one arm.
        difference_sd: Standard deviation of the difference of two policies' outcomes from one start.
        world: World of a sweep; by default its target.
        measure: What a sweep measured of its trials: score, or a success.
        power: Probability of detecting the difference.
        level: Confidence level of the intervals.
        out: Where to write the table, without suffix; by default it is printed alone.
    """
    other = trainings if reference_trainings is None else reference_trainings
    check_numbers("[1, 10000]", whole=True, trainings=trainings, reference_trainings=reference_trainings)
    check_numbers("[2, 1000000]", whole=True, trials=trials)
    check_numbers("[2, 1000]", whole=True, arms=arms)
    check_numbers("(0, 1]", difference=difference, difference_sd=difference_sd)
    check_numbers("(0.5, 1)", level=level, power=power)
    check_numbers("[0, 1]", training_sd=training_sd)
    check_numbers("(0, 1)", rate=rate)
    if like is not None and rate is not None:
        raise InputError(f"rate={rate:g} and like={like!r}: expected one of them")
    folder = isinstance(like, str | list) and _is_folder([like] if isinstance(like, str) else like)
    if not folder and (world is not None or measure != "score"):
        option = f"world={world!r}" if world is not None else f"measure={measure!r}"
        raise InputError(f"{option}: is of a sweep; expected --like SWEEP, or no such option")
    known = _known(
        [like] if isinstance(like, str) else like, rate, training_sd, difference_sd, world, measure
    )
    each = 1 - (1 - level) / (arms - 1)
    rows = []
    for i in sorted({*TRAININGS, trainings}):
        row: dict[str, object] = {"trainings an arm": i}
        for j in sorted({*TRIALS, trials}):
            df = _pooled_df(arms, i, other if i == trainings else i)
            found = detectable_difference(
                known.v, i, j, other if i == trainings else i, pooled_df=df, level=each, at_power=power
            )
            row[f"{j} trials"] = in_words(found, 3)
        rows.append(row)
    said = _sentence(known, difference, trainings, other, trials, arms, each, power)
    notes = [
        f"Smallest true difference detected with probability {power:g}, by {100 * level:g} % intervals"
        + (f" that hold for all {arms - 1} comparisons at once" if arms > 2 else "")
        + "; trials are shared by all arms. One training an arm asks for less: which of these policies is "
        "better as they are, and not which method is.",
        *known.said,
    ]
    print(f"{said}\n\n{markdown_table(rows)}\n" + "\n".join(notes))
    if out is not None:
        for path in write_tables(out, rows, [said, *notes]):
            print(path)


def _pooled_df(arms: int, trainings: int, other: int) -> float | None:
    """Degrees of freedom of the variance between trainings that all arms of the plan tell."""
    if trainings == 1 and other == 1:
        return None
    return float((arms - 1) * (trainings - 1) + other - 1)


def _sentence(
    known: Known,
    difference: float | None,
    trainings: int,
    other: int,
    trials: int,
    arms: int,
    each: float,
    power: float,
) -> str:
    df = _pooled_df(arms, trainings, other)
    sizes = dict(pooled_df=df, level=each, at_power=power)
    found = detectable_difference(known.v, trainings, trials, other, **sizes)
    with_these = f"With {_number(trainings, 'training')} an arm and {trials} shared trials"
    what = f"a true difference of {points(found, known.binary)}" if found < 1 else "no difference"
    said = f"{with_these}, {what} is detected with probability {power:g}."
    if difference is None:
        return said
    if found <= difference:
        return f"{said} That is enough for {points(difference, known.binary)}."
    more = trials_needed(difference, known.v, trainings, reference_trainings=other, **sizes)
    said += f" For {points(difference, known.binary)} it takes "
    said += (
        f"about {more} trials, {more - trials} more"
        if more
        else "more trainings, for no number of trials does"
    )
    if trainings > 1:
        again = trainings_needed(difference, known.v, trials, each, power, pooled_arms=arms)
        said += (
            f"{'; or ' if more else ': '}about {again} trainings an arm, {again - trainings} more"
            if again
            else ""
        )
        said += f", with {trials} trials" if again else ""
    return said + "."


def _number(n: int, noun: str) -> str:
    return f"{n} {noun}{'s' * (n != 1)}"


def _known(
    like: list[str] | None,
    rate: float | None,
    training_sd: float | None,
    difference_sd: float | None,
    world: str | None,
    measure: str,
) -> Known:
    if like is not None:
        found = _of_sweep(like[0], world, measure) if _is_folder(like) else _of_files(like)
        v = found.v
        if training_sd is not None:
            v = Variances(training_sd**2, v.trial, v.rest)
            found.said.append(f"SD between trainings: {training_sd:g}, as given.")
        if difference_sd is not None:
            v = Variances(v.training, 0.0, difference_sd**2 / 2)
            found.said.append(f"SD of a difference from one start: {difference_sd:g}, as given.")
        return dataclasses.replace(found, v=v)
    said = []
    if difference_sd is None and rate is not None:
        difference_sd = float(np.sqrt(2 * rate * (1 - rate)))
        said.append(
            f"SD of a difference from one start: {difference_sd:.3f}, of successes at a rate of {rate:g} "
            "that have nothing in common; where starts matter it is less, and fewer trials do."
        )
    elif difference_sd is None:
        difference_sd = float(np.sqrt(2 * RUN_TRIALS) * RUN_SD)
        said.append(
            f"SD of a difference from one start: {difference_sd:.3f}, assumed: that of scores in the pushing "
            "benchmark, not of your task; of successes say --rate, of trials that you have --like FILE."
        )
    else:
        said.append(f"SD of a difference from one start: {difference_sd:g}, as given.")
    if training_sd is None:
        training_sd = TRAINING_SD
        said.append(
            f"SD between trainings: {training_sd:g}, assumed: that of scores in the pushing benchmark."
        )
    else:
        said.append(f"SD between trainings: {training_sd:g}, as given.")
    return Known(Variances.of_runs(training_sd, difference_sd), said, rate is not None)


def _is_folder(like: list[str]) -> bool:
    return len(like) == 1 and Path(like[0]).is_dir()


def _of_files(files: list[str]) -> Known:
    read = read_trials(files)
    with of_file(", ".join(files)):
        return _of_design(arrange(read.trials), f"of {', '.join(files)}")


def _of_sweep(path: str, world: str | None, measure: str) -> Known:
    from align.analysis.reports.sweep import (
        Metric,
        Sweep,
    )  # the libraries of training, which files do without

    sweep = Sweep(path)
    world = world or sweep.target
    if world not in sweep.worlds:
        raise InputError(f"world={world!r}: expected one of {sweep.worlds} of {path}")
    metric = Metric("rollout", world, measure)
    if not sweep.has(metric):
        raise InputError(f"measure={measure!r}: not measured in {world!r} of {path}; expected e.g. score")
    arms = [arm for arm in sweep.arms() if sweep.estimate(arm.runs, metric) is not None]
    tables = [sweep.outcomes(arm.runs, metric) for arm in arms]
    reference = sweep.find(arms)
    base = tables[0 if reference is None else arms.index(reference)]
    return _of_tables(tables, base, f"of {measure} in {world} of {path}", True)


def _of_design(design: Design, where: str) -> Known:
    tables = design.shared or [arm.table for arm in design.arms]
    return _of_tables(tables, tables[0], where, design.shared is not None)


def _of_tables(tables: list[np.ndarray], base: np.ndarray, where: str, paired: bool) -> Known:
    """The mean variances of the differences from one arm; of a single arm those of its trials."""
    scatter = of_each_arm(tables)
    aside = set_aside(scatter)
    alike = [t for i, t in enumerate(tables) if i not in aside]
    between = next((b for i, b in enumerate(scatter) if i not in aside), None)
    others = [t for t in alike if t is not base]
    found = [spread(t, base, between, paired) for t in others] or [spread(base, base, between, False)]
    v = Variances(*(float(np.mean([getattr(f, name) for f in found])) for name in Variances._fields))
    sd = float(np.sqrt(v.trial + 2 * v.rest))
    said = [f"SD of a difference from one start: {sd:.3f}, {where}."]
    if not paired:
        said.append("Starts are not shared there; shared ones may need fewer trials.")
    if between is not None:
        text = f"SD between trainings: {np.sqrt(v.training):.3f}, from {between.df:g} degrees of freedom"
        left_out = f", without {len(aside)} arms whose trainings differ far more" if aside else ""
        said.append(f"{text}{left_out}.")
    else:
        v = v._replace(training=TRAINING_SD**2)
        said.append(
            f"SD between trainings: {TRAINING_SD:g}, assumed, as in the pushing benchmark: there is one "
            "training an arm."
        )
    return Known(v, said, all(np.isin(t, (0, 1)).all() for t in tables))
