"""Where the Panda's links are, without Drake: for whoever draws its motion."""

import numpy as np

FINGERS = 0.05
"""Where, in the hand's frame, what is put into a compartment is, m."""

_TABLE = (
    (0.0, 0.333, 0.0), (0.0, 0.0, -np.pi / 2), (0.0, 0.316, np.pi / 2), (0.0825, 0.0, np.pi / 2),
    (-0.0825, 0.384, -np.pi / 2), (0.0, 0.0, np.pi / 2), (0.088, 0.0, np.pi / 2), (0.0, 0.107, 0.0),
)  # fmt: skip
"""Denavit-Hartenberg parameters (Craig's) as Franka publishes them: a, d, alpha of joints and flange."""


def frames(q: np.ndarray) -> np.ndarray:
    """Poses of the links of configurations (..., 7), rad, in the world: (..., 9, 4, 4), m.

    The first is the base; the last is the flange, whose origin and z axis are the hand's.
    """
    q = np.asarray(q, float)
    pose = np.broadcast_to(np.eye(4), (*q.shape[:-1], 4, 4))
    poses, angles = [pose], [*np.moveaxis(q, -1, 0), np.zeros(q.shape[:-1])]
    for (a, d, alpha), angle in zip(_TABLE, angles, strict=True):
        c, s, ca, sa = np.cos(angle), np.sin(angle), np.cos(alpha), np.sin(alpha)
        step = np.zeros_like(pose)
        step[..., 0, 0], step[..., 0, 1], step[..., 0, 3] = c, -s, a
        step[..., 1, 0], step[..., 1, 1], step[..., 1, 2], step[..., 1, 3] = s * ca, c * ca, -sa, -d * sa
        step[..., 2, 0], step[..., 2, 1], step[..., 2, 2], step[..., 2, 3] = s * sa, c * sa, ca, d * ca
        step[..., 3, 3] = 1
        pose = pose @ step
        poses.append(pose)
    return np.stack(poses, axis=-3)


def fingers(q: np.ndarray) -> np.ndarray:
    """The point between the fingers in configurations (..., 7), rad: (..., 3) m."""
    flange = frames(q)[..., -1, :, :]
    return flange[..., :3, 3] + FINGERS * flange[..., :3, 2]
