"""Fast anti-aliased pictures of the pushing scene, plain as gym-pusht's or dressed up as a camera's.

A picture is a pure function of (look, size, seed, state): what differs between episodes (lighting jitter)
follows from the seed, and the sensor noise of a frame from the seed and the state.
"""

import functools
import math
import zlib

import numpy as np

from align.errors import check_numbers
from align.run.opencv import cv2
from align.seeding import numpy_rng
from align.worlds.pushing.geometry import (
    BAR,
    GOAL,
    PUSHER_RADIUS,
    STEM,
    T_VERTICES,
    WALL_RADIUS,
    WALL_RANGE,
    WORKSPACE,
    to_world,
)
from align.worlds.pushing.look import Colour, Look

__all__ = ["Look", "Renderer", "check_size"]

_SHIFT = 4  # fractional bits of the coordinates handed to OpenCV
_AA_INSET = 0.6  # px; OpenCV's anti-aliased fill is that much too wide on each side
_DISC = np.stack([np.cos(np.arange(16) * math.pi / 8), np.sin(np.arange(16) * math.pi / 8)], -1)
_T_OUTWARD = np.where(T_VERTICES > [0.0, 15.0], 1.0, -1.0)
_PARTS = np.concatenate([BAR, STEM])
_PARTS_OUTWARD = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)] * 2, dtype=float)
_SUPERSAMPLING = 8  # of the table, which is drawn once
_TEXTURE_SIZE = 256


