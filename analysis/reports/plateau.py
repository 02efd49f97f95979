"""Table and figures of a sweep over both data sizes: plateaus, the real data that equals them, power laws."""

from pathlib import Path

import numpy as np

from align.analysis.figures.plateau import figure_plateau
from align.analysis.reports.plateau_curves import (
    AXES,
    ERROR_NAMES,
    ERRORS,
    Alone,
    Curve,
    power_law,
    ratio_of,
    read,
    widened,
    words,
)
from align.analysis.reports.sweep import Metric, Sweep
from align.analysis.reports.tables import write_tables
from align.analysis.statistics.plateau import outcome
from align.analysis.statistics.power_law import PowerLaw


def applies(sweep: Sweep) -> bool:
    """Whether the sweep is over both data sizes, with policies evaluated in the real world."""
    return (
        set(AXES) <= set(sweep.axes)
        and sweep.frame[list(AXES)].nunique().prod() > 1
        and "alpha" not in sweep.axes
        and bool(sweep.worlds)
    )


def report_plateau(sweep: Sweep) -> list[Path]:
    """Write `plateau.csv`, `plateau.md`, and a figure for score and for success; returns what was written."""
    laws = {name: law for name in ERRORS if (law := power_law(sweep, name)) is not None}
    rows, written = [], []
    for metric in (Metric("rollout", sweep.target, n) for n in dict.fromkeys(("score", sweep.success))):
        curves, alone = read(sweep, metric)
        rows += [{"measure": metric.name, **row(curve, alone)} for curve in curves]
        written.append(sweep.path / f"plateau_{metric.name}.png")
        figure_plateau(sweep, written[-1], f"{metric.title} in {sweep.target}", curves, alone, laws)
    notes = [
        "Estimate [95 % interval]. Plateau: what a saturating curve tends to, over any trials; half: |D_sim| "
        "that makes half of the rise, ≤ or ≥ at the ends of what the fit tries. Equivalent: real data that "
        "alone reaches the plateau, over |D_real|; the same of the largest |D_sim| tested needs no curve. "
        "Flat: no change with |D_sim| is distinguishable. Rising: half of the change or more may lie beyond "
        "the sizes tested.",
        *(law_note(name, law) for name, law in laws.items()),
    ]
    in_words = ("equivalent ratio", "ratio at largest sim")
    return [*write_tables(sweep.path / "plateau", rows, notes, csv_only=in_words), *written]


def row(curve: Curve, alone: Alone | None) -> dict[str, object]:
    """What the table says of one |D_real|."""
    largest = outcome(curve.cells, -1)
    found: dict[str, object] = {"real": curve.real, "largest sim": int(curve.sizes[-1])}
    if curve.fit is not None:
        fit = curve.fit
        found |= {"start": float(fit.start), "half": half_of(curve), "plateau": curve.plateau}
        found |= {"flat": "yes" if fit.flat else "no", "rising": "yes" if fit.rising else "no"}
        if alone is not None:
            ratio = ratio_of(fit.plateau, curve.real, alone)
            found |= {"equivalent ratio": ratio, "equivalent": words(ratio, curve.real, alone)}
    found["at largest sim"] = widened(largest, curve.luck)
    if alone is not None:
        ratio = ratio_of(largest, curve.real, alone)
        found |= {"ratio at largest sim": ratio, "equivalent at largest sim": words(ratio, curve.real, alone)}
    return found


def half_of(curve: Curve) -> float | str:
    """The size that makes half of the rise; at the ends of what the fit tries, it is known to be beyond."""
    half, positive = float(curve.fit.half), curve.sizes[curve.sizes > 0]
    if np.isclose(half, positive.min() / 10):
        return f"≤ {half:g}"
    return f"≥ {half:g}" if np.isclose(half, positive.max()) else half


def law_note(name: str, law: PowerLaw) -> str:
    """The law in a line."""
    factors = " · ".join(f"|D_{axis}|^−({e})" for axis, e in law.exponents.items())
    counts = f"{law.cells} cells, {law.runs} runs"
    split = "each seed's held-out episodes have a factor of their own"
    return f"{ERROR_NAMES[name]} ≈ {law.constant:.3g} · {factors}, R² {law.r2:.3f}, {counts}; {split}."
