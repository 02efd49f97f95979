"""The pushing scene: a T on a table, a disc that pushes it, and where episodes start.

The motion is quasi-static (a block that is not pushed stands still), simulated with pymunk. States are
(pusher x, pusher y, block x, block y, block angle) and actions are target pusher positions, both in px
and rad as in gym-pusht, at 10 Hz.
"""

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pymunk

from align.errors import InputError
from align.worlds.pushing.geometry import (
    BAR,
    GOAL,
    PUSHER_RADIUS,
    STEM,
    T_AREA,
    T_CENTRE,
    T_VERTICES,
    WALL_RADIUS,
    WALL_RANGE,
    WORKSPACE,
    coverage,
    distance_to_t,
    pose_error,
    to_body,
    to_world,
)
from align.worlds.pushing.knobs import check_knobs, knob

__all__ = [
    "DIFFICULTIES",
    "GOAL",
    "PUSHER_RADIUS",
    "T_AREA",
    "T_VERTICES",
    "WORKSPACE",
    "Physics",
    "PushScene",
    "Scene",
    "Starts",
    "coverage",
    "pose_error",
    "sample_start",
]

CONTROL_HZ = 10
PUSHER_RANGE = (
    WALL_RANGE[0] + WALL_RADIUS + PUSHER_RADIUS,
    WALL_RANGE[1] - WALL_RADIUS - PUSHER_RADIUS,
)
_SUBSTEPS = 10
_AWAY = (-3000.0, -3000.0)


@dataclass(frozen=True)
class Physics:
    """How the T answers a push and the pusher a command. The defaults are the simulation's.

    Attributes:
        friction: Coulomb coefficient between pusher and T.
        centre_of_mass: Where the T resists translation, px in its body frame.
        inertia: Resistance to rotation about it per unit of resistance to translation, px². Small
            values make the T spin. The default is gym-pusht's.
        lag: Share of the way to its target that the pusher is short of after a control step, in [0, 1).
        speed_limit: Farthest the pusher moves in a control step, px.
    """

    friction: float = knob(0.3, 0.0, 2.0)
    centre_of_mass: tuple[float, float] = knob((0.0, 45.0), -60.0, 120.0)
    inertia: float = knob(3000.0, 300.0, 30000.0)
    lag: float = knob(0.0, 0.0, 0.9)
    speed_limit: float = knob(22.0, 1.0, 60.0)

    def __post_init__(self) -> None:
        check_knobs(self)


class Scene(Protocol):
    """One T and one pusher, in whatever engine."""

    def set_state(self, state: np.ndarray) -> None:
        """Put pusher and T where `state` says, at rest, with nothing remembered."""

    def state(self) -> np.ndarray:
        """The state now. The angle is not wrapped."""

    def step(self, action: np.ndarray) -> None:
        """One control step (0.1 s) towards `action`."""