class Renderer:
    """Pictures of one episode: calling it with a state (5,) gives (size, size, 3) uint8 RGB.

    Args:
        look: How the scene appears.
        size: Side of the pictures, px.
        seed: Of the episode: fixes its lighting and noise.

    Raises:
        InputError: `size` is not an integer of at least 16.
    """

    def __init__(self, look: Look, size: int = 64, seed: int = 0):
        self.look, self.size, self.seed = look, check_size(size), seed
        scale = look.zoom * self.size / WORKSPACE
        self._camera = _camera(look, self.size)
        self._table = _table(look, self.size)
        self._noise = _noise(look.noise, self.size)
        self._gain = self._lighting()
        half, inset = look.rim / 2, _AA_INSET / scale
        self._block = _homogeneous(
            np.concatenate(
                [T_VERTICES + (half - inset) * _T_OUTWARD, _PARTS - (half + inset) * _PARTS_OUTWARD]
            )
        )
        self._pusher = _homogeneous(
            np.concatenate([_DISC * (PUSHER_RADIUS - inset), _DISC * (PUSHER_RADIUS - look.rim - inset)])
        )
        self._shadow_fall = np.array(look.shadow_offset) * scale
        self._rims = [tuple(look.rim_shade * value for value in c) for c in (look.block, look.pusher)]

    def _lighting(self) -> np.ndarray | None:
        """Factors (size, size, 3) on the picture, or None where all are one."""
        look = self.look
        if not look.light and not look.light_jitter:
            return None
        rng = numpy_rng(self.seed, "lighting")
        episode = 1 + rng.normal(0, 1) * look.light_jitter + rng.normal(0, 1, 3) * look.light_jitter / 3
        ramp = 0.5 - (np.arange(self.size) + 0.5) / self.size
        gradient = 1 + look.light * (0.6 * ramp[None, :] + 0.8 * ramp[:, None])
        return (gradient[..., None] * episode).astype(np.float32)

    def __call__(self, state: np.ndarray) -> np.ndarray:
        look = self.look
        x, y, block_x, block_y, angle = state = np.asarray(state, dtype=float).tolist()
        block = _project(self._camera, self._block, block_x, block_y, angle)
        disc = _project(self._camera, self._pusher, x, y, 0.0)
        image = self._table.copy()
        if look.shadow:
            image = self._shade(image, block[:8], disc[:16])
        if look.rim:
            _fill(image, [block[:8]], self._rims[0])
            _fill(image, [block[8:12], block[12:]], look.block)
            _fill(image, [disc[:16]], self._rims[1])
            _fill(image, [disc[16:]], look.pusher)
        else:
            _fill(image, [block[:8]], look.block)
            _fill(image, [disc[:16]], look.pusher)
        if self._gain is not None:
            image = cv2.multiply(image, self._gain, dtype=cv2.CV_8U)
        if self._noise is not None:
            key = zlib.crc32(np.array(state).tobytes(), self.seed & 0xFFFFFFFF)
            place = key % (len(self._noise) - image.size)
            grain = self._noise[place : place + image.size].reshape(image.shape)
            image = cv2.add(image, grain, dtype=cv2.CV_8U)
        return image

    def _shade(self, image: np.ndarray, block: np.ndarray, disc: np.ndarray) -> np.ndarray:
        """The picture with the soft shadows of block and pusher."""
        light = np.full(image.shape[:2], 255, np.uint8)
        for outline in (block, disc):
            _fill(light, [outline + self._shadow_fall], 255 * (1 - self.look.shadow))
        width = 2 * (self.size // 48) + 1
        light = cv2.blur(light, (width, width))
        return cv2.multiply(image, cv2.merge([light, light, light]), scale=1 / 255)


def check_size(size: int) -> int:
    """Return `size`, or raise InputError when it cannot be the side of a picture."""
    check_numbers("[16, 65536]", whole=True, size=size)
    return int(size)


def _camera(look: Look, size: int) -> np.ndarray:
    """The homography (3, 3) from workspace px to picture px."""
    middle = WORKSPACE / 2
    cos, sin = math.cos(look.camera_turn) * look.zoom, math.sin(look.camera_turn) * look.zoom
    view = np.array(
        [
            [cos, -sin, middle + look.camera_shift[0] - cos * middle + sin * middle],
            [sin, cos, middle + look.camera_shift[1] - sin * middle - cos * middle],
            [0.0, 0.0, 1.0],
        ]
    )
    tilt, back = np.eye(3), np.eye(3)  # tilt about the middle of the picture
    centred = np.eye(3)
    centred[:2, 2] = -middle
    tilt[2, 1] = look.perspective / WORKSPACE
    back[:2, 2] = middle
    return np.diag([size / WORKSPACE, size / WORKSPACE, 1.0]) @ back @ tilt @ centred @ view


def _homogeneous(points: np.ndarray) -> np.ndarray:
    """`points` (n, 2) as columns (3, n)."""
    return np.concatenate([points.T, np.ones((1, len(points)))])


def _project(camera: np.ndarray, columns: np.ndarray, x: float, y: float, angle: float) -> np.ndarray:
    """Points of a body at (x, y, angle) in the picture (n, 2), where the first pixel covers [0, 1]."""
    cos, sin = math.cos(angle), math.sin(angle)
    image = camera @ np.array([[cos, -sin, x], [sin, cos, y], [0.0, 0.0, 1.0]]) @ columns
    return (image[:2] / image[2]).T


def _fill(image: np.ndarray, outlines: list[np.ndarray], colour: Colour | float) -> None:
    """Fill polygons (n, 2) in place, anti-aliased."""
    points = [np.rint((outline - 0.5) * (1 << _SHIFT)).astype(np.int32) for outline in outlines]
    cv2.fillPoly(image, points, colour, cv2.LINE_AA, _SHIFT)


@functools.lru_cache(maxsize=16)
def _table(look: Look, size: int) -> np.ndarray:
    """What never moves, (size, size, 3) uint8: table, walls and goal."""
    fine = size * _SUPERSAMPLING
    table = np.empty((fine, fine, 3), np.float32)
    table[:] = look.table
    if look.texture:
        table += look.texture * cv2.resize(_grain(), (fine, fine))[..., None]
    camera = _camera(look, fine)
    low, high = WALL_RANGE[0] - WALL_RADIUS, WALL_RANGE[1] + WALL_RADIUS
    thick = 2 * WALL_RADIUS
    outlines = [
        (_rectangle(left, top, right, bottom), look.wall)
        for left, top, right, bottom in (
            (low, low, high, low + thick),
            (low, high - thick, high, high),
            (low, low, low + thick, high),
            (high - thick, low, high, high),
        )
    ]
    outlines.append((to_world(T_VERTICES, GOAL), look.goal))
    for outline, colour in outlines:
        points = _project(camera, _homogeneous(outline), 0.0, 0.0, 0.0) - 0.5
        cv2.fillPoly(table, [np.rint(points * (1 << _SHIFT)).astype(np.int32)], colour, cv2.LINE_8, _SHIFT)
    image = cv2.resize(table, (size, size), interpolation=cv2.INTER_AREA)
    image = np.clip(np.rint(image), 0, 255).astype(np.uint8)
    image.flags.writeable = False
    return image


def _rectangle(left: float, top: float, right: float, bottom: float) -> np.ndarray:
    """Its corners (4, 2)."""
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)])


@functools.cache
def _grain() -> np.ndarray:
    """Wood-like grain (256, 256) of unit deviation: the same table at every size of picture."""
    rng = numpy_rng(0, "table")
    n = _TEXTURE_SIZE
    layers = []
    for along, across, weight in ((n / 6, n / 96, 0.8), (n / 60, n / 60, 0.4)):
        layer = cv2.GaussianBlur(rng.standard_normal((n, n), np.float32), (0, 0), sigmaX=along, sigmaY=across)
        layers.append(weight * layer / layer.std())
    return sum(layers)


@functools.lru_cache(maxsize=8)
def _noise(deviation: float, size: int) -> np.ndarray | None:
    """A reel of sensor noise, int8, long enough for a frame to start anywhere in most of it."""
    if not deviation:
        return None
    reel = numpy_rng(0, "sensor noise").standard_normal(8 * size * size * 3, np.float32) * deviation
    return np.clip(np.rint(reel), -127, 127).astype(np.int8)
