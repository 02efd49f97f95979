"""`align sweep`: run a grid, skip what is finished, resume what is not, report."""

import copy
import functools
import json
import signal
import time
from collections.abc import Sequence
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Any, Literal

import yaml

from align.checkpoints.trust import named_modules, trusting
from align.errors import COUNT, JOBS, InputError, check_numbers, shown
from align.experiments.checking import check, check_names
from align.experiments.cluster import SubmititLauncher
from align.experiments.demonstrations import places, prepare
from align.experiments.descriptions import is_option, resolve
from align.experiments.estimate import KINDS, Source, duration, expected, finished
from align.experiments.following import follow
from align.experiments.grid import Grid, Run, load_grid
from align.experiments.launch import Job, LocalLauncher, run_jobs
from align.experiments.options import set_option
from align.experiments.reuse import Asked, Finished, finished_elsewhere, kept_here, take_over, would_take_over
from align.experiments.step_times import Measured, nominal, recall, remember
from align.experiments.together import on_cpu
from align.experiments.together import together as batched
from align.files import remove_temporaries, write_json, write_text
from align.run.config import read_yaml
from align.run.layout import GRID, LOG, POINT, REQUEST
from align.run.locks import locked
from align.run.moved import renamed
from align.run.place import first_difference, rewritten
from align.run.provenance import hash_store
from align.run.reading import of_file
from align.run.state import is_begun, is_finished
from align.run.tidying import tidy


