"""The functions behind `align probe`, `compare`, `mechanism`, `agreement`, `select`, `report`, `keep`.

Their arguments are the options.
"""

import shutil
from collections.abc import Sequence
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from sklearn.base import ClassifierMixin

from align.analysis.dashboard import write_sweep
from align.analysis.probing import probe_runs
from align.analysis.reports.agreement import FEWEST
from align.analysis.reports.agreement import together as report_agreement
from align.analysis.reports.claims.declared import DECLARED, read_regime
from align.analysis.reports.everything import measured_beside, not_redrawn
from align.analysis.reports.everything import report as report_everything
from align.analysis.reports.mechanism import report as report_mechanism
from align.analysis.reports.selectors import GIVEN as GIVEN_AXES
from align.analysis.reports.selectors import select as select_arms
from align.analysis.reports.sweep import Metric, Sweep
from align.analysis.reports.sweep.comparisons import compare as compare_arms
from align.analysis.reports.sweep.keep import keep as keep_files
from align.analysis.reports.sweep.kept import is_kept, is_sweep
from align.analysis.reports.sweep.regime import of_regime
from align.analysis.reports.sweep.taking import complete as complete  # which sweeps call
from align.analysis.reports.sweep.taking import take as take
from align.analysis.reports.tables import write_tables
from align.analysis.statistics.probing.probe import Kind
from align.checkpoints.trust import trusting
from align.errors import JOBS, SEED, InputError, check_numbers
from align.files import atomic_path, check_kinds_below, check_writable
from align.run.layout import EMBEDDINGS, GRID, POINT, RESULTS, holding
from align.run.locks import LOCK, REPORT_LOCK, held, unwritten
from align.run.ticking import pinned, telling


def probe(
    path: str,
    probe: Kind | ClassifierMixin = "both",
    umap: bool = False,
    seed: int = 0,
    trust: list[str] | None = None,
    threads: int = 1,
    jobs: int = 2,
    device: str = "cpu",
) -> None:
    """Probe how well sim and real embeddings can be told apart, with PNG reports and dashboards.

    Args:
        path: A run directory, or a sweep's: then every run below it is probed, and the sweep reported on.
        probe: Which classifiers tell sim from real: linear, mlp (one hidden layer), both, or any of
            scikit-learn by its class path, e.g. sklearn.svm.SVC.
        umap: Add a UMAP to the map of `geometry.png`; needs umap-learn.
        seed: Seed of folds, controls, permutations and bootstraps: numbers that hold do so for any.
        trust: Your own modules or packages whose objectives runs may name; to measure them runs their code.
        threads: CPU threads of each process.
        jobs: Number of runs that are probed at once, a process each.
        device: What sums the kernels of permutation tests, e.g. cuda; all else is computed by the CPU.
    """
    check_numbers(SEED, whole=True, seed=seed)
    check_numbers(JOBS, whole=True, threads=threads, jobs=jobs)
    if umap and find_spec("umap") is None:
        raise InputError("umap=true: the package is not installed; pip install umap-learn, or leave it out")
    if device != "cpu":
        from align.analysis.statistics.on_device import check_device  # PyTorch takes a second to load

        check_device(device)
    runs = holding(path, EMBEDDINGS)
    if not runs:
        raise InputError(f"path={path!r}: holds no {EMBEDDINGS}; expected a run or sweep that has trained")
    failures = []
    sweeps = sorted({run.parent for run in runs if (run / POINT).exists() and run != Path(path)})
    with ExitStack() as all_of_them:
        for sweep in sweeps:  # before hours of probing, that it need not be done again
            all_of_them.enter_context(held(sweep, "align probe"))
        for probed in probe_runs(runs, probe, umap, seed, threads, jobs, device):
            if isinstance(probed, InputError):
                failures.append(probed)
            else:
                print(*probed, sep="\n", flush=True)
        for sweep in sweeps:
            with trusting(trust or ()):
                report_sweep(sweep)
    if failures:
        raise InputError(f"{len(failures)} of {len(runs)} runs could not be probed: {failures[0]}")


