"""A batch of trials of one arm stepped together: what rollouts of its policies run in."""

import dataclasses
from typing import Any

import numpy as np

from align.run.opencv import cv2
from align.worlds.planning.arm import JOINTS, ArmSpec, arm
from align.worlds.planning.arm_task import RATE, SECONDS, SPEED, TOLERANCE, sample_query
from align.worlds.planning.trials import QueryWorlds

RESOLUTION = 0.03
"""Largest sum of the joints' angles between two checks of a control step, rad; no point of the robot is then
farther than 18 mm from where it was checked."""
BACKGROUND, BOARD, GOAL, ROBOT = (255, 255, 255), (64, 64, 64), (0, 158, 115), (213, 94, 0)


class ArmWorlds(QueryWorlds):
    """N queries of an arm among shelves, each a trial of its own: reach the goal in time, touching nothing.

    An action is the next configuration, rad. A control step is checked at both ends and in between, see
    `RESOLUTION`; to leave the limits of a joint counts as a collision.

    Args:
        arm: The scene and its queries, as in the demonstrations.
        repeats: How many trials of successive seeds have one query.

    Raises:
        InputError: Drake or example-robot-data is not installed.
    """

    def __init__(self, arm: ArmSpec = ArmSpec(), repeats: int = 1):  # noqa: B008 (immutable)
        self.arm = arm
        super().__init__(JOINTS, RATE, SPEED / RATE, TOLERANCE, SECONDS, repeats)

    def scene(self) -> dict[str, Any]:
        """Of what the arm is made, as plans say it."""
        return {"arm": dataclasses.asdict(self.arm)}

    def _query(self, rng: np.random.Generator) -> np.ndarray:
        return sample_query(self.arm, rng)

    def _free(self, start: np.ndarray, end: np.ndarray) -> np.ndarray:
        return arm(self.arm).segments_free(start, end, RESOLUTION)

    def frame(self, i: int, size: int = 192) -> np.ndarray:
        """Trial `i` as a picture (size, size, 3) uint8, seen from the side: shelf, goal and arm as lines."""
        picture = np.full((size, size, 3), BACKGROUND, np.uint8)

        def pixels(x: np.ndarray, z: np.ndarray) -> np.ndarray:
            """From 0.6 m behind the base to 1.2 m before it, and 0.4 m below to 1.4 m above."""
            return np.stack([(x + 0.6) / 1.8, (1.4 - z) / 1.8], axis=-1) * size

        for centre, extent in self.arm.boxes:
            if extent[1] >= 0.8:  # the walls between compartments would hide them
                low, high = (
                    pixels(p[0], p[2]).round().astype(int) for p in (centre - extent / 2, centre + extent / 2)
                )
                cv2.rectangle(picture, low.tolist(), high.tolist(), BOARD, -1)
        for q, colour in ((self.goal[i], GOAL), (self.position[i], ROBOT)):
            links = arm(self.arm).links(q)
            line = pixels(links[:, 0], links[:, 2]).round().astype(np.int32)
            cv2.polylines(picture, [line], False, colour, max(1, size // 48), cv2.LINE_AA)
        return picture