def sweep(
    grid: str,
    scale: str = "laptop",
    out: str | None = None,
    jobs: int = 2,
    base: str | None = None,
    set_: list[str] | str | None = None,
    data: str = "data",
    cluster: Literal["slurm", "local", "debug"] | None = None,
    cluster_parameters: dict | None = None,
    dry_run: bool = False,
    measure: bool = False,
    report: bool = True,
    demos_only: bool = False,
    together: int = 1,
    seeds: int | None = None,
    reference_seeds: int | None = None,
    reuse: list[str] | str | None = None,
) -> int:
    """Run a grid of experiments and report on it.

    Args:
        grid: YAML file of the grid, or the name of one that ships: alpha, ambient, ambient_arm,
            ambient_pushing, auxiliary, baselines, gap, human_pusht, lambda, lambda_auto, methods,
            oracle, plateau or precision.
        scale: Scale of the runs: smoke, laptop or paper.
        out: Directory of the sweep; by default runs/GRID-SCALE, with the name of another base behind it.
        jobs: Number of runs at once; each local one takes one thread.
        base: Name of another base configuration, e.g. mujoco, or the path of your own `.yaml` file.
        set_: An option for every run as OPTION=VALUE, e.g. data.real=my.zarr; more of them by --set+.
        data: Folder of the demonstrations that are made.
        cluster: Submit through submitit instead of running here: slurm, or its executors local and debug.
        cluster_parameters: Parameters of submitit's executor, e.g. {slurm_partition: gpu}.
        dry_run: Print what would run and how long it will take, and do nothing.
        measure: With dry_run, try runs of whose kind this machine remembers no time, for a few seconds each.
        report: Write tables, figures and dashboards at the end.
        demos_only: Make the demonstrations and stop.
        together: Train so many runs that differ in seeds alone as one batch, in one process, where a run by
            itself would not fill a GPU.
        seeds: Training seeds of each arm, 0 and so on; by default those of the grid. More may be added to a
            finished sweep.
        reference_seeds: More of them of the reference arm, whose error is in every difference: about √k times
            `seeds` where k arms are compared with it.
        reuse: Directory of another sweep, or several, whose finished runs are taken over where they are the
            same as runs of this one, such as a reference arm that both have; or folders that align keep
            wrote, such as results/lambda, of which a run's trials and numbers are taken over.
    """
    check_numbers(JOBS, whole=True, jobs=jobs, together=together)
    check_numbers(COUNT, whole=True, seeds=seeds, reference_seeds=reference_seeds)
    if cluster_parameters and cluster is None:
        raise InputError(f"cluster_parameters={shown(cluster_parameters)}: expected with --cluster alone")
    if measure and not dry_run:
        raise InputError("measure=true: is of a dry run; expected it with --dry-run alone")
    if Path(data).exists() and not Path(data).is_dir():
        raise InputError(f"data={data!r}: a file; expected a folder")
    overrides = [set_] if isinstance(set_, str) else set_ or []
    expanded = load_grid(grid, scale, base, overrides, seeds, reference_seeds)
    with of_file(grid) if Path(grid).suffix in (".yaml", ".yml") else nullcontext():
        check_names({run.name: run.config for run in expanded.runs})
    if expanded.taken:
        print(
            "from the stores:", ", ".join(f"{o}={_short(v)}" for o, v in expanded.taken.items()), flush=True
        )
    folder = Path(out or f"runs/{expanded.name}-{scale}" + (f"-{Path(base).stem}" if base else ""))
    elsewhere = [reuse] if isinstance(reuse, str) else reuse or []
    others = finished_elsewhere(elsewhere, folder)
    if dry_run:
        others = others if reuse else []  # to compare takes seconds
        return _describe(expanded, folder, Path(data), jobs, cluster is None, measure, others)
    if demos_only:
        for option, path in dict.fromkeys(
            item for paths in _prepare(expanded, Path(data), jobs).values() for item in paths.items()
        ):
            print(f"{option}: {path}")
        return 0
    with locked(folder, "sweep", by="align sweep"):
        remove_temporaries(folder)
        takes = f" ({expanded.takes})" if expanded.takes else ""
        print(f"{expanded.title}{takes}\n{len(expanded.runs)} runs into {folder}, {jobs} at a time")
        print("interrupt it freely: the same command goes on where it was", flush=True)
        started = time.perf_counter()
        launcher = (
            SubmititLauncher(cluster, folder / ".submitit", cluster_parameters or {})
            if cluster
            else LocalLauncher()
        )
        paths = _prepare(expanded, Path(data), jobs)
        requests = {run.name: _request(run, folder, paths[run.name]) for run in expanded.runs}
        _refuse_others(requests, folder)
        with trusting(named_modules(list(requests.values()))):
            _check(expanded, requests, folder, elsewhere=cluster is not None)
            asked = {run.name: Asked(requests[run.name], run.point, run.after) for run in expanded.runs}
            others = finished_elsewhere(elsewhere, folder)  # again, as another process may have held the lock
            told, kept = take_over(asked, folder, others)
            told += [
                f"reuse={other!r}: none of its runs is the same as one that was left to train"
                for other in elsewhere
                if not any(f"taken over from {Path(other)}/" in line for line in told)
            ]
            print("".join(f"{line}\n" for line in told), end="", flush=True)
        todo = [_claim(run, folder, requests[run.name], run.name in kept) for run in expanded.runs]
        record = {"title": expanded.title, "reference": expanded.reference, "families": expanded.families}
        write_json(folder / GRID, {**record, "runs": [run.name for run in expanded.runs]})
        everything = batched(todo, requests, folder, together) if together > 1 else todo
        if told := _told_of_together(everything, requests, together):
            print(told, flush=True)
        _follow(everything, launcher, jobs)
        failed = _list_failures(everything)
        if cluster is None and together == 1:
            ran = {job.name for job in todo if job.state == "finished"}
            times = {r.name: finished(folder / r.name)[1] for r in expanded.runs if r.name in ran}
            remember((r.config, found) for r in expanded.runs if (found := times.get(r.name)) is not None)
        if report and any(job.state in ("finished", "skipped") for job in todo):
            from align.analysis.commands import report_sweep  # late, as it takes seconds

            with trusting(named_modules([run.config for run in expanded.runs])):
                report_sweep(folder)
        print(f"{folder}: {duration(time.perf_counter() - started)}", flush=True)
    return failed


def _told_of_together(jobs: Sequence[Job], requests: dict[str, dict[str, Any]], together: int) -> str | None:
    """What to tell of runs that were to be trained together."""
    if together > 1 and not any(job.trains for job in jobs) and any(job.state == "waiting" for job in jobs):
        return (
            f"together={together}: no two runs that are left differ in seeds alone; each is trained by itself"
        )
    if on_cpu(jobs, requests):
        return f"together={together}: on a CPU, as many processes side by side train faster"
    return None


