"""Convex regions of the arm's joint space, inflated by IRIS-ZO (Werner et al. 2024), and their folder.

A region is probably nearly free and no more: of its volume at most a share `Inflation.epsilon` collides, with
confidence 1 - `Inflation.delta`; but near a narrow place it may be a fifth. Regions are inflated for a padded
robot, so that part of what collides of them only comes near. Whether a plan is free is never inferred from
them; see `arm_plans`.
"""

import dataclasses
import hashlib
import itertools
import json
import os
from importlib import metadata
from pathlib import Path

import numpy as np

from align.errors import InputError
from align.files import atomic_path
from align.run.locks import locked
from align.run.reading import read_table
from align.seeding import numpy_rng
from align.worlds.planning.arm import JOINTS, Arm, ArmSpec, arm, description
from align.worlds.planning.arm_rrt import ArmRrt, shortened
from align.worlds.planning.arm_task import PADDING, places

Region = tuple[np.ndarray, np.ndarray]
"""A (faces, 7) and b (faces,): the configurations q with A q <= b."""


@dataclasses.dataclass(frozen=True)
class Inflation:
    """How regions are made.

    Args:
        epsilon, delta: Share of a region that may collide, and how likely it may be more.
        margin: By how much faces are moved inwards, rad.
        particles: How many configurations look for a collision at once.
        width: Half-axis of the ellipsoids that are inflated, across, rad.
        paths: Of how many paths to a place the one of the fewest pieces is taken.
        seed: Of those paths and of the inflation.
    """

    epsilon: float = 0.02
    delta: float = 0.05
    margin: float = 0.005
    particles: int = 300
    width: float = 0.01
    paths: int = 3
    seed: int = 0


INFLATION = Inflation()  # of the regions that plans share


def cached(spec: ArmSpec, folder: str | os.PathLike) -> list[Region]:
    """The regions of a scene: read from `folder`, or made and left there, which takes a minute or more.

    The file is named by all they depend on: scene, places, robot, inflation and version of Drake. Processes
    that want the same wait for the one that makes them.

    Raises:
        InputError: Drake, OMPL or example-robot-data is not installed, or the file cannot be read.
    """
    if Path(folder).exists() and not Path(folder).is_dir():
        raise InputError(f"regions={os.fspath(folder)!r}: expected a folder, or a path where one can be made")
    poses = places(spec)
    depends = {
        "scene": dataclasses.asdict(spec) | {"boxes": spec.boxes.tolist(), "places": poses.round(9).tolist()},
        "padding": PADDING,
        "inflation": dataclasses.asdict(INFLATION),
        "robot": hashlib.blake2b(description().encode(), digest_size=8).hexdigest(),
        "drake": metadata.version("drake"),
    }
    text = json.dumps(depends, sort_keys=True)
    path = Path(folder) / f"arm-{hashlib.blake2b(text.encode(), digest_size=6).hexdigest()}.npz"
    with locked(path.parent / f".{path.stem}", "regions", wait=True):
        if not path.exists():
            found = make(spec, INFLATION)
            with atomic_path(path) as target:
                np.savez_compressed(
                    target,
                    A=np.concatenate([A for A, _ in found]),
                    b=np.concatenate([b for _, b in found]),
                    ends=np.cumsum([len(b) for _, b in found]),
                    depends=text,
                )
    expected = "regions of the arm; delete it"
    stored = read_table(path, {"A": ("f", 2), "b": ("f", 1), "ends": ("iu", 1)}, expected)
    A, b, ends = stored["A"], stored["b"], stored["ends"]
    if A.shape != (len(b), JOINTS) or (np.diff(ends, prepend=0) <= 0).any() or ends[-1:].tolist() != [len(b)]:
        raise InputError(f"{path}: its arrays do not go together; expected {expected}")
    return list(zip(np.split(A, ends[:-1]), np.split(b, ends[:-1]), strict=True))


