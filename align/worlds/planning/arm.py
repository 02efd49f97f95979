"""A Panda among shelves: which configurations and motions of its seven joints are free of collision.

The robot is `panda_collision.urdf` of the package example-robot-data, cylinders and spheres, with its base
welded to the world and its fingers fixed; the pairs of links that its SRDF lists are not checked. Angles are
in rad, lengths in m.
"""

import functools
import logging
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import numpy as np

from align.errors import SEED, InputError, check_numbers
from align.worlds.planning.arm_kinematics import fingers
from align.worlds.planning.scene import View

JOINTS = 7
REACH = 1.2
"""No point of the robot is farther from the axis of a joint that moves it, m."""
PANDA = "share/example-robot-data/robots/panda_description"
LINKS = (*(f"panda_link{i}" for i in range(9)), "panda_hand")
THIN = 0.1
"""Boards and walls of the shelf are thinner; so they are told from what is seen face-on, m."""
BORDER = 0.05
"""Of a view, around all that it shows, m."""


@dataclass(frozen=True)
class ArmSpec:
    """What the scene and its queries are made from; equal specifications make equal ones.

    Args:
        shelf: Distance of the shelf's front from the axis of the robot's base, m.
        spread: By how much each joint of a query differs from the pose of its place at most, rad.
        seed: Which poses the places have; see `align.worlds.planning.arm_task`.

    Raises:
        InputError: An argument is out of range.
    """

    shelf: float = 0.5
    spread: float = 0.1
    seed: int = 0

    def __post_init__(self):
        check_numbers("[0.4, 0.7]", shelf=self.shelf)  # where the arm reaches into it
        check_numbers("[0, 1]", spread=self.spread)
        check_numbers(SEED, whole=True, seed=self.seed)

    @property
    def boxes(self) -> np.ndarray:
        """A shelf of two by two compartments, open to the robot, and the floor: (B, 2, 3) centre, size, m."""
        x, depth, height, wide, thin = self.shelf + 0.15, 0.3, 0.8, 0.8, 0.02
        boards = [((x, 0, z), (depth, wide, thin)) for z in (0, height / 2, height)]
        walls = [((x, y, height / 2), (depth, thin, height)) for y in (-wide / 2, 0, wide / 2)]
        return np.array([*boards, *walls, ((0, 0, -0.2), (2.4, 2.4, 0.05))])

    islands = None
    """Ways of seven joints round the boards are not told apart."""

    def views(self, paths: Sequence[np.ndarray]) -> tuple[View, View]:
        """Where the fingers go along `paths` (T, 7), rad: from the side and from above, m."""
        centre, size = self.boxes[:-1].swapaxes(0, 1)  # without the floor
        corners = np.stack([centre - size / 2, centre + size / 2], axis=1)  # (B, 2, 3)
        shown = np.concatenate([np.zeros((1, 3)), *corners, *map(fingers, paths)])
        low, high = shown.min(0) - BORDER, shown.max(0) + BORDER
        return tuple(_view(corners, axes, low, high) for axes in ([0, 2], [0, 1]))


def _view(corners: np.ndarray, axes: list[int], low: np.ndarray, high: np.ndarray) -> View:
    """The shelf along two of its axes: boards and walls are solid where they are seen edge-on."""
    boxes = corners[:, :, axes]
    edge_on = np.ptp(boxes, axis=1).min(1) < THIN
    whole = np.stack([boxes[:, 0].min(0), boxes[:, 1].max(0)])
    return View(
        low[axes],
        high[axes],
        project=lambda path: fingers(path)[:, axes],
        solid=boxes[edge_on],
        behind=whole[None],
        marks=np.zeros((1, 2)),  # the robot's base
        axes=tuple(f"{'xyz'[axis]} (m)" for axis in axes),
    )


