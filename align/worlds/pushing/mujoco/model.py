"""The scene in MuJoCo's language (MJCF), written from the geometry that all pushing worlds share.

Metres, kilograms and seconds; x as in the workspace, y against it (up in pictures), z upwards from the table.
All contacts are named pairs with friction and stiffness of their own; the goal is paint.
"""

import functools
import math

import numpy as np

from align.worlds.pushing.geometry import BAR, GOAL, PUSHER_RADIUS, STEM, WALL_RADIUS, WALL_RANGE, WORKSPACE
from align.worlds.pushing.look import Look
from align.worlds.pushing.mujoco.engine import mujoco
from align.worlds.pushing.mujoco.mechanics import Mechanics
from align.worlds.pushing.scene import PUSHER_RANGE

MM = 1e-3
PAINT = 0.4  # mm; thickness of the goal
PUSHER_HEIGHT = 50.0  # mm
CLEARANCE = 1.0  # mm; of the pusher over the table, which it does not touch
WALL_HEIGHT = 20.0  # mm

RESTING = 0.01  # s; time constant of contacts with the table, which carries the T at a depth of 15 µm
TOUCHING = 0.005  # s; of contacts with pusher and walls, which are met at speed
SLIP = 10  # how much stiffer friction is than the normal direction, so that what sticks does not creep

FIELD_OF_VIEW = 45.0  # degrees, vertically: a usual lens
SEEN = 0.4  # m; what the camera sees of the table at its middle, about as much as the other worlds' show
TILT = 15.0  # degrees from the vertical: the stand is at the near edge of the table
LIGHT = np.array([0.5, -0.6, -1.0])  # direction: a lamp at the far left
SHADOW_MAP, SHADOWED = (
    256,
    0.7,
)  # texels a side over m, which are finer than pixels; 4,096 are drawn 40 times slower
SAMPLES = 4  # a pixel: a camera's pixel sees an area, too
AMBIENT, LAMP = 0.45, 0.5  # shares of the light that come from everywhere and from the lamp

_PAINTS = Look()  # the same paint as in the simulation: light, shade and perspective make the difference


@functools.lru_cache(maxsize=16)
def build(mechanics: Mechanics):
    """The compiled `mujoco.MjModel`: shared by all scenes of these mechanics, so not to be changed."""
    return mujoco.MjModel.from_xml_string(mjcf(mechanics))


def at_rest(model, state: np.ndarray) -> np.ndarray:
    """Positions of all joints (9,): the T lying on the table and the pusher where `state` (5,) says."""
    x, y, block_x, block_y, angle = (float(value) for value in state)
    height = model.body("block").pos[2]
    turn = (math.cos(angle / 2), 0.0, 0.0, -math.sin(angle / 2))
    return np.array([block_x * MM, -block_y * MM, height, *turn, x * MM, -y * MM])