def report_sweep(path: str | Path) -> None:
    """Write the tables, figures and dashboard of a sweep that the caller holds, and say where they are.

    Who looks at the sweep by a report meanwhile, while it trains, is waited for.
    """
    with held(path, "a sweep's report", report=True, wait=True), pinned(1), telling(f"reporting on {path}"):
        files, dashboard = report_everything(path), write_sweep(path)
    for written in files:
        print(written)
    print(f"{dashboard}: make dashboard RUN={path}", flush=True)


def compare(path: str, reference: str, arms: list[str] | None = None, out: str | None = None) -> None:
    """Compare arms of a sweep with any one of them, where its report has the reference of the grid alone.

    Writes a table, as CSV and Markdown: of each world the paired difference of the scores on shared trials,
    with the interval of each comparison by itself and with one so wide that all of the table hold at once;
    and, where paths were kept, the median ratio of the accelerations on trials in which both succeed.

    Args:
        path: The sweep, with its runs.
        reference: Label of the arm to compare with, as tables and figures name it.
        arms: Labels of those to compare; by default all others.
        out: Where to write, without suffix; by default compared-with-REFERENCE in the sweep.
    """
    if not is_sweep(path):
        below = _sweeps_below(path)
        known = f"one of {', '.join(map(str, below))}" if below else "the directory of a sweep that has run"
        raise InputError(f"path={path!r}: is no sweep; expected {known}")
    if out is not None:
        check_writable(f"{out}.md")
    sweep = Sweep(path)
    every = sweep.arms()
    base = sweep.find(every, reference)
    chosen = [sweep.find(every, label) for label in arms] if arms else [a for a in every if a is not base]
    pairs, rows = [(arm, base) for arm in chosen], []
    scores = {world: Metric("rollout", world, "score") for world in sweep.worlds}
    found = {world: compare_arms(sweep, pairs, score).pairs for world, score in scores.items()}
    for i, arm in enumerate(chosen):
        row: dict[str, object] = {"arm": arm.label}
        for world in sweep.worlds:
            metric, of_pair = Metric("motion", world, "acceleration"), found[world][i]
            row[f"{world}: score − {base.label}"] = of_pair and of_pair.single
            row[f"{world}: all at once"] = of_pair and of_pair.simultaneous
            if sweep.has(metric):
                row[f"{world}: acceleration / {base.label}"] = sweep.ratio(arm.runs, base.runs, metric)
        rows.append(row)
    name = f"compared-with-{base.label}".replace("/", "-").replace(", ", "-")
    to = Path(out or sweep.path / name)
    with held(to.parent, "align compare", new=True, report=True):
        for written in write_tables(to, rows):
            print(written)
        print(Path(f"{to}.md").read_text(encoding="utf-8"), end="")


def mechanism(
    path: str,
    sweeps: list[str] | None = None,
    regime: str | None = None,
    out: str | None = None,
    world: str | None = None,
) -> None:
    """Correlate how well sim and real can be told apart with success, over the runs of many sweeps.

    Args:
        path: Folder of the sweeps, or one of them; also of what `align keep` kept of them.
        sweeps: Names of those to take; by default all.
        regime: Take those alone that are of this regime, one that claims.yaml of the folder declares.
        out: Where to write; by default mechanism below the folder.
        world: The world that success is measured in; by default the target of each sweep.
    """
    found: dict[str, list[Path]] = {}
    for folder in _sweeps_below(path):
        found.setdefault(folder.name, []).append(folder)
    if not found:
        raise InputError(f"path={path!r}: no sweep there; expected a folder of sweeps that have run, or one")
    if unknown := [name for name in sweeps or [] if name not in found]:
        raise InputError(f"path={path!r}, sweeps={unknown}: expected some of {', '.join(found)}")
    taken = [folder for name in sweeps or found for folder in found[name]]
    if regime is not None:
        settings = read_regime(Path(path) / DECLARED, regime)
        taken = [folder for folder in taken if of_regime(folder, settings)]
        if not taken:
            raise InputError(f"regime={regime!r}: no sweep of {path} is of it")
    out = Path(out or Path(path) / "mechanism")
    check_writable(out / "mechanism.md")
    with held(out, "align mechanism", new=True):
        for written in report_mechanism(taken, out, world):
            print(written)


