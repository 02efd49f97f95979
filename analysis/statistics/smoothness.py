"""How smooth motion is: acceleration, jerk, turning and spectrum of paths, and how well they tell them apart.

Paths are brought to unit length and unit duration first, so that a long path is not smoother than a short one
and no number has a unit. Success matters elsewhere: give these functions successful rollouts only.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.interpolate import CubicSpline
from scipy.stats import rankdata

from align.errors import InputError

WAYPOINTS = 64
"""Points at equal distances along it that a path is compared at, whatever it was recorded at."""


class Smoothness(NamedTuple):
    """Measures of paths, (n,) each; see `smoothness`."""

    acceleration: np.ndarray
    jerk: np.ndarray
    turning: np.ndarray
    length: np.ndarray


def smoothness(paths: Sequence[ArrayLike]) -> Smoothness:
    """Measures of each path.

    Args:
        paths: (T, D) points each, in order; at least two of them distinct.

    Returns:
        acceleration: mean squared acceleration of the cubic spline through the waypoints, over its duration;
        jerk: its mean squared third derivative; turning: sum of the angles between successive steps, rad;
        length: of the path as given, in its own unit.

    Raises:
        InputError: As `resample`.
    """
    rows = []
    for path in paths:
        points = normalise(path)
        rows.append((*spline_energies(points), turning(points), path_length(path)))
    return Smoothness(*np.array(rows).reshape(-1, 4).T)


def resample(path: ArrayLike) -> np.ndarray:
    """Points at equal distances along the cubic spline through a path, its ends included.

    Its geometry alone counts, whatever the pace. A polyline between waypoints farther apart than those asked
    for would bend at the given ones alone, which is jaggedness of the record and not of the motion.

    Args:
        path: (T, D) points, in order.

    Returns:
        (WAYPOINTS, D).

    Raises:
        InputError: Points that are not finite, or a path of no length.
    """
    path = np.asarray(path, float)
    if path.ndim != 2 or len(path) < 2 or not np.isfinite(path).all() or not path_length(path) > 0:
        raise InputError(f"path of shape {path.shape}: expected (T, D) finite points, two of them distinct")
    steps = np.linalg.norm(np.diff(path, axis=0), axis=1)
    at = np.concatenate([[0.0], np.cumsum(steps)])
    moved = np.concatenate([[True], np.diff(at) > 0])
    return CubicSpline(at[moved], path[moved])(np.linspace(0, at[-1], WAYPOINTS))


def normalise(path: ArrayLike) -> np.ndarray:
    """A path as `resample` gives it, scaled so that the polyline through its points has unit length.

    Raises:
        InputError: As `resample`.
    """
    points = resample(path)
    return points / path_length(points)


def path_length(path: ArrayLike) -> float:
    """Length of a polyline (T, D)."""
    return float(np.linalg.norm(np.diff(np.asarray(path, float), axis=0), axis=1).sum())


def length_ratio(path: np.ndarray, plan: np.ndarray) -> float:
    """Length of a path (T, D) over that of a plan for the same query.

    A rollout ends where it is near enough to the goal; the rest of the way, straight, is counted.
    """
    return (path_length(path) + float(np.linalg.norm(plan[-1] - path[-1]))) / path_length(plan)


def spline_energies(points: np.ndarray) -> tuple[float, float]:
    """Mean squared second and third derivative of the interpolating cubic spline over times 0 to 1.

    Exact: the second derivative is linear between knots, where Simpson's rule is, and the third is constant.

    Args:
        points: (n, D) at equal times, n of 4 or more.
    """
    times = np.linspace(0, 1, len(points))
    spline = CubicSpline(times, points)
    second = spline(times, 2)
    middle = (second[:-1] + second[1:]) / 2
    squares = [np.square(x).sum(1) for x in (second[:-1], middle, second[1:])]
    acceleration = np.mean((squares[0] + 4 * squares[1] + squares[2]) / 6)
    third = np.diff(second, axis=0) * (len(points) - 1)
    return float(acceleration), float(np.square(third).sum(1).mean())


def turning(points: np.ndarray) -> float:
    """Sum of the angles between successive steps of a path (n, D), rad; steps of no length left out."""
    steps = np.diff(points, axis=0)
    size = np.linalg.norm(steps, axis=1)
    unit = steps[size > 0] / size[size > 0, None]
    half = np.linalg.norm(np.diff(unit, axis=0), axis=1) / 2  # sin of half the angle: exact for small ones
    return float(2 * np.arcsin(np.minimum(half, 1)).sum())


def velocity_spectrum(paths: Sequence[ArrayLike]) -> np.ndarray:
    """Mean power of the velocity of normalised paths at 0, 1, 2, ... cycles a path.

    Returns:
        (WAYPOINTS / 2,); the sum over both signs of the frequency is the mean squared velocity (Parseval).

    Raises:
        InputError: As `resample`, or no paths.
    """
    if not len(paths):
        raise InputError("paths: none; expected at least one")
    velocity = np.diff([normalise(path) for path in paths], axis=1) * (WAYPOINTS - 1)
    power = np.abs(np.fft.rfft(velocity, axis=1) / velocity.shape[1]) ** 2
    return power.sum(2).mean(0)


def auc(values: ArrayLike, reference: ArrayLike) -> float:
    """Probability that a value is above one of the reference, ties counted half (Mann and Whitney)."""
    values, reference = np.asarray(values, float), np.asarray(reference, float)
    ranks = rankdata(np.concatenate([values, reference]))[: len(values)]
    n, m = len(values), len(reference)
    return float((ranks.sum() - n * (n + 1) / 2) / (n * m))
