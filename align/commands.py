"""The functions behind `align demos`, `plans`, `rollout` and `embed`; their arguments are the options."""

import dataclasses
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Literal

from align.data.writing import write_store
from align.domain import Domain
from align.errors import COUNT, JOBS, SEED, SIZE, InputError, check_numbers
from align.files import check_writable
from align.run.locks import held
from align.run.ticking import telling, with_progress
from align.worlds.make import WorldLike, make_worlds
from align.worlds.planning import arm_plans as arm_planning
from align.worlds.planning import plans as planning
from align.worlds.planning.arm import ArmSpec
from align.worlds.planning.maze import MazeSpec
from align.worlds.pushing.demos import record
from align.worlds.pushing.gaps import Gap, World
from align.worlds.pushing.geometry import GOAL
from align.worlds.pushing.kind import PushingWorld
from align.worlds.pushing.mujoco import MujocoWorld


def demos(
    out: str,
    n: int = 600,
    world: Gap | World | MujocoWorld | Literal["mujoco"] | None = None,
    domain: Domain = Domain.SIM,
    seed: int = 0,
    size: int = 64,
    difficulty: str = "easy",
    jobs: int = 2,
    overwrite: bool = False,
) -> None:
    """Make demonstrations in the planar-pushing benchmark and store them.

    Args:
        out: Path of the Zarr store to write.
        n: Number of demonstrations.
        world: Levels of the gaps to sim, e.g. {visual: 0.75, physics: 1, expert: 1}, a whole world, or
            mujoco, the same T in MuJoCo; sim by default.
        domain: What they stand for, kept as an attribute: SIM or REAL.
        seed: Seed of the starts and of the expert's noise.
        size: Side in pixels of the images.
        difficulty: Range of starts: easy, medium or full.
        jobs: Processes.
        overwrite: Replace a store at `out`.
    """
    _check_demos({"n": n, "seed": seed, "size": size})
    check_numbers(JOBS, whole=True, jobs=jobs)
    if Path(out).exists() and not overwrite:
        raise InputError(f"out={out!r} exists; choose another path or --overwrite=true")
    levels = dataclasses.asdict(world or Gap()) if isinstance(world, Gap | None) else None
    world = _pushing_world(world)
    attributes = {
        "domain": domain.label,
        "rate_hz": 10,
        "world": dataclasses.asdict(world),
        "goal": GOAL.tolist(),
        "gap": levels,
        "seed": seed,
        "difficulty": difficulty,
    }
    print(f"making {n} {domain.label} demonstrations into {out}", flush=True)
    recording = record(world, n, seed, size, difficulty, jobs)
    write_store(out, with_progress(recording, n), attributes, overwrite)
    replaced = f"; {recording.rejected} attempts that fell short were replaced" if recording.rejected else ""
    print(f"{out}: {n} demonstrations{replaced}", flush=True)


def _check_demos(values: dict[str, Any]) -> None:
    """Refuse numbers that nothing is made of, before anything is."""
    check_numbers(COUNT, whole=True, n=values["n"])
    check_numbers(SEED, whole=True, seed=values["seed"])
    check_numbers(SIZE, whole=True, size=values["size"])