def _request(run: Run, folder: Path, paths: dict[str, str]) -> dict[str, Any]:
    """What the run asks of `align fit`."""
    config = resolve(run.config, paths)
    earlier = {option: str(folder / name) for option, name in run.after.items()}
    stores = {option: path for option, path in paths.items() if is_option(option)}
    for option, path in {**stores, **earlier, "run": str(folder / run.name)}.items():
        set_option(config, option, path)
    return config


def _refuse_others(requests: dict[str, dict[str, Any]], folder: Path) -> None:
    """Refuse a directory in which another configuration was trained, or on other data; one that never trained
    is free.

    Raises:
        InputError: There is one.
    """
    hash_of = functools.cache(hash_store)
    for name, config in requests.items():
        request = folder / name / REQUEST
        if is_begun(folder / name) and request.exists():
            asked = renamed(yaml.safe_load(yaml.safe_dump(config)))
            if (earlier := read_yaml(request)) != asked:
                difference = first_difference(earlier, asked) or f"see {request}"
                raise InputError(
                    f"out={str(folder)!r}: {name} was run with another configuration ({difference}); nothing "
                    "was overwritten: choose another directory with --out, or OUT of make"
                )
            if store := rewritten(folder / name, config, hash_of):
                raise InputError(
                    f"out={str(folder)!r}: {store} was written anew since {name} began; expected what that "
                    "run was trained on, or another directory"
                )


def _check(grid: Grid, requests: dict[str, dict[str, Any]], folder: Path, elsewhere: bool) -> None:
    """Find what runs that have not begun would refuse.

    Raises:
        InputError: One would be refused, or could not be probed.
    """
    new = {run.name: run for run in grid.runs if not is_begun(folder / run.name)}
    configs = {}
    for name, run in new.items():
        configs[name] = copy.deepcopy(requests[name])
        for option in run.after:  # of runs that are yet to be trained
            set_option(configs[name], option, None)
    check(configs, elsewhere)


def _claim(run: Run, folder: Path, config: dict[str, Any], kept: bool) -> Job:
    """The run's directory with its request; a run of which there are tables has none."""
    directory = folder / run.name
    if kept:
        return Job(run.name, directory, "skipped", (), run.point)
    write_text(directory / REQUEST, yaml.safe_dump(config, sort_keys=False))
    write_json(directory / POINT, run.point)
    tidy(directory)
    state = "skipped" if is_finished(directory) else "waiting"
    return Job(run.name, directory, state, tuple(run.after.values()), run.point)


def _prepare(grid: Grid, data: Path, jobs: int) -> dict[str, dict[str, str]]:
    """Make the demonstrations of all runs; by run, the path of each store by its option.

    Raises:
        InputError: Some cannot be made as they are described: then none are.
    """
    for demos in {json.dumps(run.demos): run.demos for run in grid.runs}.values():
        places(demos, data)
    made: dict[str, dict[str, str]] = {}
    for run in grid.runs:
        key = json.dumps(run.demos)
        if key not in made:
            made[key] = prepare(run.demos, data, jobs)
    return {run.name: made[json.dumps(run.demos)] for run in grid.runs}


