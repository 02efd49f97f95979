"""Evaluation: a policy in a batch of worlds, one row a trial."""

import csv
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image

from align.domain import Domain
from align.files import atomic_path
from align.policy import DiffusionPolicy
from align.seeding import torch_generator
from align.worlds.pushing.scene import coverage, pose_error

POSITION_TOLERANCE = 15.0  # mm
ANGLE_TOLERANCE = 5.0  # degrees


@dataclass
class Trial:
    """One rollout.

    Attributes:
        world: Name of the world.
        trial: Position in the batch.
        seed: Trial seed: the start and, with it, the policy's noise.
        score: Largest coverage / 0.95, clipped to 1, as Diffusion Policy reports it.
        coverage: Largest coverage of the goal by the block.
        success_90: Coverage reached 0.90.
        success_95: Coverage reached 0.95.
        success_pose: The pose was once within 15 mm and 5° of the goal.
        held: It was within them at the end.
        final_coverage: Coverage at the end.
        steps: Control steps until coverage first reached 0.90, or all of them.
    """

    world: str
    trial: int
    seed: int
    score: float
    coverage: float
    success_90: int
    success_95: int
    success_pose: int
    held: int
    final_coverage: float
    steps: int


@torch.no_grad()
def rollout(
    policy: DiffusionPolicy,
    worlds,
    seeds: Sequence[int],
    steps: int,
    name: str,
    film: int = 0,
    film_size: int = 96,
    domain: Domain = Domain.REAL,
) -> tuple[list[Trial], np.ndarray]:
    """Run a policy in a batch of worlds stepped together, with one forward pass for all.

    Args:
        policy: The policy.
        worlds: A batch of worlds, such as `align.worlds.pushing.batch.PushingWorlds`.
        seeds: Trial seeds; a trial depends on its own seed alone.
        steps: Control steps a trial; none ends early, so that holding the goal is tested.
        name: Name of the world, for the rows.
        film: Number of trials to film.
        film_size: Side of the film's frames in pixels.
        domain: What a policy with domain conditioning is told.

    Returns:
        One row a trial, and the films (film, steps / n_action_steps + 1, size, size, 3) uint8, a frame a
        chunk of actions.
    """
    worlds.reset(seeds)
    history = deque([worlds.observe()] * policy.n_obs_steps, maxlen=policy.n_obs_steps)
    covered = [coverage(worlds.state[:, 2:5])]
    near = [_near_goal(worlds.state)]
    frames = [_film(worlds, film, film_size)]
    taken = 0
    while taken < steps:
        noise = torch.stack(
            [
                torch.randn(
                    policy.horizon, policy.action_dim, generator=torch_generator(seed, "rollout", taken)
                )
                for seed in seeds
            ]
        )
        observation = {key: value.to(policy.device) for key, value in _observation(history, policy).items()}
        actions = policy.act(observation, noise.to(policy.device), domain=domain).double().cpu().numpy()
        for k in range(min(policy.n_action_steps, steps - taken)):
            worlds.step(actions[:, k])
            taken += 1
            covered.append(coverage(worlds.state[:, 2:5]))
            near.append(_near_goal(worlds.state))
            if k >= policy.n_action_steps - policy.n_obs_steps:
                history.append(worlds.observe())
        frames.append(_film(worlds, film, film_size))
    return _trials(np.array(covered), np.array(near), seeds, name), np.stack(frames, axis=1)


def _observation(history: Sequence[Mapping], policy: DiffusionPolicy) -> dict[str, torch.Tensor]:
    images = np.stack([o["image"] for o in list(history)[-policy.n_image_steps :]], axis=1)
    agent_pos = np.stack([o["agent_pos"] for o in history], axis=1)
    return {
        "image": torch.from_numpy(images).permute(0, 1, 4, 2, 3).contiguous(),
        "agent_pos": torch.from_numpy(agent_pos).float(),
    }


def _near_goal(state: np.ndarray) -> np.ndarray:
    position, angle = pose_error(state[:, 2:5])
    return (position <= POSITION_TOLERANCE) & (angle <= ANGLE_TOLERANCE)


def _trials(covered: np.ndarray, near: np.ndarray, seeds: Sequence[int], name: str) -> list[Trial]:
    """Rows from coverage (steps + 1, N) and nearness to the goal (steps + 1, N)."""
    best = covered.max(axis=0)
    first = np.where((covered >= 0.90).any(0), (covered >= 0.90).argmax(0), len(covered) - 1)
    return [
        Trial(
            world=name,
            trial=i,
            seed=int(seed),
            score=round(float(min(best[i] / 0.95, 1.0)), 5),
            coverage=round(float(best[i]), 5),
            success_90=int(best[i] >= 0.90),
            success_95=int(best[i] >= 0.95),
            success_pose=int(near[:, i].any()),
            held=int(near[-1, i]),
            final_coverage=round(float(covered[-1, i]), 5),
            steps=int(first[i]),
        )
        for i, seed in enumerate(seeds)
    ]


def _film(worlds, film: int, size: int) -> np.ndarray:
    frames = [worlds.frame(i, size) for i in range(film)]
    return np.stack(frames) if frames else np.zeros((0, size, size, 3), np.uint8)


def write_trials(path: str | Path, trials: Sequence[Trial]) -> None:
    """Write trials as CSV, one row each."""
    with atomic_path(path) as target, open(target, "w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(Trial.__dataclass_fields__))
        writer.writeheader()
        writer.writerows(asdict(trial) for trial in trials)


def write_film(folder: str | Path, films: Mapping[str, np.ndarray], columns: int = 6) -> None:
    """Write `rollouts.gif` (all filmed trials playing) and `rollouts.png` (a few moments of each).

    Args:
        folder: Where to.
        films: (film, frames, size, size, 3) uint8 a world, as `rollout` returns them.
        columns: Moments a trial in the PNG.
    """
    grid = np.concatenate([np.concatenate(list(f), axis=2) for f in films.values()], axis=1)
    images = [Image.fromarray(frame) for frame in grid]
    with atomic_path(Path(folder) / "rollouts.gif") as target:
        images[0].save(target, save_all=True, append_images=images[1:], duration=400, loop=0)
    rows = []
    for name, film in films.items():
        moments = film[:, np.linspace(0, film.shape[1] - 1, columns).round().astype(int)]
        for row in moments:
            strip = np.concatenate(list(row), axis=1)
            rows.append(cv2.putText(strip.copy(), name, (3, 12), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (0, 0, 0), 1))
    with atomic_path(Path(folder) / "rollouts.png") as target:
        Image.fromarray(np.concatenate(rows)).save(target)