def mjcf(mechanics: Mechanics) -> str:
    """The scene as XML."""
    half = mechanics.height * MM / 2
    low, high = (limit * MM for limit in PUSHER_RANGE)
    servo = (
        f'kp="{mechanics.stiffness}" dampratio="1" '
        f'forcerange="-{mechanics.force_limit} {mechanics.force_limit}"'
    )
    reach = mechanics.speed_limit * MM
    middle, goal_x, goal_y = WORKSPACE / 2 * MM, GOAL[0] * MM, -GOAL[1] * MM
    tilt, away = math.radians(TILT), SEEN / 2 / math.tan(math.radians(FIELD_OF_VIEW / 2))
    camera = f"{goal_x} {goal_y - away * math.sin(tilt)} {away * math.cos(tilt)}"
    lens = f'pos="{camera}" xyaxes="1 0 0 0 {math.cos(tilt)} {math.sin(tilt)}" fovy="{FIELD_OF_VIEW}"'
    lamp = f"{LAMP} {LAMP} {LAMP}"
    upward = (PUSHER_HEIGHT / 2 + CLEARANCE) * MM
    return f"""
<mujoco model="align pushing">
  <compiler angle="radian"/>
  <option timestep="{mechanics.time_step * MM}" integrator="implicitfast" cone="elliptic" impratio="{SLIP}"/>
  <visual>
    <quality shadowsize="{SHADOW_MAP}" offsamples="{SAMPLES}"/>
    <headlight ambient="{AMBIENT} {AMBIENT} {AMBIENT}" diffuse="0 0 0" specular="0 0 0"/>
    <map znear="0.05" zfar="3" shadowclip="{SHADOWED}"/>
  </visual>
  <statistic extent="1" center="{middle} -{middle} 0"/>
  <default>
    <geom contype="0" conaffinity="0"/>
    <pair condim="3"/>
  </default>
  <asset>{"".join(_material(name) for name in ("table", "wall", "goal", "block", "pusher"))}
  </asset>
  <worldbody>
    <light directional="true" pos="{_numbers(np.array([middle, -middle, 0]) - LIGHT)}" dir="{_numbers(LIGHT)}"
      diffuse="{lamp}" ambient="0 0 0" specular="0.2 0.2 0.2" castshadow="true"/>
    <camera name="camera" {lens}/>
    <geom name="table" type="plane" pos="{middle} -{middle} 0" size="1 1 0.1" material="table"/>
{_walls()}
    <body name="goal" pos="{goal_x} {goal_y} {PAINT * MM / 2}" euler="0 0 {-GOAL[2]}">
{_t("goal", PAINT * MM / 2, "")}
    </body>
    <body name="block" pos="{goal_x} {goal_y} {half}">
      <freejoint name="block"/>
{_t("block", half, f'density="{mechanics.density}"')}
    </body>
    <body name="pusher" pos="0 0 {upward}">
      <joint name="pusher_x" type="slide" axis="1 0 0"/>
      <joint name="pusher_y" type="slide" axis="0 1 0"/>
      <geom name="pusher" type="cylinder" size="{PUSHER_RADIUS * MM} {PUSHER_HEIGHT / 2 * MM}"
        mass="{mechanics.pusher_mass}" material="pusher"/>
    </body>
  </worldbody>
  <contact>
{_pairs(mechanics)}
  </contact>
  <actuator>
    <intvelocity name="x" joint="pusher_x" {servo} actrange="{low} {high}" ctrlrange="-{reach} {reach}"/>
    <intvelocity name="y" joint="pusher_y" {servo} actrange="{-high} {-low}" ctrlrange="-{reach} {reach}"/>
  </actuator>
</mujoco>
"""


def _material(name: str) -> str:
    red, green, blue = (value / 255 for value in getattr(_PAINTS, name))
    return f'\n    <material name="{name}" rgba="{red:.4f} {green:.4f} {blue:.4f} 1" specular="0.3"/>'


def _numbers(values: np.ndarray) -> str:
    return " ".join(map(str, values.tolist()))


def _t(name: str, half: float, more: str) -> str:
    """The two boxes of a T, in its body's frame."""
    boxes = []
    for part, corners in (("bar", BAR), ("stem", STEM)):
        (x, y), (across, along) = corners.mean(0) * MM, np.ptp(corners, axis=0) / 2 * MM
        boxes.append(
            f'      <geom name="{name}_{part}" type="box" pos="{x} {-y} 0" size="{across} {along} {half}" '
            f'material="{name}" {more}/>'
        )
    return "\n".join(boxes)


def _walls() -> str:
    low, high = (limit * MM for limit in WALL_RANGE)
    middle, half, thick = (low + high) / 2, (high - low) / 2, WALL_RADIUS * MM
    up = WALL_HEIGHT / 2 * MM
    places = {
        "left": (low, -middle, thick, half),
        "right": (high, -middle, thick, half),
        "far": (middle, -low, half + thick, thick),
        "near": (middle, -high, half + thick, thick),
    }
    return "\n".join(
        f'    <geom name="{name}" type="box" pos="{x} {y} {up}" size="{a} {b} {up}" material="wall"/>'
        for name, (x, y, a, b) in places.items()
    )


def _pairs(mechanics: Mechanics) -> str:
    """Who touches whom: the table carries the T, pusher and walls stop it."""
    pairs = []
    for part in ("bar", "stem"):
        for other in ("table", "pusher", "left", "right", "far", "near"):
            table = other == "table"
            friction = mechanics.table_friction if table else mechanics.pusher_friction
            pairs.append(
                f'    <pair geom1="{other}" geom2="block_{part}" friction="{friction} {friction} 0 0 0" '
                f'solref="{RESTING if table else TOUCHING} 1"/>'
            )
    return "\n".join(pairs)
