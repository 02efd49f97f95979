"""How the scene appears, as numbers."""

from dataclasses import dataclass

from align.worlds.pushing.knobs import check_knobs, knob

Colour = tuple[float, float, float]


@dataclass(frozen=True)
class Look:
    """How the scene appears. The defaults are the simulation's: gym-pusht's palette, a closer camera.

    Lengths are px of the 512 px workspace; colours are RGB in [0, 255].

    Attributes:
        zoom: Magnification about the goal. 1 shows the whole workspace, as gym-pusht does.
        table, wall, goal, block, pusher: Colours.
        rim: Width of the darker outline of block and pusher.
        rim_shade: Brightness of the outline, relative to the colour inside it.
        texture: Standard deviation of the table's grain, grey levels.
        light: Lighting gradient from the top left to the bottom right corner, relative.
        light_jitter: Standard deviation of an episode's brightness and, a third of it, of its tint.
        shadow: Darkness of the shadows block and pusher cast, in [0, 1].
        shadow_offset: Where they fall.
        camera_shift: Camera offset.
        camera_turn: Camera roll, rad.
        perspective: Relative change of scale from the top to the bottom of the picture.
        noise: Standard deviation of the sensor noise, grey levels.
    """

    zoom: float = knob(1.3, 0.25, 4.0)
    table: Colour = knob((255.0, 255.0, 255.0), 0.0, 255.0)
    wall: Colour = knob((211.0, 211.0, 211.0), 0.0, 255.0)
    goal: Colour = knob((144.0, 238.0, 144.0), 0.0, 255.0)
    block: Colour = knob((143.0, 163.0, 184.0), 0.0, 255.0)
    pusher: Colour = knob((78.0, 126.0, 255.0), 0.0, 255.0)
    rim: float = knob(4.0, 0.0, 12.0)
    rim_shade: float = knob(0.833, 0.0, 2.0)
    texture: float = knob(0.0, 0.0, 60.0)
    light: float = knob(0.0, -1.0, 1.0)
    light_jitter: float = knob(0.0, 0.0, 0.3)
    shadow: float = knob(0.0, 0.0, 0.9)
    shadow_offset: tuple[float, float] = knob((0.0, 0.0), -40.0, 40.0)
    camera_shift: tuple[float, float] = knob((0.0, 0.0), -80.0, 80.0)
    camera_turn: float = knob(0.0, -0.5, 0.5)
    perspective: float = knob(0.0, -0.4, 0.4)
    noise: float = knob(0.0, 0.0, 40.0)

    def __post_init__(self) -> None:
        check_knobs(self)