def make_folder(out: str = "regions", arm: ArmSpec | None = None) -> None:
    """Make a folder of regions for plans to share, as `cached` does; nothing is made again.

    Args:
        out: The folder.
        arm: The scene; that of the default specification if none.
    """
    print(f"making the regions of the arm into {out}, in a minute or more", flush=True)
    cached(arm or ArmSpec(), out)


def make(spec: ArmSpec, inflation: Inflation) -> list[Region]:
    """Regions around the places, and along the pieces of paths from the first of them to the others.

    A piece is spanned by a region that contains both of its ends, hence all of it.
    """
    padded, poses = arm(spec, PADDING), places(spec)
    ball = np.eye(JOINTS) * inflation.width
    regions = [inflate(padded, pose, ball, pose[None], inflation) for pose in poses]
    for start, end in skeleton(spec, inflation):
        if any(contains(region, np.stack([start, end])).all() for region in regions):
            continue
        length = np.linalg.norm(end - start)
        axes, _ = np.linalg.qr(np.column_stack([end - start, np.eye(JOINTS)]))  # (7, 7), the first along it
        radii = np.full(JOINTS, inflation.width)
        radii[0] = 0.505 * length
        tube = axes * radii
        regions.append(inflate(padded, (start + end) / 2, tube, np.stack([start, end]), inflation))
    return regions


def skeleton(spec: ArmSpec, inflation: Inflation) -> list[tuple[np.ndarray, np.ndarray]]:
    """Straight motions that connect all places, shortened paths of RRT-Connect, twice as padded as plans.

    Raises:
        InputError: OMPL is not installed, or a place is not reached.
    """
    robot, poses = arm(spec, 2 * PADDING), places(spec)
    planner, pieces = ArmRrt(robot), []
    for k, pose in enumerate(poses[1:], start=1):
        paths = []
        for i in range(inflation.paths):
            rng = numpy_rng(inflation.seed, "skeleton", k, i)
            path = planner.plan(poses[0], pose, seed=int(rng.integers(1, 2**31)))
            if path is not None:
                paths.append(shortened(robot, path, rng, resolution=0.02))
        if not paths:
            raise InputError(
                f"shelf={spec.shelf!r}: expected a scene in which the arm reaches every compartment"
            )
        best = min(paths, key=len)
        pieces += itertools.pairwise(best)
    return pieces


def inflate(robot: Arm, centre: np.ndarray, axes: np.ndarray, inside: np.ndarray, how: Inflation) -> Region:
    """A region grown from an ellipsoid.

    Args:
        robot: What is to be free.
        centre: Of the ellipsoid, (7,) rad.
        axes: Its half-axes as columns, (7, 7) rad.
        inside: Configurations (n, 7) that the region contains, rad.
        how: The parameters.
    """
    from pydrake.common import Parallelism
    from pydrake.geometry.optimization import HPolyhedron, Hyperellipsoid
    from pydrake.planning import IrisZo, IrisZoOptions

    options = IrisZoOptions()
    sampled = options.sampled_iris_options
    sampled.epsilon, sampled.delta = how.epsilon, how.delta
    sampled.configuration_space_margin, sampled.relax_margin = how.margin, True
    sampled.num_particles, sampled.max_iterations = how.particles, 1
    sampled.containment_points = inside.T
    sampled.parallelism, sampled.random_seed, sampled.verbose = Parallelism(1), how.seed, False
    limits = HPolyhedron.MakeBox(robot.low, robot.high)
    region = IrisZo(robot.checker, Hyperellipsoid(np.linalg.inv(axes), centre), limits, options)
    region = region.ReduceInequalities(1e-6)
    return region.A(), region.b()


def contains(region: Region, q: np.ndarray) -> np.ndarray:
    """Whether a region contains configurations (..., 7), up to 1e-6; (...) bool."""
    A, b = region
    return (np.asarray(q) @ A.T <= b + 1e-6).all(-1)
