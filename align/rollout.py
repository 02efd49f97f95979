"""Evaluation: a policy in a batch of worlds, one row a trial."""

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from align.domain import Domain
from align.errors import InputError
from align.policy import DiffusionPolicy
from align.seeding import torch_generator
from align.worlds.batch import Worlds, check_results, is_rate

FILM_SIZE = 96
"""Side of the frames of films, in pixels."""


@torch.no_grad()
def rollout(
    policy: DiffusionPolicy,
    worlds: Worlds,
    seeds: Sequence[int],
    steps: int,
    name: str,
    film: int = 0,
    domain: Domain = Domain.REAL,
) -> tuple[list[dict[str, Any]], np.ndarray]:
    """Run a policy in a batch of worlds stepped together, with one forward pass for all.

    Args:
        policy: The policy.
        worlds: A batch of worlds, see `align.worlds.make`.
        seeds: Trial seeds; a trial depends on its own seed alone.
        steps: Control steps a trial; none ends early, so that holding the goal is tested.
        name: Name of the world, for the rows.
        film: Number of trials to film, if the worlds can be drawn.
        domain: What a policy with domain conditioning is told.

    Returns:
        One row a trial ("world", "trial", "seed" and the world's results), and the films (film, steps /
        n_action_steps + 1, size, size, 3) uint8, a frame a chunk of actions.

    Raises:
        InputError: The world does not show what the policy sees, or its results cannot be used.
    """
    worlds.reset(seeds)
    history = deque([_see(worlds, policy, len(seeds), name)] * policy.n_obs_steps, maxlen=policy.n_obs_steps)
    frames = [_film(worlds, film)]
    taken = 0
    while taken < steps:
        own = [torch_generator(seed, "rollout", taken) for seed in seeds]
        shape = policy.horizon, policy.action_dim
        noise = torch.stack([torch.randn(shape, generator=generator) for generator in own])
        observation = {key: value.to(policy.device) for key, value in _observation(history, policy).items()}
        actions = policy.act(observation, noise.to(policy.device), generator=own, domain=domain)
        actions = actions.double().cpu().numpy()
        for k in range(min(policy.n_action_steps, steps - taken)):
            worlds.step(actions[:, k])
            taken += 1
            if k >= policy.n_action_steps - policy.n_obs_steps:
                history.append(_see(worlds, policy, len(seeds), name))
        frames.append(_film(worlds, film))
    return _rows(worlds.results(), seeds, name), np.stack(frames, axis=1)


def try_worlds(policy: DiffusionPolicy, worlds: Worlds, seed: int, name: str) -> dict[str, tuple[int, ...]]:
    """Begin one trial, to find now what would go wrong later.

    Returns:
        Shape of an image, (H, W, C), by camera.

    Raises:
        InputError: As `rollout`.
    """
    worlds.reset([seed])
    seen = _see(worlds, policy, 1, name)
    check_results(worlds.results(), 1, name)
    return {camera: seen[camera].shape[1:] for camera in policy.cameras}


def _see(worlds: Worlds, policy: DiffusionPolicy, n: int, name: str) -> dict[str, np.ndarray]:
    """What the policy sees in `n` worlds, checked, and copied: a world may go on to change its arrays."""
    shown = worlds.observe()
    wanted = (*policy.cameras, "agent_pos")
    missing = [key for key in wanted if key not in shown]
    if missing:
        raise InputError(f"world {name!r} shows {sorted(shown)}; expected {missing[0]} for this policy")
    seen = {key: np.array(shown[key]) for key in wanted}
    if seen["agent_pos"].shape != (n, policy.agent_pos_dim):
        shape = seen["agent_pos"].shape
        raise InputError(
            f"world {name!r}: agent_pos has shape {shape}; expected ({n}, {policy.agent_pos_dim}), "
            "as the policy's agent_pos_dim"
        )
    for camera in policy.cameras:
        image = seen[camera]
        if image.ndim != 4 or image.dtype != np.uint8:
            raise InputError(
                f"world {name!r}: {camera} is {image.dtype} of shape {image.shape}; expected uint8 "
                "(N, H, W, C)"
            )
    for camera, (channels, *size) in policy.expected_images().items():
        if seen[camera].shape[1:] != (*size, channels):
            raise InputError(
                f"world {name!r}: {camera} is {seen[camera].shape[1:]}; the policy was trained on "
                f"{(*size, channels)} (height, width, channels)"
            )
    return seen


def _observation(history: Sequence[Mapping], policy: DiffusionPolicy) -> dict[str, torch.Tensor]:
    agent_pos = np.stack([o["agent_pos"] for o in history], axis=1)
    observation = {"agent_pos": torch.from_numpy(agent_pos).float()}
    for camera in policy.cameras:
        images = np.stack([o[camera] for o in list(history)[-policy.n_image_steps :]], axis=1)
        observation[camera] = torch.from_numpy(images).permute(0, 1, 4, 2, 3).contiguous()
    return observation


def _rows(results: Mapping[str, np.ndarray], seeds: Sequence[int], name: str) -> list[dict[str, Any]]:
    """A row a trial: which it is, then the world's columns; truth as 0 or 1, decimals to five places."""
    columns = check_results(results, len(seeds), name)
    return [
        {"world": name, "trial": i, "seed": int(seed)}
        | {
            key: round(float(values[i]), 5) if values.dtype.kind == "f" else int(values[i])
            for key, values in columns.items()
        }
        for i, seed in enumerate(seeds)
    ]


def _film(worlds: Worlds, film: int) -> np.ndarray:
    frames = [frame for i in range(film) if (frame := worlds.frame(i, FILM_SIZE)) is not None]
    return np.stack(frames) if frames else np.zeros((0, FILM_SIZE, FILM_SIZE, 3), np.uint8)


def summarise(trials: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """The mean score and the rates of a world's trials, by column."""
    shown = [name for name in trials[0] if name == "score" or is_rate(name)]
    return {name: sum(trial[name] for trial in trials) / len(trials) for name in shown}
