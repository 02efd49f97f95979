"""The planning task of the arm: its places and queries, its motion, and how closely it is checked."""

import functools
import itertools

import numpy as np

from align.errors import InputError
from align.seeding import numpy_rng
from align.worlds.planning.arm import JOINTS, Arm, ArmSpec, arm, certain
from align.worlds.planning.arm_kinematics import FINGERS

RATE = 10.0
"""Control steps a second."""
SPEED = 1.0
"""Largest speed in joint space, rad/s; the joints themselves are capable of 2.17 rad/s and more."""
PADDING = 0.01
"""By how much planners keep off the shelves and the robot off itself, m."""
MARGIN = 0.005
"""By how much stored plans do, where they are looked at, m."""
RESOLUTION = certain(MARGIN)
"""How densely they are looked at, rad: so densely that nothing is touched in between."""
TOLERANCE = 0.15
"""Distance to the goal in joint space at which it is reached, rad."""
SECONDS = 30.0
"""Time in which it must be reached."""

READY = np.array([0, -np.pi / 4, 0, -3 * np.pi / 4, 0, np.pi / 2, np.pi / 4])
"""The pose in front of the shelf, rad."""
SLACK = 0.3
"""How far the joints of a place are from their limits, rad."""
CANDIDATES = 20
"""Poses of a compartment of which the best is taken."""


@functools.lru_cache(maxsize=16)
def places(spec: ArmSpec) -> np.ndarray:
    """A pose in front of the shelf and one in each of its four compartments, (5, 7) rad.

    In a compartment the hand points into the shelf; of poses that follow from the seed, the one farthest from
    any contact is taken.

    Raises:
        InputError: The arm does not reach into a compartment.
    """
    robot = arm(spec, PADDING)
    sides, heights = ((0.1, 0.3), (-0.3, -0.1)), ((0.12, 0.28), (0.52, 0.68))
    poses = [READY]
    for k, (side, height) in enumerate(itertools.product(sides, heights)):
        low = np.array([spec.shelf, side[0], height[0]])
        high = np.array([spec.shelf + 0.1, side[1], height[1]])
        rng = numpy_rng(spec.seed, "place", k)
        found = [_reaching(robot, rng.uniform(low, high), rng) for _ in range(CANDIDATES)]
        found = [q for q in found if q is not None and robot.free(q[None])[0]]
        if not found:
            raise InputError(f"shelf={spec.shelf!r}: expected a distance from which the arm reaches into it")
        poses.append(max(found, key=robot.clearance))
    return np.array(poses)


def sample_query(spec: ArmSpec, rng: np.random.Generator) -> np.ndarray:
    """A start and a goal near two places, uniform in boxes of half-side `spec.spread`, free; (2, 7) rad."""
    padded, poses = arm(spec, PADDING), places(spec)
    query = []
    for place in rng.choice(len(poses), 2, replace=False):
        while True:
            q = poses[place] + rng.uniform(-spec.spread, spec.spread, JOINTS)
            if padded.free(q[None])[0]:
                break
        query.append(q)
    return np.stack(query)


def _reaching(robot: Arm, target: np.ndarray, rng: np.random.Generator) -> np.ndarray | None:
    """A pose like `READY` with the hand at `target` (3,) m, pointing away from the base, or None."""
    from pydrake.multibody.inverse_kinematics import InverseKinematics
    from pydrake.solvers import Solve

    problem = InverseKinematics(robot.plant, with_joint_limits=True)
    hand, world = robot.plant.GetFrameByName("panda_hand"), robot.plant.world_frame()
    problem.AddPositionConstraint(hand, [0, 0, FINGERS], world, target - 0.01, target + 0.01)
    problem.AddAngleBetweenVectorsConstraint(hand, [0, 0, 1], world, [1, 0, 0], 0, 0.5)
    program = problem.prog()
    program.AddBoundingBoxConstraint(robot.low + SLACK, robot.high - SLACK, problem.q())
    program.AddQuadraticErrorCost(0.1 * np.eye(JOINTS), READY, problem.q())
    program.SetInitialGuess(problem.q(), 0.7 * READY + 0.3 * rng.uniform(robot.low, robot.high))
    result = Solve(program)
    return result.GetSolution(problem.q()) if result.is_success() else None
