"""Rollouts of the trained policy at the end of training."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl

from align.callbacks.termination import is_trained
from align.domain import Domain
from align.errors import COUNT, SEED, SIZE, InputError, check_numbers
from align.policy import DiffusionPolicy
from align.rollout import rollout, summarise, try_worlds
from align.run.layout import PATHS, ROLLOUTS
from align.run.paths import write_paths
from align.run.ticking import telling
from align.run.trials import write_film, write_trials
from align.worlds.make import WorldLike, make_worlds


class Rollouts(pl.Callback):
    """At the end of training, evaluates the averaged policy and writes `rollouts.csv` and a film.

    Of worlds that keep them (`Worlds.paths`) it writes the executed paths too, `paths.npz`.

    Args:
        worlds: Worlds by name: the levels of a `Gap` of pushing ({visual: 0.75, physics: 1.0}; {} is sim), a
            whole pushing `World`, "gym-pusht" for the public environment, or {class_path, init_args} of any
            `align.worlds.batch.Worlds`, also your own.
        trials: Number of trials in each world; trial i has the same start in every world and run.
        steps: Control steps a trial (of pushing: at 10 Hz).
        first_seed: Seed of the first trial; the others follow.
        size: Side in pixels of the images of pushing worlds, as in the demonstrations.
        difficulty: Range of starts in pushing worlds: "easy", "medium" or "full".
        film: Number of trials to film in each world that can be drawn.
        as_sim: Names of the worlds in which a policy with domain conditioning is told that it is in sim; in
            the others it is told that it is in the real one.
        reference: Store of plans for the same trials (`align plans --first_trial`) that the report of a sweep
            compares executed paths with; neither training nor rollouts look into it.
    """

    def __init__(
        self,
        worlds: dict[str, WorldLike],
        trials: int = 100,
        steps: int = 120,
        first_seed: int = 1_000_000,
        size: int = 64,
        difficulty: str = "easy",
        film: int = 4,
        as_sim: Sequence[str] = ("sim",),
        reference: str | None = None,
    ):
        check_numbers(COUNT, whole=True, trials=trials, steps=steps)
        check_numbers(SEED, whole=True, first_seed=first_seed)
        check_numbers(SIZE, whole=True, size=size)
        check_numbers("[0, 1000]", whole=True, film=film)
        if not worlds:
            raise InputError("worlds: none; expected one or more by name, or no Rollouts callback")
        if unknown := sorted(set(as_sim) - set(worlds) - {Domain.SIM.label}):
            raise InputError(f"as_sim={unknown}: expected worlds by name, of {', '.join(worlds)}")
        for world in worlds.values():
            make_worlds(world, size, difficulty)  # a mistake is reported now, not after training
        self.worlds, self.size, self.difficulty, self.as_sim = worlds, size, difficulty, tuple(as_sim)
        self.trials, self.steps, self.first_seed, self.film = trials, steps, first_seed, film
        self.reference = reference

    def try_worlds(
        self,
        policy: DiffusionPolicy,
        image_shapes: Mapping[str, Sequence[int]],
        stores: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> list[str]:
        """Begin a trial in each world, to find before training what would go wrong after it.

        Args:
            policy: The policy that is to be evaluated.
            image_shapes: (C, H, W) of the demonstrations' images, by camera.
            stores: By path, the attributes of the demonstrations.

        Returns:
            A line for each world whose scene or goal is not that of any of the stores, as these say.

        Raises:
            InputError: A world does not show what the policy sees, or its results cannot be used, or the
                reference plans are missing.
        """
        if self.reference is not None and not Path(self.reference).exists():
            raise InputError(f"reference={self.reference!r}: no such store; expected one of plans, or null")
        told = []
        for name, world in self.worlds.items():
            worlds = make_worlds(world, self.size, self.difficulty)
            told += _other_scenes(name, worlds.scene(), stores or {})
            for camera, shape in try_worlds(policy, worlds, self.first_seed, name).items():
                if shape[:2] != tuple(image_shapes[camera][1:]):
                    found, expected = (" × ".join(map(str, s)) for s in (shape[:2], image_shapes[camera][1:]))
                    raise InputError(
                        f"rollouts: size: images are {found} pixels (height × width) in {name!r}, those of "
                        f"the demonstrations {expected}"
                    )

        return told

    def on_fit_end(self, trainer: pl.Trainer, module) -> None:
        if not (trainer.is_global_zero and is_trained(trainer)):
            return
        policy = module.ema.model.to(trainer.strategy.root_device)  # Lightning has moved it to the CPU
        seeds = range(self.first_seed, self.first_seed + self.trials)
        rows, films, paths = [], {}, {}
        for name, world in self.worlds.items():
            worlds = make_worlds(world, self.size, self.difficulty)
            filmed = min(self.film, self.trials)
            domain = Domain.SIM if name in self.as_sim else Domain.REAL
            with telling(f"{len(seeds)} trials in {name}"):
                trials, film = rollout(policy, worlds, seeds, self.steps, name, filmed, domain=domain)
            rows += trials
            films[name], paths[name] = film, worlds.paths()
            found = ", ".join(f"{measure} {mean:.3f}" for measure, mean in summarise(trials).items())
            print(f"{name}: {found} in {len(trials)} trials", flush=True)
        folder = Path(trainer.default_root_dir)
        write_trials(folder / ROLLOUTS, rows)
        write_paths(folder / PATHS, seeds, paths)
        if self.film:
            write_film(folder, films, rows)


def _other_scenes(world: str, scene: Mapping[str, Any], stores: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Warnings of what no store says as the world does; sim and real may differ, so one is enough."""
    told = []
    for key, value in json.loads(json.dumps(scene)).items():
        said = {path: attrs[key] for path, attrs in stores.items() if attrs.get(key) is not None}
        if said and value not in said.values():
            found = ", ".join(f"{_difference(other, value)} in store {path}" for path, other in said.items())
            here = _difference(value, next(iter(said.values())))
            told.append(
                f"warning: world {world!r}: {key} is {here}, but {found}, so the policy is tried elsewhere "
                "than it has learnt; expected the world of the stores"
            )
    return told


def _difference(value: Any, other: Any) -> Any:
    """Of mappings, what is different in the first."""
    if isinstance(value, dict) and isinstance(other, dict):
        return {key: part for key, part in value.items() if other.get(key) != part}
    return value
