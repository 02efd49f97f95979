"""Plans of the arm as demonstrations: the same queries for both planners, each plan checked as stored."""

import functools
import os

from align.errors import InputError
from align.seeding import numpy_rng
from align.worlds.planning.arm import ArmSpec, arm
from align.worlds.planning.arm_gcs import ArmGcs
from align.worlds.planning.arm_regions import cached
from align.worlds.planning.arm_rrt import ArmRrt
from align.worlds.planning.arm_task import MARGIN, PADDING, RATE, RESOLUTION, SPEED, places, sample_query
from align.worlds.planning.plans import PlannerName, check_record, episode, query_of, rejections
from align.worlds.planning.task import waypoints
from align.worlds.recording import Recording

PLANNERS = ("gcs", "rrt-connect")
NOT_COVERED = "not covered by regions"


def record(
    spec: ArmSpec,
    planner: PlannerName,
    n: int,
    seed: int = 0,
    repeats: int = 1,
    jobs: int = 1,
    regions: str | os.PathLike | None = None,
    first_trial: int | None = None,
) -> Recording:
    """Plans of the arm as demonstrations, the same ones in the same order whatever `jobs` is.

    As `align.worlds.planning.plans.record`, but for what is rejected: queries whose start or goal no region
    covers (of GCS), those no plan was found for, and plans that come nearer than `MARGIN` to a collision
    anywhere along the waypoints, as they are stored.

    Args:
        spec: The scene.
        planner: "gcs" (smooth) or "rrt-connect" (jagged).
        n: How many plans.
        seed: Of queries and planners.
        repeats: How often each query is planned for.
        jobs: Processes.
        regions: Folder of the regions of GCS; they are made there if need be.
        first_trial: Seed of a trial of rollouts: then query k is that of the k-th trial from this one on,
            whatever `seed` is (in worlds that repeat queries: that of seed first_trial · repeats).

    Returns:
        An iterator of episodes (see `align.worlds.planning.plans.episode`), with an attribute `reasons`: how
        many were rejected, and why. agent_pos and state are (T, 14), action is (T, 7), rad.

    Raises:
        InputError: An argument is out of range, or what is needed is not installed.
    """
    check_record(planner, seed, repeats, first_trial, PLANNERS)
    if planner == "gcs" and regions is None:
        raise InputError(
            "regions=None: expected a folder for the regions of planner gcs, which takes them from it"
        )
    folder = None if regions is None else os.fspath(regions)
    (
        places(spec),
        _planner(spec, planner, folder),
    )  # what is wrong with them is said here, and regions made once
    attempt = functools.partial(_attempt, spec, planner, folder, seed, repeats, first_trial)
    return Recording(attempt, n, jobs, f"a scene in which {planner} finds its way")


def attributes(recording: Recording, planner: PlannerName, n: int) -> dict:
    """What the store of a finished recording of `n` plans says of them.

    `coverage`, as stores name it, is the share of queries whose start and goal lie in regions; `found` is
    that of these (of all, without regions) for which the planner found a plan, and `free` that of the plans
    found which were kept.
    """
    total = n + recording.rejected
    within = total - recording.reasons[NOT_COVERED]
    found = within - recording.reasons["not found"]
    return {
        "rate_hz": RATE,
        "speed_rad_s": SPEED,
        "padding_m": PADDING,
        "margin_m": MARGIN,
        "resolution_rad": RESOLUTION,
        **rejections(recording, planner, n),
        **({"coverage": round(within / total, 6)} if planner == "gcs" else {}),
        "found": round(found / within, 6),
        "free": round(n / found, 6),
    }


@functools.lru_cache(maxsize=4)
def _planner(spec: ArmSpec, name: PlannerName, regions: str | None) -> ArmGcs | ArmRrt:
    return ArmGcs(cached(spec, regions)) if name == "gcs" else ArmRrt(arm(spec, PADDING))


def _attempt(
    spec: ArmSpec,
    planner: PlannerName,
    regions: str | None,
    seed: int,
    repeats: int,
    first_trial: int | None,
    i: int,
) -> dict | str:
    """Attempt `i` of a recording, or why there is no plan."""
    query = sample_query(spec, query_of("arm query", seed, i // repeats, first_trial))
    planned = _planner(spec, planner, regions)
    if planner == "gcs" and not planned.covers(query).all():
        return NOT_COVERED
    path = planned.plan(*query, seed=int(numpy_rng(seed, planner, i).integers(1, 2**31)))
    if path is None:
        return "not found"
    arrays = episode(waypoints(path, SPEED / RATE))
    if not arm(spec, MARGIN).path_free(arrays["state"][:, :7], RESOLUTION):
        return "in collision"
    return {**arrays, "seed": i, "query": i // repeats}
