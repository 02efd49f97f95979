"""Table and figures of a sweep over both data sizes: plateaus, the real data that equals them, power laws."""

from pathlib import Path

import numpy as np

from align.analysis.figures import style as figures
from align.analysis.figures.plateau import Alone, Curve, Law, figure_plateau
from align.analysis.reports.arms import behind
from align.analysis.reports.sweep import SEED_AXIS, Metric, Sweep
from align.analysis.reports.sweep.shared import not_shared
from align.analysis.reports.sweep.start import start_score
from align.analysis.reports.tables import write_tables
from align.analysis.statistics.plateau import fit_plateau, outcome, own_luck, pool, shared_luck
from align.analysis.statistics.power_law import fit_power_law
from align.errors import InputError

AXES = ("sim", "real")  # numbers of demonstrations; sim = 0 is real data alone
ERRORS = {"val_action_mse_real": "Action MSE", "val_loss_real": "Denoising loss"}
UNITS = {
    "val_action_mse_real": "in the actions' own units, squared",
    "val_loss_real": "of normalised actions, without a unit",
}
NOTE = (
    "Estimate [95 % interval]. Plateau: what a saturating curve tends to, over any trials; half: |D_sim| "
    "that makes half of the rise, ≤ or ≥ at the ends of what the fit tries. Equivalent: real data that "
    "alone reaches the plateau, over |D_real|; the same of the largest |D_sim| tested needs no curve. "
    "Flat: no change with |D_sim| is distinguishable. Rising: half of the change or more may lie beyond "
    "the sizes tested."
)


def report(sweep: Sweep) -> list[Path]:
    """Write `plateau.csv`, `plateau.md`, and a figure for score and for success; returns what was written.

    Nothing where the sweep is not over both data sizes alone, with policies evaluated in the real world.
    """
    if not applies(sweep):
        return []
    laws = [law for error in ERRORS if (law := read_law(sweep, error)) is not None]
    rows, written = [], []
    metrics = [Metric("rollout", sweep.target, n) for n in dict.fromkeys(("score", sweep.success))]
    for metric in metrics:
        curves, alone = read(sweep, metric)
        rows += [{"measure": metric.name, **row(curve, alone)} for curve in curves]
        written.append(sweep.path / f"plateau_{metric.name}.png")
        label = f"{metric.title} in {sweep.target}"
        nothing = start_score(sweep, [metric.place]) if metric.name == "score" else None
        law = next(iter(laws), None)
        figure = figure_plateau(curves, alone, law, label, behind(sweep, sweep.arms()), sweep.title, nothing)
        figures.save(figure, written[-1])
    in_words = ("equivalent ratio", "ratio at largest sim")
    notes = [NOTE, *map(law_note, laws), *not_shared(sweep, *metrics)]
    return [*write_tables(sweep.path / "plateau", rows, notes, csv_only=in_words), *written]


def applies(sweep: Sweep) -> bool:
    """Whether the sweep is over both data sizes, as numbers, and over nothing else."""
    return (
        sweep.spans(AXES)
        and sweep.frame[list(AXES)].nunique().prod() > 1
        and all(isinstance(arm.point[axis], int | float | np.number) for arm in sweep.arms() for axis in AXES)
        and "alpha" not in sweep.axes
        and bool(sweep.worlds)
    )


def read(sweep: Sweep, metric: Metric) -> tuple[list[Curve], Alone | None]:
    """Curves over |D_sim|, one a |D_real|, and that of real data alone; cells are pooled over all of them."""
    found, tables = {}, {}
    for arm in sweep.arms():
        estimate = sweep.estimate(arm.runs, metric)
        if estimate is not None:
            key = tuple(arm.point[axis] for axis in AXES)
            found[key], tables[key] = estimate, sweep.outcomes(arm.runs, metric)
    if not found:
        raise InputError(f"{sweep.path}: no run has {metric} yet")
    keys = sorted(found)
    own = own_luck([tables[key] for key in keys])
    cells = pool([found[key].runs for key in keys], max(e.trials for e in found.values()), own)
    luck = shared_luck(sweep.outcomes(list(sweep.frame["run"]), metric))
    curves = []
    for real in sorted({real for sim, real in keys if sim > 0}):
        at = [i for i, key in enumerate(keys) if key[1] == real]
        sizes = np.array([keys[i][0] for i in at])
        fit = fit_plateau(sizes, cells.of(at)) if len(at) > 2 else None
        of_cells = [found[keys[i]].runs for i in at], [found[keys[i]].interval for i in at]
        curves.append(Curve(int(real), sizes, *of_cells, cells.of(at), fit, luck))
    at = [i for i, (sim, _) in enumerate(keys) if sim == 0]
    sizes = np.array([keys[i][1] for i in at])
    of_cells = [found[keys[i]].runs for i in at], [found[keys[i]].interval for i in at]
    alone = Alone(sizes, *of_cells, cells.of(at)) if len(at) > 1 else None
    return curves, alone


def read_law(sweep: Sweep, error: str) -> Law | None:
    """The law of a validation error over the runs that had both kinds of data; None if there are too few."""
    column = f"summary/{error}"
    if column not in sweep.frame:
        return None
    frame = sweep.frame.dropna(subset=[column, *AXES])
    frame = frame[frame["sim"] > 0]
    sizes = {axis: frame[axis].to_numpy(float) for axis in AXES}
    try:
        fit = fit_power_law(sizes, frame[column].to_numpy(), split=frame.get(SEED_AXIS))
    except InputError:  # a sweep in progress, or too small for this: there is no law to report
        return None
    return Law(ERRORS[error], fit, sizes, UNITS[error])


def row(curve: Curve, alone: Alone | None) -> dict[str, object]:
    """What the table says of one |D_real|."""
    largest = outcome(curve.cells, -1)
    found: dict[str, object] = {"real": curve.real, "largest sim": int(curve.sizes[-1])}
    if curve.fit is not None:
        fit = curve.fit
        found |= {"start": float(fit.start), "half": half_of(curve), "plateau": curve.plateau}
        found |= {"flat": "yes" if fit.flat else "no", "rising": "yes" if fit.rising else "no"}
        if alone is not None:
            ratio = alone.ratio(fit.plateau, curve.real)
            found |= {"equivalent ratio": ratio, "equivalent": alone.words(ratio, curve.real)}
    found["at largest sim"] = curve.intervals[-1]
    if alone is not None:
        ratio = alone.ratio(largest, curve.real)
        found |= {"ratio at largest sim": ratio, "equivalent at largest sim": alone.words(ratio, curve.real)}
    return found


def half_of(curve: Curve) -> float | str:
    """The size that makes half of the rise; at the ends of what the fit tries, it is known to be beyond."""
    half, positive = float(curve.fit.half), curve.sizes[curve.sizes > 0]
    if np.isclose(half, positive.min() / 10):
        return f"≤ {half:g}"
    return f"≥ {half:g}" if np.isclose(half, positive.max()) else half


def law_note(law: Law) -> str:
    """The law in a line."""
    fit = law.fit
    factors = " · ".join(f"|D_{axis}|^−({e})" for axis, e in fit.exponents.items())
    counts = f"{fit.cells} cells, {fit.runs} runs"
    split = "each seed's held-out episodes have a factor of their own"
    return f"{law.title} ≈ {fit.constant:.3g} · {factors}, R² {fit.r2:.3f}, {counts}; {split}; {law.unit}."
