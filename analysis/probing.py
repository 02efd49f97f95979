"""Everything that is measured of a run's embeddings, of many runs side by side."""

import multiprocessing
import os
import signal
import threading
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from pathlib import Path

from sklearn.base import ClassifierMixin

from align import own_modules
from align.analysis.dashboard import check_shown, write_run
from align.analysis.reports.geometry import measure_run, read_measured
from align.analysis.reports.probes.probe import codec_note, load_embeddings, probe_run
from align.analysis.reports.probes.store_probe import read_names
from align.analysis.reports.probes.task_probe import load_tasks, task_probe_run
from align.analysis.statistics.probing.probe import GIVEN, Kind
from align.errors import InputError
from align.run.config import aligned_site, callback_options
from align.run.locks import held
from align.run.ticking import pinned, telling
from align.run.tidying import tidy


def probe_runs(
    runs: Sequence[Path],
    probe: Kind | ClassifierMixin = "both",
    umap: bool = False,
    seed: int = 0,
    threads: int = 1,
    jobs: int = 1,
    device: str = "cpu",
) -> Iterator[list[str] | InputError]:
    """Probe runs, `jobs` at once, each in a process of its own where that is more than one.

    Args:
        runs: Run directories.
        probe, umap, seed, threads, device: As `align probe` takes them.
        jobs: Processes.

    Yields:
        Of each run, in their order, what to tell of it, or why it could not be probed.

    Raises:
        InputError: A process was killed.
    """
    task = partial(_probed, probe=probe, umap=umap, seed=seed, threads=threads, device=device)
    jobs = min(jobs, len(runs))
    if jobs == 1:
        yield from map(task, runs)
        return
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(jobs, mp_context=context, initializer=_prepare_process)
    try:
        yield from pool.map(task, runs)
    except BrokenProcessPool:
        raise InputError(
            f"jobs={jobs}: a process that probed was killed, for want of memory maybe; expected fewer"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


def _prepare_process() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # an interrupt ends it without a word
    threading.Thread(target=_end_with_parent, daemon=True).start()
    own_modules.find_last()  # a classifier may be a user's
    for category in (FutureWarning, DeprecationWarning):
        warnings.filterwarnings("ignore", category=category)


def _end_with_parent() -> None:
    multiprocessing.parent_process().join()  # however that ended
    os._exit(1)


def _probed(
    run: Path, probe: Kind | ClassifierMixin, umap: bool, seed: int, threads: int, device: str
) -> list[str] | InputError:
    """Probe a run, with PNG reports and its dashboard; what to tell of it, or what is wrong with it."""
    tidy(run)
    try:
        with held(run, "align probe"):
            return _probed_alone(run, probe, umap, seed, threads, device)
    except InputError as error:
        return InputError(str(error))


def _probed_alone(
    run: Path, probe: Kind | ClassifierMixin, umap: bool, seed: int, threads: int, device: str
) -> list[str]:
    """`_probed` of a run that is held.

    Raises:
        InputError: Something is wrong with it.
    """
    with pinned(threads):
        aligned_site(run), callback_options(run)  # what cannot be read is said before anything is written
        check_shown(run)
        _check_arrays(run)
        with telling(f"probing {run}"):
            result = probe_run(run, seed, probe)
            measure_run(run, result, seed, umap, device)
            tasks = task_probe_run(run, seed)
        write_run(run)
    told = [] if tasks else [f"{run}: older embeddings, no task probe; align embed {run} makes new ones"]
    return told + list(_told(run, result))


def _check_arrays(run: Path) -> None:
    """Read all that will be measured, before what is measured first is written.

    Raises:
        InputError: Something cannot be measured.
    """
    sites = load_embeddings(run)
    read_measured(run, sites)
    load_tasks(run, sites[0].row)
    read_names(run)


def _told(run: Path, result: dict) -> Iterator[str]:
    """Lines on what `probe_run` found."""
    found = ", ".join(
        f"{site} {name} {s['auc']['value']:.3f} [{s['auc']['low']:.3f}, {s['auc']['high']:.3f}]"
        for site, of_site in result["sites"].items()
        for name, s in (("AUC", of_site), ("MLP AUC", of_site.get("mlp")), ("AUC", of_site.get(GIVEN)))
        if s and "auc" in s
    )
    yield f"{run}: {found}"
    if note := codec_note(result["codecs"]):
        yield f"{run}: warning: {note}"
    for domain, stores in result.get("stores", {}).items():
        for store, of_site in stores.items():
            told = of_site.get("skipped") or ", ".join(
                f"{site} AUC {s['auc']['value']:.3f} [{s['auc']['low']:.3f}, {s['auc']['high']:.3f}]"
                for site, s in of_site.items()
            )
            yield f"{run}: {store} of the {domain} stores against the others: {told}"