class PushScene:
    """One T, one pusher and (unless `walls` is false) four walls."""

    def __init__(self, physics: Physics | None = None, walls: bool = True):
        self.physics = physics or Physics()
        self._space = pymunk.Space()
        self._space.damping = 0.0
        self._space.collision_slop = 0.05
        self._block = pymunk.Body(1.0, self.physics.inertia)
        shapes = [pymunk.Poly(self._block, part.tolist()) for part in (BAR, STEM)]
        for shape in shapes:
            shape.friction = self.physics.friction
        self._block.center_of_gravity = tuple(self.physics.centre_of_mass)
        self._pusher = pymunk.Body(body_type=pymunk.Body.KINEMATIC)
        disc = pymunk.Circle(self._pusher, PUSHER_RADIUS)
        disc.friction = 1.0
        self._space.add(self._block, *shapes, self._pusher, disc)
        self._walls = walls
        if walls:
            self._add_walls()

    def _add_walls(self) -> None:
        low, high = WALL_RANGE
        corners = [(low, low), (high, low), (high, high), (low, high)]
        for start, end in zip(corners, corners[1:] + corners[:1], strict=True):
            wall = pymunk.Segment(self._space.static_body, start, end, WALL_RADIUS)
            wall.friction = self.physics.friction
            self._space.add(wall)

    def set_state(self, state: np.ndarray) -> None:
        """Put pusher and T where `state` (5,) says, at rest and with no contact remembered."""
        x, y, block_x, block_y, angle = (float(value) for value in state)
        self._pusher.velocity = (0.0, 0.0)
        self._pusher.position = _AWAY
        self._place_block(block_x, block_y, angle)
        self._space.step(1e-9)  # separated: pymunk forgets the contact impulses of the last state
        self._place_block(block_x, block_y, angle)
        self._pusher.position = (x, y)

    def _place_block(self, x: float, y: float, angle: float) -> None:
        block = self._block
        block.velocity = (0.0, 0.0)
        block.angular_velocity = 0.0
        block.angle = angle  # first: it turns the block about its centre of mass and so moves the origin
        block.position = (x, y)

    def state(self) -> np.ndarray:
        """The state (5,) now. The angle is not wrapped."""
        pusher, block = self._pusher.position, self._block.position
        return np.array([pusher[0], pusher[1], block[0], block[1], self._block.angle])

    def step(self, action: np.ndarray) -> None:
        """Move the pusher towards `action` (2,) for one control step (0.1 s), pushing what is in its way."""
        x, y = self._pusher.position
        share = 1.0 - self.physics.lag
        dx, dy = (float(action[0]) - x) * share, (float(action[1]) - y) * share
        length = math.hypot(dx, dy)
        if length > self.physics.speed_limit:
            dx *= self.physics.speed_limit / length
            dy *= self.physics.speed_limit / length
        if self._walls:
            low, high = PUSHER_RANGE
            dx = min(max(x + dx, low), high) - x
            dy = min(max(y + dy, low), high) - y
        self._pusher.velocity = (dx * CONTROL_HZ, dy * CONTROL_HZ)
        step, dt = self._space.step, 1.0 / (CONTROL_HZ * _SUBSTEPS)
        for _ in range(_SUBSTEPS):
            step(dt)
        self._pusher.velocity = (0.0, 0.0)


@dataclass(frozen=True)
class Starts:
    """A range of starts, uniform over the area of a ring about the goal's centre.

    Attributes:
        min_distance, max_distance: Of the T's centre from the goal's, px.
        max_angle: Largest turn away from the goal's heading, rad.
    """

    min_distance: float
    max_distance: float
    max_angle: float


DIFFICULTIES = {
    "easy": Starts(30.0, 90.0, math.radians(45)),
    "medium": Starts(50.0, 130.0, math.radians(90)),
    "full": Starts(0.0, WORKSPACE, math.pi),
}
_BLOCK_MARGIN = 45.0
_PUSHER_MARGIN = 65.0


def check_difficulty(difficulty: str) -> str:
    """Return `difficulty`, or raise InputError when there is no such range of starts."""
    if difficulty not in DIFFICULTIES:
        raise InputError(f"difficulty is {difficulty!r}; expected one of {', '.join(DIFFICULTIES)}")
    return difficulty


def sample_start(rng: np.random.Generator, difficulty: str) -> np.ndarray:
    """A start state (5,): the T in the range of `difficulty`, the pusher anywhere clear of it.

    Raises:
        InputError: there is no such difficulty.
    """
    starts = DIFFICULTIES[check_difficulty(difficulty)]
    goal_centre = to_world(T_CENTRE[None], GOAL)[0]
    while True:
        if starts.max_distance >= WORKSPACE:
            centre = rng.uniform(_BLOCK_MARGIN, WORKSPACE - _BLOCK_MARGIN, 2)
        else:
            distance = math.sqrt(rng.uniform(starts.min_distance**2, starts.max_distance**2))
            bearing = rng.uniform(0.0, 2 * math.pi)
            centre = goal_centre + distance * np.array([math.cos(bearing), math.sin(bearing)])
        angle = GOAL[2] + rng.uniform(-starts.max_angle, starts.max_angle)
        pose = np.append(centre - to_world(T_CENTRE[None], np.array([0.0, 0.0, angle]))[0], angle)
        vertices = to_world(T_VERTICES, pose)
        if vertices.min() < _BLOCK_MARGIN or vertices.max() > WORKSPACE - _BLOCK_MARGIN:
            continue
        for _ in range(50):
            pusher = rng.uniform(_PUSHER_MARGIN, WORKSPACE - _PUSHER_MARGIN, 2)
            if distance_to_t(to_body(pusher, pose)) > 2 * PUSHER_RADIUS:
                return np.concatenate([pusher, pose])