class Arm:
    """The robot and its scene.

    Args:
        spec: The scene.
        padding: How far apart two bodies must be to be free, m.

    Raises:
        InputError: Drake or example-robot-data is not installed.
    """

    def __init__(self, spec: ArmSpec = ArmSpec(), padding: float = 0.0):
        try:
            from pydrake import common, geometry, math, planning
            from pydrake.multibody.plant import CoulombFriction
        except ImportError as error:
            raise InputError(
                "drake is not installed; expected for the arm: pip install -e '.[planning]' in a checkout"
            ) from error
        logging.getLogger("drake").setLevel(logging.ERROR)  # of joints without actuators, which nothing moves
        builder = planning.RobotDiagramBuilder(time_step=0.0)
        plant = builder.plant()
        (robot,) = builder.parser().AddModelsFromString(_without_meshes(description()), "urdf")
        plant.WeldFrames(plant.world_frame(), plant.GetFrameByName("panda_link0"))
        for i, (centre, size) in enumerate(spec.boxes):
            plant.RegisterCollisionGeometry(
                plant.world_body(),
                math.RigidTransform(centre),
                geometry.Box(*size),
                f"box {i}",
                CoulombFriction(1.0, 1.0),
            )
        self.spec, self.padding = spec, padding
        self.checker = planning.SceneGraphCollisionChecker(
            model=builder.Build(),
            robot_model_instances=[robot],
            edge_step_size=0.05,  # required, and not used: see `segments_free`
            configuration_distance_function=lambda a, b: float(np.abs(a - b).sum()),
            env_collision_padding=padding,
            self_collision_padding=padding,
        )
        self.plant = self.checker.plant()
        self._serial = common.Parallelism(1)
        self._context = self.plant.CreateDefaultContext()
        for pair in ET.parse(package_file("srdf/panda.srdf")).getroot().findall("disable_collisions"):
            bodies = [self.plant.GetBodyByName(pair.get(name)).index() for name in ("link1", "link2")]
            if not self.checker.IsCollisionFilteredBetween(*bodies):
                self.checker.SetCollisionFilteredBetween(*bodies, True)
        self.low = self.plant.GetPositionLowerLimits()
        self.high = self.plant.GetPositionUpperLimits()

    def free(self, q: np.ndarray) -> np.ndarray:
        """Whether configurations (..., 7), rad, are within the limits of the joints and touch nothing.

        Returns:
            (...) bool; what is not finite is not free.
        """
        q = np.asarray(q, float)
        free = ((q >= self.low) & (q <= self.high)).all(-1)
        free[free] = self.checker.CheckConfigsCollisionFree(q[free], self._serial)
        return free

    def segments_free(self, start: np.ndarray, end: np.ndarray, resolution: float) -> np.ndarray:
        """Whether straight motions in joint space touch nothing, where it is looked.

        Args:
            start, end: (N, 7) rad.
            resolution: Largest sum of the joints' angles between the configurations that are checked, the
                ends among them, rad. Between two of them no point moves by more than `REACH` times half
                of it, so a motion is certainly free if padding exceeds that: see `certain`.

        Returns:
            (N,) bool.
        """
        start, end = np.asarray(start, float), np.asarray(end, float)
        finite = np.isfinite(start).all(1) & np.isfinite(end).all(1)
        way = np.where(finite[:, None], end - start, 0.0)
        steps = np.maximum(np.ceil(np.abs(way).sum(1) / resolution - 1e-9).astype(int), 1)
        which = np.repeat(np.arange(len(way)), steps + 1)
        k = np.arange(len(which)) - np.repeat(np.cumsum(steps + 1) - steps - 1, steps + 1)
        free = self.free(start[which] + way[which] * (k / steps[which])[:, None])
        return finite & (np.bincount(which, ~free, minlength=len(way)) == 0)

    def path_free(self, path: np.ndarray, resolution: float) -> bool:
        """Whether the polyline `path` (n, 7), rad, touches nothing; see `segments_free`."""
        path = np.asarray(path, float)
        return bool(self.segments_free(path[:-1], path[1:], resolution).all() and self.free(path[-1:]).all())

    def clearance(self, q: np.ndarray) -> float:
        """How far apart the two closest bodies are in a configuration (7,), m, up to 0.2 m."""
        return float(self.checker.CalcRobotClearance(q, 0.2).distances().min(initial=0.2)) + self.padding

    def links(self, q: np.ndarray) -> np.ndarray:
        """Where the links of a configuration (7,) are, rad: (10, 3) m, the origins of `LINKS`."""
        self.plant.SetPositions(self._context, q)
        world = self.plant.world_body()
        return np.array(
            [
                self.plant.CalcRelativeTransform(
                    self._context, world.body_frame(), self.plant.GetFrameByName(name)
                ).translation()
                for name in LINKS
            ]
        )


@functools.lru_cache(maxsize=16)
def arm(spec: ArmSpec, padding: float = 0.0) -> Arm:
    """The arm of a specification, made once a process."""
    return Arm(spec, padding)


def certain(padding: float) -> float:
    """The resolution at which `Arm.segments_free` with `padding`, m, proves a motion without it free, rad.

    A configuration on the way is at most half a resolution from one that was checked, and the relative
    motion of two bodies is at most `REACH` times the sum of the angles of the joints between them.
    """
    return 2 * padding / REACH


def package_file(name: str) -> Path:
    """A file of the Panda in the installed package example-robot-data.

    Raises:
        InputError: It is not installed.
    """
    try:
        files = metadata.files("example-robot-data") or []
    except metadata.PackageNotFoundError as error:
        raise InputError(
            "example-robot-data is not installed; expected for the arm: "
            "pip install -e '.[planning]' in a checkout"
        ) from error
    found = [file.locate() for file in files if str(file).endswith(f"{PANDA}/{name}")]
    if not found:
        raise InputError(f"example-robot-data has no {PANDA}/{name}; expected a release that does")
    return Path(found[0])


def description() -> str:
    """The URDF of the robot, as in its package."""
    return package_file("urdf/panda_collision.urdf").read_text(encoding="utf-8")


def _without_meshes(urdf: str) -> str:
    """A URDF without what is only seen and without transmissions, its fingers fixed where they are."""
    root = ET.fromstring(urdf)
    for link in root.findall("link"):
        for visual in link.findall("visual"):
            link.remove(visual)
    for transmission in root.findall("transmission"):
        root.remove(transmission)
    for joint in root.findall("joint"):
        if "finger" in joint.get("name"):
            joint.set("type", "fixed")
            for child in list(joint):
                if child.tag in ("axis", "limit", "mimic", "dynamics"):
                    joint.remove(child)
    return ET.tostring(root, encoding="unicode")
