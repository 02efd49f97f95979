"""The functions behind `align probe`, `align mechanism` and `align keep`; their arguments are the options."""

from pathlib import Path

from align.errors import InputError
from analysis.dashboard import write_run, write_sweep
from analysis.instruments import measure_run
from analysis.mechanism import report_mechanism
from analysis.probe import Kind, probe_run
from analysis.sweep import GRID
from analysis.sweep_report import keep as keep_files
from analysis.sweep_report import report
from analysis.task_probe import task_probe_run


def probe(path: str, probe: Kind = "both", umap: bool = False) -> None:
    """Probe how well sim and real embeddings can be told apart, with PNG reports and dashboards.

    Args:
        path: A run directory, or a sweep's: then every run below it is probed, and the sweep reported on.
        probe: Which classifiers tell sim from real: linear, mlp (one hidden layer) or both.
        umap: Add a UMAP to the map of `geometry.png`, if umap-learn is installed.
    """
    runs = sorted(file.parent for file in Path(path).glob("**/embeddings.npz"))
    if not runs:
        raise InputError(f"path={path!r}: holds no embeddings.npz; expected a run or sweep that has trained")
    failures = []
    for run in runs:
        try:
            result = probe_run(run, kind=probe)
            measure_run(run, result, umap=umap)
            if task_probe_run(run) is None:
                print(f"{run}: older embeddings, no task probe; align embed {run} makes new ones", flush=True)
        except InputError as error:
            failures.append(error)
            continue
        write_run(run)
        found = ", ".join(
            f"{site} {name} {s['auc']['value']:.3f} [{s['auc']['low']:.3f}, {s['auc']['high']:.3f}]"
            for site, of_site in result["sites"].items()
            for name, s in (("AUC", of_site), ("MLP AUC", of_site.get("mlp", {})))
            if "auc" in s
        )
        print(f"{run}: {found}", flush=True)
    for sweep in sorted({run.parent for run in runs if (run / "point.json").exists() and run != Path(path)}):
        report_sweep(sweep)
    if failures:
        raise InputError(f"{len(failures)} of {len(runs)} runs could not be probed: {failures[0]}")


def report_sweep(path: str | Path) -> None:
    """Write a sweep's tables, figures and dashboard, and say where they are."""
    for written in report(path):
        print(written)
    print(f"{write_sweep(path)}: make dashboard RUN={path}", flush=True)


def mechanism(
    path: str, sweeps: list[str] | None = None, out: str | None = None, world: str = "real"
) -> None:
    """Correlate how well sim and real can be told apart with success, over the runs of many sweeps.

    Args:
        path: Folder of the sweeps, or one of them; also of what `align keep` kept of them.
        sweeps: Names of those to take; by default all.
        out: Where to write; by default mechanism below the folder.
        world: The world that success is measured in.
    """
    files = [file for name in (GRID, "results.csv") for file in Path(path).glob(f"**/{name}")]
    found = {file.parent.name: file.parent for file in sorted(files)}
    unknown = [name for name in sweeps or [] if name not in found]
    if unknown or not found:
        raise InputError(
            f"path={path!r}, sweeps={unknown}: expected some of {', '.join(found) or 'no sweep there'}"
        )
    for written in report_mechanism(
        [found[n] for n in sweeps or found], out or Path(path) / "mechanism", world
    ):
        print(written)


def keep(sweep: str, results: str, command: str) -> None:
    """Copy the results of a sweep that are worth keeping.

    Args:
        sweep: Directory of the sweep.
        results: Directory to copy to, e.g. results/lambda.
        command: The command that made them, which is recorded.
    """
    for path in keep_files(sweep, results, command):
        print(path)
