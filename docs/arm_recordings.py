"""Makes the recordings of the worked example: `python docs/arm_recordings.py`.

A 7-joint arm, seen from above and from its wrist, takes a block to a goal. `sim.hdf5` holds demonstrations in
robomimic's layout, as a simulator writes them: 84 × 84 px, 20 Hz, exact. `real` holds few in LeRobot's, as a
robot's recorder does: 96 × 128 px, 30 Hz, AV1 video, other colours, shaking joints.
"""

import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np

from align.conversion import write_lerobot, write_robomimic

LINKS = np.array([0.26, 0.22, 0.18, 0.14, 0.1, 0.07, 0.05])  # lengths in m; the base is in the middle below
SIM = {"table": (205, 205, 205), "arm": (70, 70, 70), "block": (200, 40, 40), "goal": (60, 160, 60)}
REAL = {"table": (150, 120, 95), "arm": (225, 225, 215), "block": (170, 60, 80), "goal": (80, 130, 90)}
JOINTS = [*(f"joint_{n}" for n in range(1, 8)), "gripper"]


def positions(joints: np.ndarray) -> np.ndarray:
    """Where the joints and the gripper are, (8, 2) in m."""
    angles = np.pi / 2 + np.cumsum(joints)
    steps = LINKS[:, None] * np.stack([np.cos(angles), np.sin(angles)], 1)
    return np.concatenate([np.zeros((1, 2)), np.cumsum(steps, 0)])


def reach(joints: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Joints that bring the gripper to a target, near those given: damped least squares."""
    for _ in range(60):
        chain = positions(joints)
        arms = chain[-1] - chain[:-1]  # (7, 2): how the gripper turns about each joint
        jacobian = np.stack([-arms[:, 1], arms[:, 0]])
        step = jacobian.T @ np.linalg.solve(jacobian @ jacobian.T + 1e-3 * np.eye(2), target - chain[-1])
        joints = joints + np.clip(step, -0.2, 0.2)
    return joints


def draw(
    joints: np.ndarray, block: np.ndarray, goal: np.ndarray, look: dict, size: tuple[int, int]
) -> np.ndarray:
    """The table from above, (H, W, 3) uint8."""
    height, width = size
    scale = 0.95 * min(height, width)

    def at(p: np.ndarray) -> tuple[int, int]:
        return round(width / 2 + scale * p[0]), round(height - 4 - scale * p[1])

    image = np.full((height, width, 3), look["table"], np.uint8)
    cv2.circle(image, at(goal), round(0.07 * scale), look["goal"], -1, cv2.LINE_AA)
    for p, q in pairwise(positions(joints)):
        cv2.line(image, at(p), at(q), look["arm"], max(2, round(0.03 * scale)), cv2.LINE_AA)
    x, y = at(block)
    side = round(0.04 * scale)
    cv2.rectangle(image, (x - side, y - side), (x + side, y + side), look["block"], -1)
    return image


def wrist(
    joints: np.ndarray, block: np.ndarray, goal: np.ndarray, look: dict, size: tuple[int, int]
) -> np.ndarray:
    """What lies around the gripper, as a camera on the wrist sees it."""
    height, width = size
    shift = positions(joints)[-1]
    large = draw(joints, block, goal, look, (2 * height, 2 * width))
    scale = 0.95 * min(2 * height, 2 * width)
    x, y = round(width + scale * shift[0]), round(2 * height - 4 - scale * shift[1])
    padded = cv2.copyMakeBorder(large, height, height, width, width, cv2.BORDER_REPLICATE)
    return padded[y + height // 2 : y + height // 2 + height, x + width // 2 : x + width // 2 + width]


def episodes(
    n: int, rate: int, size: tuple[int, int], look: dict, shaking: float, seed: int
) -> Iterator[dict]:
    """Demonstrations: to the block, close, to the goal, open."""
    rng = np.random.default_rng(seed)
    for _ in range(n):
        block, goal = (rng.uniform((side - 0.12, 0.5), (side + 0.12, 0.75)) for side in (-0.25, 0.25))
        home = rng.normal(0, 0.05, 7) + np.array([0.3, -0.3, -0.2, 0.3, 0.2, -0.1, 0])
        poses = [home, reach(home, block)]
        poses += [poses[1], reach(poses[1], goal)]
        poses += [poses[3]]
        seconds = (0.9, 0.2, 0.9, 0.2)
        path, closed = [], []
        for k, duration in enumerate(seconds):
            t = np.linspace(0, 1, round(duration * rate), endpoint=False)[:, None]
            path.append(poses[k] + (poses[k + 1] - poses[k]) * (3 * t**2 - 2 * t**3))
            closed.append(np.full(len(t), float(k in (1, 2))))
        joints, gripper = np.concatenate(path), np.concatenate(closed)
        carried = np.cumsum(gripper) > 0
        places = [positions(q)[-1] if held else block for q, held in zip(joints, carried, strict=True)]
        seen = [(q, p, goal, look, size) for q, p in zip(joints, places, strict=True)]
        state = np.column_stack([joints + rng.normal(0, shaking, joints.shape), np.roll(gripper, 1)])
        state[0, 7] = 0
        yield {
            "image.top": np.stack([draw(*scene) for scene in seen]),
            "image.wrist": np.stack([wrist(*scene) for scene in seen]),
            "agent_pos": state.astype(np.float32),
            "action": np.column_stack([np.roll(joints, -1, 0), gripper]).astype(np.float32)[:-1],
        }


def whole(episode: dict) -> dict:
    """An episode without its last step, which no action follows."""
    return {name: value[: len(episode["action"])] for name, value in episode.items()}


def robomimic(episode: dict) -> dict:
    """The names that a simulator of robosuite gives."""
    state = episode.pop("agent_pos")
    return episode | {"robot0_joint_pos": state[:, :7], "robot0_gripper_qpos": state[:, 7:]}


def main(folder: str = ".", sim: int = 40, real: int = 16) -> None:
    simulated = episodes(sim, 20, (84, 84), SIM, 0.0, seed=0)
    recorded = episodes(real, 30, (96, 128), REAL, 0.003, seed=1)
    write_robomimic(Path(folder, "sim.hdf5"), map(robomimic, map(whole, simulated)), rate_hz=20)
    names = {"action": JOINTS, "agent_pos": JOINTS}
    write_lerobot(Path(folder, "real"), map(whole, recorded), 30, "av1", task="block to goal", names=names)


if __name__ == "__main__":
    main(*sys.argv[1:])