def agreement(sweeps: list[str], out: str = "agreement") -> None:
    """Say how well scores in simulation tell those elsewhere, for several sweeps beside each other.

    Args:
        sweeps: Sweeps, or what align keep kept of them, e.g. of the same arms with two targets.
        out: Folder to write to: a table and a figure.
    """
    found = _sweeps(sweeps)
    check_writable(Path(out) / "agreement.md")
    with held(out, "align agreement", new=True):
        written = report_agreement(found, out)
        if not written:
            raise InputError(f"sweeps={sweeps}: expected {FEWEST} arms or more in two worlds, in one of them")
        print(*written, sep="\n")
        print(Path(out, "agreement.md").read_text(encoding="utf-8"), end="")


def _sweeps_below(path: str) -> list[Path]:
    """The sweeps that a folder holds, or is itself."""
    return [folder for folder in sorted({*holding(path, GRID), *holding(path, RESULTS)}) if is_sweep(folder)]


def _sweeps(paths: Sequence[str]) -> list[Sweep]:
    """Those of some folders that are sweeps; of the others it is said.

    Raises:
        InputError: None is.
    """
    found = []
    for path in map(Path, paths):
        if is_sweep(path):
            found.append(Sweep(path))
        else:
            print(f"{path}: no sweep, left out")
    if not found:
        raise InputError(f"sweeps={list(paths)}: expected one or more directories of sweeps that have run")
    return found


def select(
    sweeps: list[str],
    out: str = "select",
    given: list[str] | None = None,
    leave_out: Literal["sweep", "task"] = "sweep",
) -> None:
    """Say which arm rules without rollouts would have chosen in recorded sweeps, and what that cost.

    Args:
        sweeps: Sweeps, or what align keep kept of them; of folders that are none it is said.
        out: Folder to write to: a table a rule, one a rule and task, and a figure.
        given: Axes along which nothing is chosen, so that each of their values is a task of its own; by
            default gaps and the number of real demonstrations.
        leave_out: What a choice that is learnt must not have seen: the whole sweep, or the task alone.
    """
    if leave_out not in ("sweep", "task"):
        raise InputError(f"leave_out={leave_out!r}: expected sweep or task")
    check_writable(Path(out) / "select.md")
    found = _sweeps(sweeps)
    axes = {axis for sweep in found for axis in sweep.axes}
    if unknown := [axis for axis in given or () if axis not in axes]:
        raise InputError(
            f"given={unknown}: no axis of these sweeps; expected some of {', '.join(sorted(axes))}"
        )
    with held(out, "align select", new=True):
        written, missing = select_arms(found, Path(out), GIVEN_AXES if given is None else given, leave_out)
        print(*missing, *written, sep="\n")
        print(Path(out, "select.md").read_text(encoding="utf-8"), end="")


def report(path: str, out: str | None = None) -> None:
    """Write the tables and figures of a sweep anew, from its runs or from what was kept of it.

    Args:
        path: The sweep, or a folder that align keep wrote.
        out: Folder to write to, with all else that was kept; by default into the sweep itself.
    """
    if out is not None:
        if not is_kept(path):
            raise InputError(
                f"out={out!r}: only what was kept of a sweep is drawn elsewhere; {path!r} was not"
            )
        if Path(out).exists():
            raise InputError(f"out={out!r} exists; choose another folder")
        with unwritten(path, "folder"), atomic_path(out, replace=False) as folder:
            check_kinds_below(path)
            shutil.copytree(path, folder, ignore=shutil.ignore_patterns(LOCK, REPORT_LOCK))
            report_everything(folder)
        path = out
    else:
        with held(path, "align report", report=True):
            report_everything(path)
    print(f"written: {path}")
    if is_kept(path) and (same := not_redrawn(path)):
        print(f"as they were, for what they show was not kept: {', '.join(same)}")


def keep(sweep: str, results: str, command: str) -> None:
    """Copy the results of a sweep that are worth keeping: tables, figures and every trial.

    Args:
        sweep: Directory of the sweep.
        results: Directory to copy to, e.g. results/lambda.
        command: The command that made them, which is recorded.
    """
    if not (Path(sweep) / RESULTS).is_file():
        raise InputError(f"sweep={sweep!r}: holds no {RESULTS}; expected a sweep with its report")
    with unwritten(sweep, "sweep"):
        for path in keep_files(sweep, results, command, measured_beside(sweep)):
            print(path)
