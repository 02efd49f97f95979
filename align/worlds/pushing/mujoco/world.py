"""The MuJoCo world: its mechanics, its camera, and who demonstrates in it."""

from dataclasses import dataclass, field

from align.worlds.pushing.expert import Expert
from align.worlds.pushing.kind import Pictures, PushingWorld
from align.worlds.pushing.mujoco.mechanics import Mechanics
from align.worlds.pushing.scene import Physics, Scene
from align.worlds.pushing.style import Style


@dataclass(frozen=True)
class MujocoWorld(PushingWorld):
    """Pushing in MuJoCo, demonstrated by the planner, who plans in the simulation's physics and looks again.

    Attributes:
        mechanics: Of T, table and pusher.
        style: How the demonstrator works.
    """

    mechanics: Mechanics = field(default_factory=Mechanics)
    style: Style = field(default_factory=Style)

    def new_scene(self) -> Scene:
        from align.worlds.pushing.mujoco.scene import MujocoScene  # needs MuJoCo

        return MujocoScene(self.mechanics)

    def pictures(self, size: int, seed: int = 0) -> Pictures:
        from align.worlds.pushing.mujoco.camera import Camera  # needs MuJoCo

        return Camera(self.mechanics, size)  # nothing varies between episodes

    def expert(self) -> Expert:
        return Expert(Physics(), self.style)