def _describe(
    grid: Grid, folder: Path, data: Path, jobs: int, here: bool, measure: bool, others: Finished
) -> int:
    different = {json.dumps(run.demos): run.demos for run in grid.runs}.values()
    stores = {
        (option, path or json.dumps(demos[option])): (path, demos[option])
        for demos in different
        for option, path in places(demos, data).items()
    }
    for (option, _), (path, arguments) in stores.items():
        state = "there" if path is not None and path.exists() else "to be made"
        described = ", ".join(f"{name}={_plainly(value)}" for name, value in arguments.items())
        print(f"{option}: {path or f'in {data}'} ({state}): {described}")
    left, kept = [], kept_here(folder)
    taken, unmade = _would_take(grid, folder, data, others) if others else ({}, set())
    counted = 0
    for run in grid.runs:
        done = is_finished(folder / run.name) or run.name in kept
        there = None if done else taken.get(run.name)
        state = "finished" if done else "to run" if there is None else f"to be taken over from {there}"
        after = f" after {', '.join(run.after.values())}" if run.after else ""
        print(f"{folder / run.name}: {state}{after}")
        left += [] if done or there else [run]
        counted += there is not None
    if unknown := unmade & {run.name for run in left if not is_begun(folder / run.name)}:
        print(
            f"{len(unknown)} runs cannot be compared with those of other sweeps before their demonstrations "
            "are made: counted as to run"
        )
    print(
        f"{len(grid.runs)} runs, {len(left)} of them to run"
        + (f", {counted} to be taken over" if counted else "")
    )
    print(expected(left, folder, jobs, _sources(measure) if here else ()))
    return 0


def _plainly(value: Any) -> str:
    """A value of a grid as its file would have it, in one line."""
    return (
        value
        if isinstance(value, str)
        else yaml.safe_dump(value, default_flow_style=True, width=1 << 20, sort_keys=False)
        .removesuffix("...\n")
        .strip()
    )


def _would_take(grid: Grid, folder: Path, data: Path, others: Finished) -> tuple[dict[str, Path], set[str]]:
    """The finished run that each run would be taken over from, and the runs whose demonstrations, or those of
    what they go on from, are yet to be made."""
    found = {json.dumps(run.demos): run.demos for run in grid.runs}
    stores = {key: places(demos, data) for key, demos in found.items()}
    asked, unmade = {}, set()
    for run in grid.runs:  # each after those that it goes on from
        of_run = stores[json.dumps(run.demos)]
        if unmade & {*run.after.values()} or any(p is None or not p.exists() for p in of_run.values()):
            unmade.add(run.name)
        config = _request(run, folder, {option: str(path) for option, path in of_run.items() if path})
        asked[run.name] = Asked(config, run.point, run.after)
    with trusting(named_modules([how.config for how in asked.values()])):
        return would_take_over(asked, folder, others, unmade), unmade


def _sources(measure: bool) -> list[Source]:
    """What is asked about runs that never ran in this folder, if they are to run on this machine."""
    remembered = Source(lambda run: recall(run.config), "by what this machine remembers of such runs")
    if measure:
        words = "by a few steps and a little of the rollouts, tried here just now on random demonstrations"
        words += "; making demonstrations and probing come on top"
        return [remembered, Source(_measure, words, KINDS)]
    words = (
        "estimated from another machine's times by how fast this one multiplies; --measure tries them here"
    )
    return [remembered, Source(lambda run: nominal(run.config), words)]


def _measure(run: Run) -> Measured:
    """Times of a run that is tried for a moment."""
    print(f"trying {run.name} for a moment", flush=True)
    from align.experiments.measure import measure  # late, as it takes seconds

    sizes = [made.get("size") for made in run.demos.values() if isinstance(made.get("size"), int)]
    times = measure(run.config, *sizes[:1] or [64])
    remember([(run.config, times)])
    return times


def _follow(jobs: Sequence[Job], launcher, parallel: int) -> None:
    """Run the jobs; however that ends, they are stopped."""
    previous = {s: signal.signal(s, signal.default_int_handler) for s in (signal.SIGTERM, signal.SIGHUP)}
    try:
        with closing(run_jobs(jobs, launcher, parallel)) as states:
            follow(states, parallel)
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _short(value: Any) -> Any:
    """A component by its class."""
    return value["class_path"].rpartition(".")[2] if isinstance(value, dict) else value


def _list_failures(jobs: Sequence[Job]) -> int:
    for job in jobs:
        if job.state == "apart":
            print(f"not trained together: {job.name}: {job.last_line()} (log: {job.folder / LOG})")
    failed = [job for job in jobs if job.state == "failed"]
    for job in failed:
        print(f"failed: {job.name}: {job.last_line()} (log: {job.folder / LOG})")
    return 1 if failed else 0
