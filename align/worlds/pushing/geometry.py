"""The T, its goal and their overlap. Lengths in px (1 px stands for 1 mm), angles in rad, y down.

A pose is (x, y, angle) of the T's body origin, the middle of its bar's outer edge, as in gym-pusht.
"""

import math

import numpy as np
import shapely

WORKSPACE = 512.0
GOAL = np.array([256.0, 256.0, math.pi / 4])
GOAL.flags.writeable = False
PUSHER_RADIUS = 15.0
WALL_RANGE = (5.0, 506.0)
WALL_RADIUS = 2.0
BAR = np.array([(-60.0, 0.0), (60.0, 0.0), (60.0, 30.0), (-60.0, 30.0)])
STEM = np.array([(-15.0, 30.0), (15.0, 30.0), (15.0, 120.0), (-15.0, 120.0)])
T_VERTICES = np.array(
    [(-60, 0), (60, 0), (60, 30), (15, 30), (15, 120), (-15, 120), (-15, 30), (-60, 30)], dtype=float
)
T_AREA = 120.0 * 30.0 + 30.0 * 90.0
T_CENTRE = np.array([0.0, 45.0])
"""The nominal centre of gravity in the body frame, gym-pusht's: the mean of the two rectangles' centres."""

_BOX_CENTRES = np.array([(0.0, 15.0), (0.0, 75.0)])
_BOX_HALVES = np.array([(60.0, 15.0), (15.0, 45.0)])


def to_world(points: np.ndarray, poses: np.ndarray) -> np.ndarray:
    """Body-frame `points` (n, 2) at `poses` (..., 3), as world points (..., n, 2)."""
    poses = np.asarray(poses, dtype=float)
    cos, sin = np.cos(poses[..., 2, None]), np.sin(poses[..., 2, None])
    x, y = points[:, 0], points[:, 1]
    return np.stack([poses[..., 0, None] + cos * x - sin * y, poses[..., 1, None] + sin * x + cos * y], -1)


def to_body(points: np.ndarray, pose: np.ndarray) -> np.ndarray:
    """World `points` (..., 2) in the body frame of one `pose` (3,)."""
    cos, sin = math.cos(pose[2]), math.sin(pose[2])
    x, y = points[..., 0] - pose[0], points[..., 1] - pose[1]
    return np.stack([cos * x + sin * y, cos * y - sin * x], -1)


def compose(pose: np.ndarray, motions: np.ndarray) -> np.ndarray:
    """The poses (..., 3) reached from `pose` by `motions` (..., 3) given in its body frame.

    `pose` is (3,), or any shape that broadcasts against `motions`.
    """
    cos, sin = np.cos(pose[..., 2]), np.sin(pose[..., 2])
    x, y = motions[..., 0], motions[..., 1]
    return np.stack(
        [
            pose[..., 0] + cos * x - sin * y,
            pose[..., 1] + sin * x + cos * y,
            pose[..., 2] + motions[..., 2],
        ],
        -1,
    )


def distance_to_t(points: np.ndarray) -> np.ndarray:
    """Signed distance (...) of body-frame `points` (..., 2) to the T: positive outside.

    Outside it is exact; inside it is a bound that has the right sign.
    """
    gaps = np.abs(points[..., None, :] - _BOX_CENTRES) - _BOX_HALVES  # (..., 2 boxes, 2)
    outside = np.hypot(np.maximum(gaps[..., 0], 0.0), np.maximum(gaps[..., 1], 0.0))
    return (outside + np.minimum(gaps.max(-1), 0.0)).min(-1)


def coverage(poses: np.ndarray) -> np.ndarray:
    """The share of the goal's area that the T covers, by exact polygon intersection.

    Args:
        poses: (..., 3) poses of the T.

    Returns:
        (...) values in [0, 1].
    """
    poses = np.asarray(poses, dtype=float)
    blocks = shapely.polygons(to_world(T_VERTICES, poses))
    target = shapely.polygons(to_world(T_VERTICES, GOAL))
    return np.clip(shapely.area(shapely.intersection(blocks, target)) / T_AREA, 0.0, 1.0)


def pose_error(poses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How far `poses` (..., 3) are from the goal: distance of the origins in mm and angle in [0, 180] deg."""
    poses = np.asarray(poses, dtype=float)
    turn = (poses[..., 2] - GOAL[2] + math.pi) % (2 * math.pi) - math.pi
    return np.hypot(poses[..., 0] - GOAL[0], poses[..., 1] - GOAL[1]), np.abs(np.degrees(turn))
