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

import pandas as pd

from align.analysis.figures import style as figures
from align.analysis.figures.scatter.mechanism import Association, figure_mechanism
from align.analysis.reports.arms import SCALES
from align.analysis.reports.gap import GAPS
from align.analysis.reports.sweep import Metric, Sweep
from align.analysis.reports.sweep.kept import made
from align.analysis.reports.sweep.together import check_names, copies
from align.analysis.reports.tables import write_tables
from align.analysis.statistics.rank_correlation import rank_correlation
from align.errors import InputError, shown
from align.run.config import callback_options, options_of_callbacks

NAMES = {"auc": "probe AUC", "mmd2": "MMD²"}
FEWEST = 5  # arms, of which a correlation is reported
ALL = "all, within strata"


def gather(sweeps: Sequence[str | Path], world: str | None = None) -> tuple[pd.DataFrame, list[str]]:
    """One row a run that has success and a probe, of all sweeps.

    Args:
        sweeps: Directories of sweeps, of different names.
        world: Where success, the score, is measured; by default in the target of each sweep.

    Returns:
        Columns sweep, stratum, arm, world, run, success, and of probes' metrics, `str(Metric)`, NaN where a
        run was not probed there; and lines on what was left out.

    Raises:
        InputError: No run of the sweeps has both, or two sweeps have one name.
    """
    check_names([Path(path) for path in sweeps])
    read = [Sweep(path) for path in sweeps]
    frames, left = [], []
    for sweep, again in zip(read, copies(read), strict=True):
        score = Metric("rollout", world or sweep.target or "none", "score")
        wanted = [Metric("probe", site, s) for site in sweep.sites for s in SCALES]
        wanted = [str(metric) for metric in wanted if sweep.has(metric)]
        if not sweep.has(score) or not wanted:
            left.append(f"{sweep.path.name}, which has no {'probe' if sweep.has(score) else 'score'}")
            continue
        arm = {run: f"{sweep.path.name}: {arm.label}" for arm in sweep.arms() for run in arm.runs}
        rows = sweep.frame.loc[~sweep.frame["run"].isin(again), ["run", str(score), *wanted]]
        measured = rows.dropna(subset=[str(score)]).dropna(subset=wanted, how="all")
        if again:
            left.append(f"{len(again)} runs of {sweep.path.name} that are copies of others among these")
        if lacking := len(rows) - len(measured):
            left.append(f"{lacking} of {len(rows)} runs of {sweep.path.name}, without score or probe")
        if sweep.absent:
            left.append(f"{len(sweep.absent)} runs of {sweep.path.name} that are not there")
        rows = measured.rename(columns={str(score): "success"})
        rows.insert(0, "world", score.place)
        rows.insert(0, "arm", rows["run"].map(arm))
        gaps = [f"{sweep.path.name}, {gap_of(sweep, run, score.place)}" for run in rows["run"]]
        rows.insert(0, "stratum", gaps)
        rows.insert(0, "sweep", sweep.path.name)
        frames.append(rows)
    if not frames or not sum(map(len, frames)):
        where = f"in {world}" if world else "in its target"
        raise InputError(f"sweeps={[str(s) for s in sweeps]}: no run has a score {where} and a probe")
    return pd.concat(frames, ignore_index=True), left


def gap_of(sweep: Sweep, run: str, world: str) -> str:
    """The world that a run was tested in: its values on axes of gaps, or as its configuration describes it.

    Of a sweep that was kept before each run's configuration was, it is that of one run.
    """
    if gaps := [gap for gap in GAPS if gap in sweep.axes]:
        levels = sweep.frame.set_index("run").loc[run, gaps]
        return _words({name: _level(level) for name, level in levels.items()})
    told = made(sweep.path).get(run)
    if told and not (sweep.path / run).is_dir():
        options = options_of_callbacks(told["config"])
    else:
        options = callback_options(sweep.path / run) or callback_options(sweep.path)
    found = [o["worlds"][world] for o in options if world in (o.get("worlds") or {})]
    if not found:
        return f"world {world}"
    return _words(found[0].get("init_args", found[0]) if isinstance(found[0], dict) else found[0])


def _level(value: object) -> float | str | None:
    """A value on an axis of a gap: a number, the name of one, or None where the run has none."""
    return value if isinstance(value, str) else None if pd.isna(value) else float(value)


