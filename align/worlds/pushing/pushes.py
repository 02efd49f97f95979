"""What a straight push does to the T, simulated once for every contact, heading and speed.

Away from walls the outcome of a push does not depend on where the T is. In the T's frame one table of
simulated pushes therefore serves every look-ahead.
"""

import functools
import math
from dataclasses import dataclass

import numpy as np

from align.worlds.pushing.geometry import PUSHER_RADIUS, T_VERTICES, distance_to_t
from align.worlds.pushing.scene import Physics, PushScene

PUSH_STEPS = 14
_SPACING = 12.0
_STANDOFF = PUSHER_RADIUS + 4.0
_HEADINGS = (0.0, -0.5, 0.5)


@dataclass(frozen=True)
class PushTable:
    """Simulated pushes, in the frame the T has before the push.

    Attributes:
        places: (m, 2) where pushes start, px.
        place: (n,) the place of each push.
        on_stem: (n,) whether it pushes the stem rather than the bar.
        heading: (n, 2) unit vectors.
        pusher: (n, PUSH_STEPS, 2) where the pusher is after each control step.
        motion: (n, PUSH_STEPS, 3) the T's motion up to then.
    """

    places: np.ndarray
    place: np.ndarray
    on_stem: np.ndarray
    heading: np.ndarray
    pusher: np.ndarray
    motion: np.ndarray


def contacts() -> tuple[np.ndarray, np.ndarray]:
    """Places (m, 2) just off the T's outline where the pusher fits, and outward normals (m, 2)."""
    places, normals = [], []
    for start, end in zip(T_VERTICES, np.roll(T_VERTICES, -1, axis=0), strict=True):
        length = float(np.linalg.norm(end - start))
        count = max(1, round(length / _SPACING))
        normal = np.array([end[1] - start[1], start[0] - end[0]]) / length
        for k in range(count):
            places.append(start + (end - start) * (k + 0.5) / count + normal * _STANDOFF)
            normals.append(normal)
    places, normals = np.array(places), np.array(normals)
    fits = distance_to_t(places) > _STANDOFF - 0.5
    return places[fits], normals[fits]


@functools.lru_cache(maxsize=32)
def push_table(physics: Physics, speed: float) -> PushTable:
    """Every push of the table at `speed` (px per control step), simulated under `physics`."""
    places, normals = contacts()
    scene = PushScene(physics, walls=False)
    place, headings, pushers, motions = [], [], [], []
    for i, (start, normal) in enumerate(zip(places, normals, strict=True)):
        for turn in _HEADINGS:
            cos, sin = math.cos(turn), math.sin(turn)
            heading = -np.array([cos * normal[0] - sin * normal[1], sin * normal[0] + cos * normal[1]])
            states = simulate_push(scene, np.array([*start, 0.0, 0.0, 0.0]), heading, speed)
            place.append(i)
            headings.append(heading)
            pushers.append(states[:, :2])
            motions.append(states[:, 2:])
    place = np.array(place)
    return PushTable(
        places,
        place,
        (places[:, 1] > 30.0)[place],
        np.array(headings),
        np.array(pushers),
        np.array(motions),
    )


def simulate_push(scene: PushScene, state: np.ndarray, heading: np.ndarray, speed: float) -> np.ndarray:
    """The states (PUSH_STEPS, 5) after each step of a straight push from `state` (5,)."""
    scene.set_state(state)
    reach = speed / (1.0 - scene.physics.lag) * heading
    states = []
    for _ in range(PUSH_STEPS):
        scene.step(scene.state()[:2] + reach)
        states.append(scene.state())
    return np.array(states)
