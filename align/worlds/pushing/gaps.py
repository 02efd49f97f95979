"""Worlds, and the gap between two of them in levels.

A gap is data: a `World` is three small dataclasses of numbers, and a `Gap` moves the simulation's numbers
towards the target's. Give a `World` of your own in its place to study the gap you have.
"""

from dataclasses import dataclass, field

from align.errors import check_numbers
from align.worlds.pushing.expert import Expert, Style
from align.worlds.pushing.kind import Pictures, PushingWorld
from align.worlds.pushing.knobs import blend
from align.worlds.pushing.render import Look, Renderer
from align.worlds.pushing.scene import Physics, PushScene, Scene


@dataclass(frozen=True)
class World(PushingWorld):
    """A place to demonstrate and to be tested in: its appearance, its physics, its demonstrator."""

    look: Look = field(default_factory=Look)
    physics: Physics = field(default_factory=Physics)
    style: Style = field(default_factory=Style)

    def new_scene(self) -> Scene:
        return PushScene(self.physics)

    def pictures(self, size: int, seed: int = 0) -> Pictures:
        return Renderer(self.look, size, seed)

    def expert(self) -> Expert:
        return Expert(self.physics, self.style)


SIM = World()
"""The simulation: plain pictures, light contact, a planner that demonstrates."""

TARGET = World(
    look=Look(
        table=(188.0, 160.0, 126.0),
        wall=(140.0, 120.0, 100.0),
        goal=(120.0, 170.0, 110.0),
        block=(200.0, 96.0, 66.0),
        pusher=(60.0, 60.0, 66.0),
        rim_shade=0.6,
        texture=16.0,
        light=0.35,
        light_jitter=0.08,
        shadow=0.45,
        shadow_offset=(9.0, 11.0),
        camera_shift=(10.0, -7.0),
        camera_turn=0.05,
        perspective=0.06,
        noise=5.0,
    ),
    physics=Physics(friction=1.35, centre_of_mass=(33.0, 78.0), inertia=750.0, lag=0.6),
    style=Style(
        free_speed=17.0,
        push_speed=8.0,
        noise=0.2,
        indecision=0.15,
        pause_rate=0.015,
        pause_steps=4.0,
        stem_reluctance=0.3,
        good_coverage=0.93,
    ),
)
"""A stand-in for reality, every gap at level 1."""


@dataclass(frozen=True)
class Gap:
    """How far a world is from the simulation, each kind on its own: 0 is the same, 1 is `TARGET`.

    Levels above 1 extrapolate, each number as far as it can go.

    Attributes:
        visual: Level of what is seen (palette, texture, light, shadow, camera, noise).
        physics: Level of how the T and the pusher move (friction, centre of mass, inertia, lag).
        expert: Level of how demonstrations are made (noise, pauses, preferences, speed).
    """

    visual: float = 0.0
    physics: float = 0.0
    expert: float = 0.0

    def __post_init__(self) -> None:
        for name in ("visual", "physics", "expert"):
            check_numbers("[0, 10]", **{name: getattr(self, name)})

    def world(self) -> World:
        """The world at these levels between `SIM` (all 0) and `TARGET` (all 1)."""
        return World(
            look=blend(SIM.look, TARGET.look, self.visual),
            physics=blend(SIM.physics, TARGET.physics, self.physics),
            style=blend(SIM.style, TARGET.style, self.expert),
        )
