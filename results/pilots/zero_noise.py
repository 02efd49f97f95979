"""Rollouts of a trained policy whose sampling starts from zero instead of noise: RUN OUT."""

import sys
from pathlib import Path

import torch

from align.policy import DiffusionPolicy
from align.rollout import rollout
from align.run.layout import ROLLOUTS
from align.run.trials import write_trials
from align.worlds.make import make_worlds
from align.worlds.pushing.gaps import Gap

torch.set_num_threads(1)
policy = DiffusionPolicy.from_checkpoint(sys.argv[1])
act = policy.act
policy.act = lambda observation, noise, *rest: act(observation, torch.zeros_like(noise), *rest)
worlds = make_worlds(Gap(visual=0.2, physics=1.0, expert=1.0), 64, "easy")
rows, _ = rollout(policy, worlds, range(70_000_000, 70_000_150), 100, "real")
write_trials(Path(sys.argv[2]) / ROLLOUTS, rows)
