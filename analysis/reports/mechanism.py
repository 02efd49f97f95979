"""Do policies that tell sim from real succeed less? Rank correlations over the runs of many sweeps.

Runs are compared within strata, a sweep and a gap (the real world that they were tested in), since both
success and discernibility change with the task. Over several strata, ranks are taken in each. A sweep over
gaps has a correlation across them, too. Runs that differ in the training seed alone are one arm; the
bootstrap draws arms, not runs. It is a correlation: what moves both, such as the weight of real data, is in
it.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from align.analysis.figures import style as figures
from align.analysis.reports.gap import GAPS
from align.analysis.reports.run_config import callback_options
from align.analysis.reports.sweep import Metric, Sweep
from align.analysis.reports.tables import write_tables
from align.analysis.statistics.intervals import LEVEL, Interval, percentile
from align.errors import InputError
from align.seeding import numpy_rng

STATISTICS = ("auc", "mmd2")
NAMES = {"auc": "probe AUC", "mmd2": "MMD²"}
FEWEST = 5  # arms, of which a correlation is reported
ALL = "all, within strata"


def gather(sweeps: Sequence[str | Path], world: str | None = None) -> pd.DataFrame:
    """One row a run that has success and a probe, of all sweeps.

    Args:
        sweeps: Directories of sweeps.
        world: Where success, the score, is measured; by default in the target of each sweep.

    Returns:
        Columns sweep, stratum, arm, world, run, success, and `SITE/STATISTIC`.

    Raises:
        InputError: No run of the sweeps has both.
    """
    frames = []
    for path in sweeps:
        sweep = Sweep(path)
        score = Metric("rollout", world or sweep.target or "none", "score")
        wanted = {str(Metric("probe", site, s)): f"{site}/{s}" for site in sweep.sites for s in STATISTICS}
        if not sweep.has(score) or not wanted:
            continue
        arm = {run: f"{sweep.path.name}: {arm.label}" for arm in sweep.arms() for run in arm.runs}
        rows = sweep.frame[["run", str(score), *wanted]].dropna()
        rows = rows.rename(columns={str(score): "success", **wanted})
        rows.insert(0, "world", score.place)
        rows.insert(0, "arm", rows["run"].map(arm))
        gaps = [f"{sweep.path.name}, {gap_of(sweep, run, score.place)}" for run in rows["run"]]
        rows.insert(0, "stratum", gaps)
        rows.insert(0, "sweep", sweep.path.name)
        frames.append(rows)
    if not frames or not sum(map(len, frames)):
        where = f"in {world}" if world else "in its target"
        raise InputError(f"sweeps={[str(s) for s in sweeps]}: no run has a score {where} and a probe")
    return pd.concat(frames, ignore_index=True)


def gap_of(sweep: Sweep, run: str, world: str) -> str:
    """The world that a run was tested in: its values on axes of gaps, or as its configuration describes it.

    Of a sweep of which only results were kept, the configuration is that of one run.
    """
    if gaps := [gap for gap in GAPS if gap in sweep.axes]:
        levels = sweep.frame.set_index("run").loc[run, gaps]
        return _words({name: float(level) for name, level in levels.items()})
    options = callback_options(sweep.path / run) or callback_options(sweep.path)
    found = [o["worlds"][world] for o in options if world in (o.get("worlds") or {})]
    if not found:
        return f"world {world}"
    return _words(found[0].get("init_args", found[0]) if isinstance(found[0], dict) else found[0])


def _words(levels: object) -> str:
    return json.dumps(levels, sort_keys=True).replace('"', "").strip("{}") or "no gap"


def rank_correlation(
    x: ArrayLike,
    y: ArrayLike,
    strata: Sequence[str],
    arms: Sequence[str],
    seed: int = 0,
    level: float = LEVEL,
    draws: int = 1000,
) -> Interval:
    """Spearman's correlation, of ranks within strata, with a bootstrap interval over the arms of each.

    Args:
        x, y: (n,) values.
        strata: (n,) names; with one stratum it is Spearman's ρ.
        arms: (n,) names; runs of an arm are drawn together.
        seed: Of the bootstrap.
        level: Coverage.
        draws: Resamples.

    Returns:
        NaN where a side does not vary; the interval is clipped to [-1, 1].
    """
    x, y = np.asarray(x, float), np.asarray(y, float)
    strata, arms = np.asarray(strata), np.asarray(arms)
    same = strata[:, None] == strata  # (n, n)
    rng = numpy_rng(seed, "rank correlation")
    times = np.zeros((draws, len(x)))  # how often each run is drawn
    for stratum in np.unique(strata):
        names, of_run = np.unique(arms[strata == stratum], return_inverse=True)
        drawn = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=draws)
        times[:, strata == stratum] = drawn[:, of_run]
    value = _correlation(x, y, same, np.ones((1, len(x))))[0]
    if not np.isfinite(value):
        return Interval(np.nan, np.nan, np.nan)
    return percentile(value, _correlation(x, y, same, times), level, (-1.0, 1.0))


def _correlation(x: np.ndarray, y: np.ndarray, same: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Correlation of ranks within strata, in resamples that hold each run so many `times` (draws, n)."""
    size = np.maximum(times @ same, 1)
    a, b = (_centred_ranks(values, same, times) / size for values in (x, y))
    with np.errstate(invalid="ignore"):
        return np.sum(times * a * b, 1) / np.sqrt(np.sum(times * a**2, 1) * np.sum(times * b**2, 1))