def _demos_identity(values: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """What makes two recordings the same: worlds down to their numbers, whichever way they are described."""
    return "pushing", values | {"world": dataclasses.asdict(_pushing_world(values["world"]))}


def _pushing_world(world: Gap | PushingWorld | Literal["mujoco"] | None) -> PushingWorld:
    """The world that an option describes."""
    if world == "mujoco":
        return MujocoWorld()
    world = world or Gap()
    return world.world() if isinstance(world, Gap) else world


demos.identity, demos.check = _demos_identity, _check_demos


def plans(
    out: str,
    planner: planning.PlannerName = "rrt",
    n: int = 1000,
    world: Literal["maze", "arm"] = "maze",
    maze: MazeSpec | None = None,
    arm: ArmSpec | None = None,
    regions: str | None = None,
    domain: Domain | None = None,
    seed: int = 0,
    repeats: int = 1,
    first_trial: int | None = None,
    jobs: int = 2,
    overwrite: bool = False,
) -> None:
    """Make plans of a point in a 2-D maze, or of an arm among shelves, and store them as demonstrations.

    Args:
        out: Path of the Zarr store to write.
        planner: Smooth plans (gcs) or jagged ones (rrt, rrt-connect); with one seed, of the same queries.
        n: Number of plans.
        world: What moves and where: maze, or arm (planners gcs and rrt-connect).
        maze: What the maze is made from, e.g. {seed: 1, cells: 5}.
        arm: What the arm's scene is made from, e.g. {shelf: 0.5, spread: 0.1}.
        regions: Folder that keeps the arm's regions, which gcs needs; made there if need be, in minutes.
        domain: What they stand for, kept as an attribute; REAL for gcs and SIM for the others by default.
        seed: Seed of the queries and of the planner.
        repeats: How often each query is planned for.
        first_trial: Plan for the queries of rollouts, from the trial of this seed on, to compare them with;
            `seed` is then that of the planner alone.
        jobs: Processes.
        overwrite: Replace a store at `out`.
    """
    _check_plans({"n": n, "repeats": repeats, "seed": seed, "first_trial": first_trial})
    check_numbers(JOBS, whole=True, jobs=jobs)
    check_writable(out)
    if Path(out).exists() and not overwrite:
        raise InputError(f"out={out!r} exists; choose another path or --overwrite=true")
    of_other = {"arm": arm, "regions": regions} if world == "maze" else {"maze": maze}
    for name, value in of_other.items():
        if value is not None:
            raise InputError(f"{name}={value!r}: expected none for world {world}")
    domain = planning.DOMAIN[planner] if domain is None else domain
    if world == "arm":
        spec, described = arm or ArmSpec(), arm_planning.attributes
        recording = arm_planning.record(spec, planner, n, seed, repeats, jobs, regions, first_trial)
    else:
        spec, described = maze or MazeSpec(), planning.attributes
        recording = planning.record(spec, planner, n, seed, repeats, jobs, first_trial)
    print(f"making {n} {planner} plans into {out}", flush=True)
    started = time.perf_counter()
    episodes = list(with_progress(recording, n))  # before the attributes, which tell how many were rejected
    attributes = {
        "domain": domain.label,
        "seed": seed,
        "repeats": repeats,
        "first_trial": first_trial,
        world: dataclasses.asdict(spec),
        **described(recording, planner, n),
    }
    write_store(out, episodes, attributes, overwrite)
    reasons = ", ".join(f"{count} {reason}" for reason, count in recording.reasons.items()) or "none"
    print(
        f"{out}: {n} plans in {time.perf_counter() - started:.0f} s;"
        f" rejected {attributes['rejection_rate']:.2%} of {attributes['attempts']} ({reasons})",
        flush=True,
    )


def _check_plans(values: dict[str, Any]) -> None:
    """Refuse numbers that nothing is made of, before anything is."""
    check_numbers(COUNT, whole=True, n=values["n"], repeats=values["repeats"])
    check_numbers(SEED, whole=True, seed=values["seed"], first_trial=values["first_trial"])


plans.check = _check_plans


def rollout(
    policy: str,
    world: WorldLike | None = None,
    out: str | None = None,
    trials: int = 100,
    steps: int = 120,
    first_seed: int = 1_000_000,
    size: int = 64,
    difficulty: str = "easy",
    film: int = 4,
    domain: Domain = Domain.REAL,
    guidance_weight: float | None = None,
    n_action_steps: int | None = None,
    threads: int = 1,
    trust: list[str] | None = None,
) -> None:
    """Evaluate a trained policy in a world.

    Args:
        policy: A run directory, or a checkpoint.
        world: Levels of the gaps of pushing to sim, e.g. {visual: 0.75, physics: 1}, a whole pushing world,
            mujoco, gym-pusht, or {class_path, init_args} of any align.worlds.batch.Worlds; pushing in sim
            by default.
        out: Folder for rollouts.csv, the film and, where the world keeps them, the executed paths; by default
            they are only summarised here.
        trials: Number of trials.
        steps: Control steps a trial (of pushing: at 10 Hz).
        first_seed: Seed of the first trial; the others follow.
        size: Side in pixels of the images of a pushing world.
        difficulty: Range of starts in a pushing world: easy, medium or full.
        film: Number of trials to film, at most all.
        domain: Where it acts, SIM or REAL: whose stores say how positions and actions are written, and what
            a policy with domain conditioning is told.
        guidance_weight: Weight of the guidance on the domain, if not the policy's own.
        n_action_steps: Actions that are executed before the next are planned, if not the policy's own.
        threads: CPU threads.
        trust: Your own modules or packages whose classes the policy may be made of; their code runs.
    """
    import torch

    from align.policy import DiffusionPolicy
    from align.rollout import rollout as run
    from align.rollout import summarise
    from align.run.layout import CONFIG, PATHS, ROLLOUTS, ROLLOUTS_FILM, ROLLOUTS_PICTURE
    from align.run.paths import write_paths
    from align.run.trials import write_film, write_trials

    check_numbers(COUNT, whole=True, trials=trials, steps=steps)
    check_numbers(SEED, whole=True, first_seed=first_seed)
    check_numbers(SIZE, whole=True, size=size)
    check_numbers("[0, 1000]", whole=True, film=film)
    check_numbers("[0, 1000]", guidance_weight=guidance_weight)
    check_numbers(SIZE, whole=True, n_action_steps=n_action_steps)
    check_numbers(JOBS, whole=True, threads=threads)
    torch.set_num_threads(threads)
    if out is not None:
        check_writable(Path(out) / ROLLOUTS)
    with nullcontext() if out is None else held(out, "align rollout", new=True):
        if out is not None and all((Path(out) / name).exists() for name in (CONFIG, ROLLOUTS)):
            raise InputError(
                f"out={out!r}: is a run, whose own {ROLLOUTS} would be lost; expected another folder"
            )
        trained = DiffusionPolicy.from_checkpoint(policy, trust or ())
        if guidance_weight is not None:
            trained.guide(guidance_weight)
        if n_action_steps is not None:
            trained.execute(n_action_steps)
        world = world or Gap()
        name = world if isinstance(world, str) else "world"
        worlds, seeds = make_worlds(world, size, difficulty), range(first_seed, first_seed + trials)
        with telling(f"{trials} trials"):
            rows, films = run(trained, worlds, seeds, steps, name, min(film, trials), domain=domain)
        for measure, mean in summarise(rows).items():
            print(f"{measure}: {mean:.3f}")
        if out is not None:
            paths = worlds.paths()
            write_trials(Path(out) / ROLLOUTS, rows)
            write_paths(Path(out) / PATHS, seeds, {name: paths})
            write_film(out, {name: films}, rows)
            of_others = [PATHS] * (paths is None) + [ROLLOUTS_FILM, ROLLOUTS_PICTURE] * (len(films) == 0)
            for left in of_others:  # of trials that were here before
                (Path(out) / left).unlink(missing_ok=True)
            print(f"written: {Path(out) / ROLLOUTS}")


def embed(
    run: str,
    sites: list[str] | None = None,
    per_domain: int | None = None,
    paired: int | None = None,
    threads: int = 1,
    trust: list[str] | None = None,
) -> None:
    """Compute the embeddings of a finished run again, from its checkpoint, configuration and data.

    Args:
        run: Run directory; its embeddings.npz and paired.npz are replaced, `align probe` reads them.
        sites: Where to read: image, observation, denoiser or paths of the policy's modules, in the denoiser
            with a diffusion step, e.g. '[image, encoder.backbone.0, denoiser@50]'; by default the run's.
        per_domain: Number of windows of each domain, if not the run's.
        paired: Number of states rendered in both worlds, if not the run's.
        threads: CPU threads.
        trust: Your own modules or packages whose classes the policy may be made of; their code runs.
    """
    import torch

    from align.callbacks.embeddings import Embeddings
    from align.command.options import check_arguments, check_nulls
    from align.datamodule import CotrainingData
    from align.embeddings import write_embeddings
    from align.policy import DiffusionPolicy
    from align.run.config import fit_config
    from align.run.layout import CONFIG
    from align.run.place import rewritten
    from align.run.reading import of_file

    check_numbers(COUNT, whole=True, per_domain=per_domain)
    check_numbers("[0, 1e9]", whole=True, paired=paired)
    check_numbers(JOBS, whole=True, threads=threads)
    if not Path(run, CONFIG).exists():
        fit_config(run)  # is refused before anything is written, also the lock
    with held(run, "align embed"):
        recorded = fit_config(run)
        given = {"sites": sites, "per_domain": per_domain, "paired": paired}
        options = dict(recorded.get("embeddings") or {}) | {
            name: value for name, value in given.items() if value is not None
        }
        where, data = f"{run}/{CONFIG}", recorded["data"]
        with of_file(where):
            check_nulls({"data": data, "embeddings": options})
        check_arguments(Embeddings, options, f"{where}: embeddings")
        named = ("pairing", "gating", "reader")  # classes, of which none is imported because a file names it
        check_arguments(CotrainingData, {k: v for k, v in data.items() if k not in named}, f"{where}: data")
        if store := rewritten(run, {"data": {**data, "gating": None}}):
            raise InputError(f"{store}: was written anew since {run} began; expected what it was trained on")
        torch.set_num_threads(threads)
        policy = DiffusionPolicy.from_checkpoint(run, trust or ())
        with of_file(where):
            chosen, held_out = Embeddings(**options), CotrainingData.recorded(data, policy)
            check_numbers("[0, 1e9]", whole=True, **{"model.probe_step": recorded["model"].get("probe_step")})
        for path in write_embeddings(
            run,
            policy,
            held_out,
            chosen.sites,
            chosen.per_domain,
            chosen.paired,
            chosen.thumbnail,
            recorded["model"]["probe_step"],
            recorded["seed_everything"],
        ):
            print(path)