def _words(levels: object) -> str:
    return json.dumps(levels, sort_keys=True).replace('"', "").strip("{}") or "no gap"


def called(sweep: str, stratum: str) -> str:
    """What the legend calls a stratum: the sweep, and the gaps that are not 0 where all are numbers."""
    gaps = [part.partition(": ") for part in stratum.removeprefix(f"{sweep}, ").split(", ")]
    try:
        levels = {name: float(level) for name, _, level in gaps}
    except ValueError:
        return stratum
    return f"{sweep}: " + (", ".join(f"{n} {level:g}" for n, level in levels.items() if level) or "no gap")


def correlations(table: pd.DataFrame) -> list[dict[str, object]]:
    """Rows of the table: a correlation for each site and statistic, in each stratum and over all of them.

    Strata with fewer than five arms are left out where they stand alone. Of a sweep with several strata there
    is one across them, in which a smaller gap may be what makes both.
    """
    rows: list[dict[str, object]] = []
    parts = {ALL: table} | {name: part for name, part in table.groupby("stratum", sort=False)}
    for name, part in table.groupby("sweep", sort=False):
        if part["stratum"].nunique() > 1:
            parts[f"{name}, across gaps"] = part.assign(stratum=name)
    for metric in Metric.among(table.columns):
        name = str(metric)
        for stratum, whole in parts.items():
            part = whole.dropna(subset=[name])
            if part["arm"].nunique() >= FEWEST:
                found = rank_correlation(part[name], part["success"], part["stratum"], part["arm"])
                rows.append({"site": metric.place, "statistic": NAMES[metric.name], "stratum": stratum,
                             "arms": part["arm"].nunique(), "runs": len(part), "ρ": found})  # fmt: skip
    return rows


def report(sweeps: Sequence[str | Path], out: str | Path, world: str | None) -> list[Path]:
    """Write `mechanism.csv`, `mechanism.md`, `mechanism_runs.csv` and `mechanism.png` to `out`.

    Raises:
        InputError: No run has both success and a probe, or there are fewer than five arms.
    """
    table, left = gather(sweeps, world)
    rows = correlations(table)
    if not rows:
        measured = f"{table['arm'].nunique()} arms were measured in {shown([str(s) for s in sweeps])}"
        raise InputError(f"{measured}; expected {FEWEST} or more")
    out, world = Path(out), " or ".join(table["world"].unique())
    notes = [
        f"Spearman's ρ between discernibility and score in {world} [95 % interval, bootstrap over arms]; "
        "negative: the better sim and real are told apart, the lower the score. Not corrected for the number "
        "of correlations, and not causal."
    ]
    notes += [f"Left out: {'; '.join(left)}."] if left else []
    written = write_tables(out / "mechanism", rows, notes)
    written += [out / "mechanism_runs.csv", out / "mechanism.png"]
    columns = {str(metric): f"{metric.place}/{metric.name}" for metric in Metric.among(table.columns)}
    runs = table.drop(columns="world").rename(columns=columns)
    runs.to_csv(written[-2], index=False, float_format="%.6g")
    title = f"Discernibility and score, {len(table)} runs of {table['sweep'].nunique()} sweeps"
    sweeps_of = [part["sweep"].iloc[0] for _, part in table.groupby("stratum", sort=False)]
    figure = figure_mechanism(_panels(table, rows), f"Score in {world}", title, sweeps_of)
    figures.save(figure, written[-1])
    return written


def _panels(table: pd.DataFrame, rows: Sequence[dict]) -> list[list[Association]]:
    """A row of panels a statistic, a column a site."""
    over_all = {(row["site"], row["statistic"]): row["ρ"] for row in rows if row["stratum"] == ALL}
    parts = list(table.groupby("stratum", sort=False))
    strata = {called(part["sweep"].iloc[0], name): part for name, part in parts}
    return [
        [
            Association(
                f"{NAMES[statistic]}, {site}",
                {
                    name: part.reindex(columns=[str(Metric("probe", site, statistic)), "success"])
                    .dropna()
                    .to_numpy(float)
                    for name, part in strata.items()
                },
                over_all.get((site, NAMES[statistic])),
                Metric("probe", site, statistic).chance,
                SCALES[statistic],
            )
            for site in dict.fromkeys(row["site"] for row in rows)
        ]
        for statistic in SCALES
    ]
