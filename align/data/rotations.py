"""Angles and rotations in coordinates without jumps, and back: what keys such as "quat_xyzw(pose[3:7])" do.

Rotations become the first two columns of their matrix, one behind the other, the continuous 6-D form of
Zhou et al. 2019 (arXiv 1812.07035); angles become sine and cosine.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

_UNIT = 0.02  # by which a norm may differ from 1: recorders round


@dataclass(frozen=True)
class Transform:
    """One way to write angles or rotations.

    Attributes:
        columns: How many columns a rotation has; an angle has one, and there may be several.
        forward: From (T, D) as stored to what a policy sees, float64.
        backward: And back.
        fault: What is wrong with a row, if anything.
    """

    columns: int
    forward: Callable[[np.ndarray], np.ndarray]
    backward: Callable[[np.ndarray], np.ndarray]
    fault: Callable[[np.ndarray], np.ndarray] | None = None


def to_6d(matrices: np.ndarray) -> np.ndarray:
    """Rotation matrices (T, 3, 3) to (T, 6): their first two columns, one behind the other."""
    return matrices[:, :, :2].transpose(0, 2, 1).reshape(-1, 6)


def from_6d(values: np.ndarray) -> np.ndarray:
    """(T, 6) of any length and angle to rotation matrices (T, 3, 3), by Gram–Schmidt."""
    a, b = values[:, :3], values[:, 3:]
    x = a / np.linalg.norm(a, axis=1, keepdims=True)
    y = b - (x * b).sum(1, keepdims=True) * x
    y = y / np.linalg.norm(y, axis=1, keepdims=True)
    return np.stack([x, y, np.cross(x, y)], axis=2)


def _sin_cos(values: np.ndarray) -> np.ndarray:
    return np.stack([np.sin(values), np.cos(values)], axis=2).reshape(len(values), -1)


def _angle(values: np.ndarray) -> np.ndarray:
    return np.arctan2(values[:, 0::2], values[:, 1::2])


def _no_unit(values: np.ndarray) -> np.ndarray:
    return np.abs(np.linalg.norm(values, axis=1) - 1) > _UNIT


def _no_rotation(values: np.ndarray) -> np.ndarray:
    matrices = values.reshape(-1, 3, 3)
    off = np.abs(matrices @ matrices.transpose(0, 2, 1) - np.eye(3)).max((1, 2))
    return (off > _UNIT) | (np.linalg.det(matrices) < 0)


def _rotation():
    from scipy.spatial.transform import Rotation  # late, as plans of a sweep are made without scipy

    return Rotation


def _quaternion(scalar_first: bool) -> Transform:
    return Transform(
        4,
        lambda q: to_6d(_rotation().from_quat(q, scalar_first=scalar_first).as_matrix()),
        lambda d: _rotation().from_matrix(from_6d(d)).as_quat(canonical=True, scalar_first=scalar_first),
        _no_unit,
    )


TRANSFORMS = {
    "quat_xyzw": _quaternion(scalar_first=False),
    "quat_wxyz": _quaternion(scalar_first=True),
    "axis_angle": Transform(
        3,
        lambda v: to_6d(_rotation().from_rotvec(v).as_matrix()),
        lambda d: _rotation().from_matrix(from_6d(d)).as_rotvec(),
    ),
    "matrix": Transform(
        9, lambda m: to_6d(m.reshape(-1, 3, 3)), lambda d: from_6d(d).reshape(-1, 9), _no_rotation
    ),
    "radians": Transform(1, _sin_cos, _angle),
    "degrees": Transform(1, lambda x: _sin_cos(np.deg2rad(x)), lambda x: np.rad2deg(_angle(x))),
}
"""What keys may ask for: quaternions, axis times angle, matrices row by row, angles."""


def restore(how: str, values: np.ndarray) -> np.ndarray:
    """Bring what a policy puts out back to how its actions were stored.

    Args:
        how: One of `TRANSFORMS`, as in the key.
        values: (T, 6) of a rotation, (T, 2 n) of n angles; they need not be of unit length.

    Example:
        >>> restore("degrees", np.array([[0.5, 0.5]])).round(3)
        array([[45.]])
    """
    return TRANSFORMS[how].backward(np.asarray(values, np.float64))