def _centred_ranks(values: np.ndarray, same: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Mid-rank of each value among those of its stratum, minus the mean rank. (draws, n)"""
    below = np.where(same, (values[:, None] < values) + 0.5 * (values[:, None] == values) - 0.5, 0)
    return times @ below


def correlations(table: pd.DataFrame, seed: int = 0) -> list[dict[str, object]]:
    """Rows of the table: a correlation for each site and statistic, in each stratum and over all of them.

    Strata with fewer than five arms are left out where they stand alone. Of a sweep with several strata there
    is one across them, in which a smaller gap may be what makes both.
    """
    rows: list[dict[str, object]] = []
    parts = {ALL: table} | {name: part for name, part in table.groupby("stratum", sort=False)}
    for name, part in table.groupby("sweep", sort=False):
        if part["stratum"].nunique() > 1:
            parts[f"{name}, across gaps"] = part.assign(stratum=name)
    for name in [c for c in table.columns if "/" in c]:
        for stratum, whole in parts.items():
            part = whole.dropna(subset=[name])
            if part["arm"].nunique() >= FEWEST:
                found = rank_correlation(part[name], part["success"], part["stratum"], part["arm"], seed)
                site, _, statistic = name.rpartition("/")
                rows.append({"site": site, "statistic": NAMES[statistic], "stratum": stratum,
                             "arms": part["arm"].nunique(), "runs": len(part), "ρ": found})  # fmt: skip
    return rows


def report_mechanism(sweeps: Sequence[str | Path], out: str | Path, world: str | None = None) -> list[Path]:
    """Write `mechanism.csv`, `mechanism.md`, `mechanism_runs.csv` and `mechanism.png` to `out`.

    Raises:
        InputError: No run has both success and a probe, or there are fewer than five arms.
    """
    table = gather(sweeps, world)
    rows = correlations(table)
    if not rows:
        raise InputError(f"{table['arm'].nunique()} arms were measured; expected {FEWEST} or more")
    out, world = Path(out), " or ".join(table["world"].unique())
    notes = [
        f"Spearman's ρ between discernibility and score in {world} [95 % interval, bootstrap over arms]; "
        "negative: the better sim and real are told apart, the lower the score. Not corrected for the number "
        "of correlations, and not causal."
    ]
    written = write_tables(out / "mechanism", rows, notes)
    written += [out / "mechanism_runs.csv", out / "mechanism.png"]
    table.drop(columns="world").to_csv(written[-2], index=False, float_format="%.6g")
    _figure(table, rows, written[-1], world)
    return written


def _figure(table: pd.DataFrame, rows: Sequence[dict], path: Path, world: str) -> None:
    """Success against discernibility, a site a column and a statistic a row; colours are strata."""
    sites = list(dict.fromkeys(row["site"] for row in rows))
    strata = list(table["stratum"].unique())
    over_all = {(row["site"], row["statistic"]): row["ρ"] for row in rows if row["stratum"] == ALL}
    with figures.style():
        height = 0.5 + 2.1 * len(STATISTICS) + 0.15 * len(strata)
        figure, axes = figures.canvas(len(STATISTICS), len(sites), figures.DOUBLE, height, sharey=True)
        for line, statistic in zip(axes, STATISTICS, strict=True):
            for ax, site in zip(line, sites, strict=True):
                for i, stratum in enumerate(strata):
                    part = table[table["stratum"] == stratum]
                    ax.scatter(part[f"{site}/{statistic}"], part["success"], s=9, color=figures.CYCLE[i % 7],
                               marker=figures.MARKERS[(i + i // 7) % 7], label=stratum)  # fmt: skip
                found = over_all.get((site, NAMES[statistic]))
                ax.set_title(f"ρ = {found}" if found else "", loc="right", fontsize=7)
                ax.set_xlabel(f"{NAMES[statistic]}, {site}")
            line[0].set_ylabel(f"Score in {world}")
        figures.letter(axes.flat)
        handles, labels = axes[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=2, fontsize=6)
        figures.save(figure, path)
