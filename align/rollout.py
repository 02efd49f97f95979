"""Evaluation: a policy in a batch of worlds, one row a trial."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from align.domain import Domain
from align.policy import DiffusionPolicy
from align.robot import PolicyRunner
from align.robot.observations import seen_by
from align.worlds.batch import START, Worlds, check_results, is_rate

FILM_SIZE = 96
"""Side of the frames of films, in pixels."""


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
        domain: As of `PolicyRunner`.

    Returns:
        One row a trial ("world", "trial", "seed", the world's results, and "start_score", the score before
        the first action), and the films (film, steps / n_action_steps + 1, size, size, 3) uint8, a frame a
        chunk of actions.

    Raises:
        InputError: The world does not show what the policy sees, or its results cannot be used.
    """
    worlds.reset(seeds)
    start = check_results(worlds.results(), len(seeds), name)["score"].copy()
    runner = PolicyRunner(policy, domain=domain, source=f"world {name!r}")
    runner.reset(seeds)
    frames = [_film(worlds, film)]
    for step in range(1, steps + 1):
        worlds.step(runner.select_action(worlds.observe() if runner.looks else None))
        if step % policy.n_action_steps == 0 or step == steps:
            frames.append(_film(worlds, film))
    return _rows(worlds.results(), start, seeds, name), np.stack(frames, axis=1)


def try_worlds(policy: DiffusionPolicy, worlds: Worlds, seed: int, name: str) -> dict[str, tuple[int, ...]]:
    """Begin one trial, to find now what would go wrong later.

    Returns:
        Shape of an image, (H, W, C), by camera.

    Raises:
        InputError: As `rollout`.
    """
    worlds.reset([seed])
    seen = seen_by(policy, worlds.observe(), 1, f"world {name!r}")
    check_results(worlds.results(), 1, name)
    return {camera: seen[camera].shape[1:] for camera in policy.cameras}


def _rows(
    results: Mapping[str, np.ndarray], start: np.ndarray, seeds: Sequence[int], name: str
) -> list[dict[str, Any]]:
    """A row a trial: which it is, then the world's columns; truth as 0 or 1, decimals to five places."""
    columns = check_results(results, len(seeds), name) | {START: np.asarray(start, float)}
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
